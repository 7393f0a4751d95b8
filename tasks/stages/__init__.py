"""Store plus computation, without Prefect: what each task does, callable and testable alone."""
