"""Tasks: recount what a channel served, and pin releases that must stay."""

from datetime import UTC, datetime

from prefect.logging import get_run_logger

from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import current_run, show_table
from tasks.schema.errors import ProductSearchError
from tasks.schema.release import Pin
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.history import Served, read_history
from tasks.store.releases.pins import delete_pin, write_pin


@io_task(name="recount-history")
def recount(channel: str, last: int) -> list[dict[str, str]]:
    """The last pointers of a channel, newest first, one row each; also left at the run as a table."""
    rows = [_row(served) for served in read_history(open_store(), channel, last)]
    show_table("history", rows, f"What {channel} served, newest first")
    return rows


@io_task(name="set-pin")
def set_pin(release: str, pinned: bool, reason: str) -> None:
    """Keep a release whatever its age, or let it go again. Raises ArtifactMissing where it does not exist."""
    store = open_store()
    if pinned:
        write_pin(store, Pin(release=release, reason=reason, pinned_at=datetime.now(UTC), run=current_run()))
    else:
        delete_pin(store, release)
    get_run_logger().info("Release %s is %s", release, f"pinned: {reason}" if pinned else "no longer pinned")


def show_history(store: Store, channel: str, last: int = 20) -> None:
    """Leave the history at the run. A store that cannot be read is logged: what is live has moved already."""
    try:
        rows = [_row(served) for served in read_history(store, channel, last)]
    except ProductSearchError as error:
        get_run_logger().warning("The history cannot be shown: %s", error)
        return
    show_table("history", rows, f"What {channel} served, newest first")


def _row(served: Served) -> dict[str, str]:
    pointer = served.pointer
    return {
        "generation": str(pointer.generation),
        "release": pointer.release,
        "when": f"{pointer.published_at:%Y-%m-%d %H:%M:%S} UTC",
        "reason": pointer.reason,
        "run": pointer.run or "",
        "items": str(served.release.items) if served.release else "collected",
        "pinned": (served.pin.reason or "yes") if served.pin else "",
    }
