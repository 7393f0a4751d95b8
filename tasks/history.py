"""Task: read back what a channel served."""

from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import history_rows, show_table
from tasks.store.objects.store import open_store


@io_task()
def history(channel: str, last: int) -> list[dict[str, str]]:
    """The last pointers of a channel, newest first, one row each; also left at the run as a table."""
    rows = history_rows(open_store(), channel, last)
    show_table("history", rows, f"What {channel} served, newest first")
    return rows
