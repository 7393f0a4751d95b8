"""Task: write a release into a folder, for programs that know nothing of the store."""

from typing import Any

from prefect.logging import get_run_logger

from tasks.orchestration.policies import compute_task
from tasks.orchestration.run_artifacts import show_markdown, track
from tasks.report.tables import escape, table
from tasks.stages import exporting
from tasks.store.objects.store import open_store


@compute_task()
def export_release(release: str, channel: str, folder: str, license_id: str, images: bool) -> dict[str, Any]:
    """Write a release into ``folder``; returns where, its files with their bytes, and what it lacks."""
    with track("export-release", "exporting the release") as progress:
        done = exporting.export_release(open_store(), release, channel, folder, license_id, images, progress)
    for words in done.lacks:
        get_run_logger().warning("Release %s: %s", done.release, words)
    rows = [[f"`{path}`", f"{size:,}"] for path, size in done.files.items()]
    lacks = "".join(f"\n- {escape(words)}" for words in done.lacks)
    page = f"# Release `{done.release}` in `{done.folder}`\n\n{table(['File', 'Bytes'], rows, 1)}\n{lacks}"
    show_markdown("export", page, "What was written, and what the release lacks")
    return {"release": done.release, "folder": done.folder, "files": done.files, "lacks": list(done.lacks)}
