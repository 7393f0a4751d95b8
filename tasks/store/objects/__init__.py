"""Bytes below one root, in a folder or in a bucket: conditional writes, retries, checksums, parquet."""
