"""The work. A file here is a Prefect task (a verb); a folder here is plain Python (a noun)."""
