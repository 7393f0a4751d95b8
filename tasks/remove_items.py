"""Task: take products down, or bring them back, by a release that shares everything else with the live one."""

from collections.abc import Sequence
from typing import Any

from prefect.logging import get_run_logger

from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import current_run, show_history, show_markdown, show_table
from tasks.stages import takedown
from tasks.stages.takedown import TakenDown
from tasks.store.objects.store import Store, open_store

_SHOWN = 500


@io_task()
def remove_items(
    items: Sequence[str], restore: Sequence[str], channel: str, reason: str, unknown_ok: bool = False
) -> dict[str, Any]:
    """Publish the live release with a new list of removals. See `takedown.remove_items`."""
    store = open_store()
    done = takedown.remove_items(store, items, restore, channel, reason, current_run(), unknown_ok)
    if done.words:
        _show(store, done)
    else:
        get_run_logger().info("Nothing to change: release %s shows it so already", done.release.id)
    return {
        "release": done.release.id,
        "generation": done.pointer.generation,
        "removed": done.changed.removed,
        "restored": done.changed.restored,
        "in_force": done.changed.table.num_rows,
        "items": done.release.items,
    }


def _show(store: Store, done: TakenDown) -> None:
    pointer = done.pointer
    show_markdown(
        "live",
        f"**{pointer.channel}** serves release `{done.release.id}`, generation **{pointer.generation}**: "
        f"{done.words}. {done.release.items} products can be searched.\n\n"
        f"To undo: `python -m flows.remove_items --channel {pointer.channel} --restore ID --reason WHY`",
        "What is live now",
    )
    rows = [{**row, "removed_at": row["removed_at"].isoformat()} for row in done.changed.table.to_pylist()[:_SHOWN]]
    show_history(store, pointer.channel)
    show_table("removals", rows or [{"item_id": "none"}], "Products that are taken down")
