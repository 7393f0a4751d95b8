"""The category head over frozen image embeddings. Plain torch."""
