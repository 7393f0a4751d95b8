"""Reads any shop as one catalogue: sources, captions, groups, splits, image checks."""
