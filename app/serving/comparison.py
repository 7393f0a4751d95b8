"""A second release beside the live one, to compare with it. It gives way to whatever is published."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from app.errors import NoRoom
from app.serving.choices import Choices
from app.serving.live import Live
from app.serving.reader_lease import Lease
from app.serving.snapshot import Parts, Snapshot, fetch_parts, load_snapshot
from app.settings import AppSettings
from tasks.schema.release import Release
from tasks.store.objects.store import Store
from tasks.store.releases.releases import read_release


class Guests:
    """Loads releases to compare with, one at a time."""

    def __init__(self, store: Store, settings: AppSettings, live: Live) -> None:
        self._store, self._settings, self._live = store, settings, live
        self._one_load = threading.Lock()

    @contextmanager
    def beside(self, release_id: str) -> Iterator[tuple[Snapshot, Snapshot]]:
        """Hold the live release and another one, loading it first where it is not here (seconds).

        Raises NoRoom, NothingPublished, ArtifactMissing, ArtifactCorrupt, StoreUnavailable, ConfigError.
        """
        residents = self._live.residents
        with self._live.acquire() as live:
            served = live.release.id  # and not held while the other one is fetched: a publish may need its place
        if release_id != served:
            self._bring(release_id)
        with self._live.acquire() as live:
            if live.release.id == release_id:
                yield live, live
                return
            with residents.hold(release_id) as other:
                if other is None:
                    raise NoRoom("A newer release came in meanwhile. Compare again.")
                yield live, other

    def _bring(self, release_id: str) -> None:
        with self._one_load:
            guest = self._live.residents.guest
            if guest and guest.release.id == release_id:
                return
            lease = Lease(self._store, self._settings.poll_seconds)
            try:
                lease.hold({release_id})  # once it is in memory, the app's own lease names it
                release = read_release(self._store, release_id)
                self._load(release, fetch_parts(self._store, release))
            finally:
                lease.give_up()

    def _load(self, release: Release, parts: Parts) -> None:
        residents = self._live.residents
        if not residents.make_room_for_guest():
            raise NoRoom("Another release is just being loaded or compared. Compare again in a few seconds.")
        try:
            live = residents.current
            assert live is not None  # once there was one, there is one
            # what it is shown as: its own id beside the live one's generation, for it has none
            pointer = live.pointer.model_copy(update={"release": release.id})
            snapshot = _hide(load_snapshot(release, pointer, parts, self._settings, live), live.items.removed)
        except BaseException:
            residents.give_up_room()
            raise
        residents.settle_guest(snapshot)


def _hide(snapshot: Snapshot, removed: Mapping[str, datetime]) -> Snapshot:
    """The snapshot without products that are taken down now, which it may be too old to know of."""
    items = snapshot.items.without({**snapshot.items.removed, **removed})
    return replace(snapshot, items=items, choices=Choices(snapshot.index.columns, items.allowed()))
