"""Task: take products down, or bring them back, by a release that shares everything else with the live one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prefect.logging import get_run_logger

from tasks.catalog.removals import ChangedRemovals, change_removals
from tasks.history import show_history
from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import current_run, show_markdown, show_table
from tasks.schema.errors import ArtifactMissing, PublishConflict
from tasks.schema.release import LivePointer, Release
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.live import LiveState, read_live, swap_live
from tasks.store.releases.releases import read_release
from tasks.store.releases.removals import indexed_ids, read_removals, store_removals, with_removals

_TRIES = 10  # each loses only to somebody else's finished publish
_SHOWN = 500


@io_task(name="remove-items")
def remove(
    items: Sequence[str], restore: Sequence[str], channel: str, reason: str, unknown_ok: bool = False
) -> dict[str, Any]:
    """Publish the live release with a new list of removals. A publish in between is built upon, never overwritten.

    Raises ConfigError where ids are unknown, ArtifactMissing before the first release, PublishConflict where others
    publish without pause.
    """
    store = open_store()
    for attempt in range(_TRIES):
        state = read_live(store, channel)
        if state is None:
            raise ArtifactMissing(f"Nothing is live on channel {channel!r} of {store.root}: nothing to take down.")
        live = read_release(store, state.pointer.release)
        changed = _change(store, live, items, restore, reason, unknown_ok)
        if not changed.removed and not changed.restored:
            get_run_logger().info("Nothing to change: release %s shows it so already", live.id)
            return _told(live, state.pointer, changed)
        try:
            release, pointer = _publish(store, state, live, changed, reason)
        except PublishConflict as conflict:
            if attempt == _TRIES - 1:
                raise
            get_run_logger().warning("Doing it again over the release published meanwhile: %s", conflict)
            continue
        _show(store, release, pointer, changed)
        return _told(release, pointer, changed)
    raise AssertionError("unreachable")


def _change(
    store: Store, live: Release, items: Sequence[str], restore: Sequence[str], reason: str, unknown_ok: bool
) -> ChangedRemovals:
    return change_removals(
        read_removals(store, live.removals),
        indexed_ids(store, live.index).to_pylist(),
        remove=items,
        restore=restore,
        reason=reason,
        when=datetime.now(UTC),
        run=current_run() or "",
        unknown_ok=unknown_ok,
    )


def _publish(
    store: Store, state: LiveState, live: Release, changed: ChangedRemovals, reason: str
) -> tuple[Release, LivePointer]:
    why, run = f"{'; '.join(_words(changed))}: {reason}", current_run()
    release = with_removals(store, live, store_removals(store, changed.table), parent=live.id, why=why, run=run)
    # A roll-back must go past this release, whose removals it would only carry over: hence keep_previous.
    pointer = swap_live(
        store, state.pointer.channel, release.id, reason=f"remove_items: {why}", run=run, expected=state,
        keep_previous=True,
    )  # fmt: skip
    return release, pointer


def _words(changed: ChangedRemovals) -> list[str]:
    pairs = (("taken down", changed.removed), ("brought back", changed.restored))
    return [f"{len(ids)} {done} ({', '.join(ids[:3])}{', ...' if len(ids) > 3 else ''})" for done, ids in pairs if ids]


def _show(store: Store, release: Release, pointer: LivePointer, changed: ChangedRemovals) -> None:
    show_markdown(
        "live",
        f"**{pointer.channel}** serves release `{release.id}`, generation **{pointer.generation}**: "
        f"{'; '.join(_words(changed))}. {release.items} products can be searched.\n\n"
        f"To undo: `python -m flows.remove_items --channel {pointer.channel} --restore ID --reason WHY`",
        "What is live now",
    )
    rows = [{**row, "removed_at": row["removed_at"].isoformat()} for row in changed.table.to_pylist()[:_SHOWN]]
    show_history(store, pointer.channel)
    show_table("removals", rows or [{"item_id": "none"}], "Products that are taken down")


def _told(release: Release, pointer: LivePointer, changed: ChangedRemovals) -> dict[str, Any]:
    return {
        "release": release.id,
        "generation": pointer.generation,
        "removed": changed.removed,
        "restored": changed.restored,
        "in_force": changed.table.num_rows,
        "items": release.items,
    }
