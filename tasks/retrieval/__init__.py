"""FAISS index and retrieval metrics. Plain faiss and numpy."""
