"""Prefect flows: composition only. Read `pipeline.py` first."""
