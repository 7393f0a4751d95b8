"""Flow runs as the Prefect server knows them: found, settled, resumed. Plain Python over its REST interface."""
