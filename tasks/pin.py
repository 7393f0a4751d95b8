"""Task: pin a release, so that it stays whatever its age, or unpin it."""

from datetime import UTC, datetime

from prefect.logging import get_run_logger

from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import current_run
from tasks.schema.release import Pin
from tasks.store.objects.store import open_store
from tasks.store.releases.pins import delete_pin, write_pin


@io_task()
def pin(release: str, pinned: bool, reason: str) -> None:
    """Keep a release whatever its age, or let it go again. Raises ArtifactMissing where it does not exist."""
    store = open_store()
    if pinned:
        write_pin(store, Pin(release=release, reason=reason, pinned_at=datetime.now(UTC), run=current_run()))
    else:
        delete_pin(store, release)
    get_run_logger().info("Release %s is %s", release, f"pinned: {reason}" if pinned else "no longer pinned")
