"""The second floor: artifacts and what belongs to them: manifests, claims, verified local copies, embeddings, images.

It builds on objects alone, and knows nothing of releases.
"""
