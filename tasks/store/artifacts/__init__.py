"""Artifacts and what lies beside them: manifests, claims, verified local copies, embeddings, images."""
