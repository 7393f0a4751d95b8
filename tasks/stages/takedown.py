"""Products taken down, or brought back, by a release that shares everything else with the live one."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.catalog.removals import ChangedRemovals, change_removals
from tasks.schema.errors import ArtifactMissing, PublishConflict
from tasks.schema.release import LivePointer, Release
from tasks.store.objects.store import Store
from tasks.store.releases.live import LiveState, read_live
from tasks.store.releases.releases import read_release
from tasks.store.releases.removals import indexed_ids, read_removals, store_removals, with_removals
from tasks.store.releases.swap import swap_live

_TRIES = 10  # each loses only to somebody else's finished publish
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TakenDown:
    """What is live after the change, and what changed."""

    release: Release
    pointer: LivePointer
    changed: ChangedRemovals

    @property
    def words(self) -> str:
        """The change in words."""
        pairs = (("taken down", self.changed.removed), ("brought back", self.changed.restored))
        return "; ".join(
            f"{len(ids)} {done} ({', '.join(ids[:3])}{', ...' if len(ids) > 3 else ''})" for done, ids in pairs if ids
        )


def remove_items(
    store: Store,
    items: Sequence[str],
    restore: Sequence[str],
    channel: str,
    reason: str,
    run: str | None,
    unknown_ok: bool = False,
) -> TakenDown:
    """Publish the live release with a new list of removals. A publish in between is built upon, never overwritten.

    Raises ConfigError where ids are unknown, ArtifactMissing before the first release, PublishConflict where others
    publish without pause.
    """
    for attempt in range(_TRIES):
        state = read_live(store, channel)
        if state is None:
            raise ArtifactMissing(f"Nothing is live on channel {channel!r} of {store.root}: nothing to take down.")
        live = read_release(store, state.pointer.release)
        changed = change_removals(
            read_removals(store, live.removals),
            indexed_ids(store, live.index).to_pylist(),
            remove=items,
            restore=restore,
            reason=reason,
            when=datetime.now(UTC),
            run=run or "",
            unknown_ok=unknown_ok,
        )
        unmoved = TakenDown(live, state.pointer, changed)
        if not changed.removed and not changed.restored:
            return unmoved
        try:
            return _publish(store, state, unmoved, reason, run)
        except PublishConflict as conflict:
            if attempt == _TRIES - 1:
                raise
            _log.warning("Repeated over the release published meanwhile: %s", conflict)
    raise AssertionError("unreachable")


def _publish(store: Store, state: LiveState, planned: TakenDown, reason: str, run: str | None) -> TakenDown:
    why = f"{planned.words}: {reason}"
    removals = store_removals(store, planned.changed.table)
    release = with_removals(store, planned.release, removals, parent=planned.release.id, why=why, run=run)
    # A roll-back must go past this release, whose removals it would only carry over: hence keep_previous.
    pointer = swap_live(
        store, state.pointer.channel, release.id, reason=f"remove_items: {why}", run=run, expected=state,
        keep_previous=True,
    )  # fmt: skip
    return TakenDown(release, pointer, planned.changed)
