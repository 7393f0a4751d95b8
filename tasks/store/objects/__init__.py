"""The ground floor: bytes, JSON and tables below one root, in a folder or in a bucket.

The only place that imports boto3 and s3fs. It knows no artifact and no release, only paths.
"""
