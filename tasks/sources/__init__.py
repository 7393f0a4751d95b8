"""The shop's own files: folders, buckets, images on the web. Read only."""
