"""The shop's own files: folders, buckets, images on the web. Read only.

Of the store it uses the objects floor alone.
"""
