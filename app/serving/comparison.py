"""A second release next to the live one, to compare with it. Whatever is published takes its memory."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from app.errors import NoRoom
from app.serving.live import Live
from app.serving.reader_lease import ReaderLease
from app.serving.row_filters import RowFilters
from app.serving.snapshot import ReleaseFiles, Snapshot, fetch_files, load_snapshot
from app.settings import AppSettings
from tasks.schema.release import Release
from tasks.store.objects.store import Store
from tasks.store.releases.releases import read_release


class ComparisonRelease:
    """Loads releases to compare with, one at a time."""

    def __init__(self, store: Store, settings: AppSettings, live: Live) -> None:
        self._store, self._settings, self._live = store, settings, live
        self._one_load = threading.Lock()

    @contextmanager
    def hold(self, release_id: str) -> Iterator[tuple[Snapshot, Snapshot]]:
        """Hold the live release and another one, which is loaded first where it is not in memory (seconds).

        Raises NoRoom, NothingPublished, ArtifactMissing, ArtifactCorrupt, StoreUnavailable, ConfigError.
        """
        with self._live.acquire() as live:
            live_id = live.release.id  # not held while the other one is fetched: a publish may need its memory
        if release_id != live_id:
            self._ensure_loaded(release_id)
        with self._live.acquire() as live:
            if live.release.id == release_id:
                yield live, live
                return
            with self._live.pool.hold(release_id) as other:
                if other is None:
                    raise NoRoom("A newer release came in meanwhile. Compare again.")
                yield live, other

    def _ensure_loaded(self, release_id: str) -> None:
        with self._one_load:
            loaded = self._live.pool.compared
            if loaded and loaded.release.id == release_id:
                return
            lease = ReaderLease(self._store, self._settings.poll_seconds)
            try:
                lease.hold({release_id})  # once it is in memory, the app's own lease names it
                release = read_release(self._store, release_id)
                self._load(release, fetch_files(self._store, release))
            finally:
                lease.give_up()

    def _load(self, release: Release, files: ReleaseFiles) -> None:
        pool = self._live.pool
        if not pool.make_room_for_comparison():
            raise NoRoom("Another release is just being loaded or compared. Compare again in a few seconds.")
        try:
            live = pool.current
            assert live is not None  # once there was one, there is one
            # it is labelled with its own id and the live generation, for it has none
            pointer = live.pointer.model_copy(update={"release": release.id})
            snapshot = _hide(load_snapshot(release, pointer, files, self._settings, live), live.items.removed)
        except BaseException:
            pool.give_up_room()
            raise
        pool.settle_comparison(snapshot)


def _hide(snapshot: Snapshot, removed: Mapping[str, datetime]) -> Snapshot:
    """The snapshot without products that are taken down now, of which an old release may not know."""
    items = snapshot.items.without({**snapshot.items.removed, **removed})
    index = snapshot.index
    return replace(
        snapshot,
        items=items,
        row_filters=RowFilters(index.columns, items.allowed()),
        suggestions=index.suggestions.shown(items, index.columns),
    )
