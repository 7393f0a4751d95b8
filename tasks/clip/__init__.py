"""OpenCLIP: load, encode, fine-tune. Plain torch."""
