"""Follows the live release and swaps to it under running queries.

One background thread looks at the live pointer, loads the next release while the current one answers, tests it, and
then replaces one reference. A query holds the release it began with; a release is closed when its last query ends.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from app.errors import NothingPublished
from app.serving.last_known_good import LastKnownGood
from app.serving.reader_lease import ReaderLease
from app.serving.snapshot import ReleaseFiles, Snapshot, fetch_files, load_snapshot, refs_of
from app.serving.snapshot_pool import SnapshotPool
from app.serving.status import LAST_KNOWN_GOOD, FollowState, LiveStatus, Refused
from app.settings import AppSettings
from tasks.schema.errors import BeingCollected, ProductSearchError, TransientError
from tasks.schema.release import LivePointer, Release
from tasks.store.artifacts.cache import prune_cache
from tasks.store.objects.store import Store
from tasks.store.releases.live import LiveState, read_live
from tasks.store.releases.releases import read_release

log = logging.getLogger(__name__)

_DEPARTED_KEPT = 4
_COPIES_KEPT = 86_400.0


class Live:
    """The current snapshot of a channel. ``start`` once, ``acquire`` for each query, ``stop`` at the end."""

    def __init__(self, store: Store, settings: AppSettings, last_known_good: LastKnownGood) -> None:
        self._store, self._settings, self._last_known_good = store, settings, last_known_good
        self._lease = ReaderLease(store, settings.poll_seconds)
        self.pool = SnapshotPool()
        self._status_lock = threading.Lock()  # guards the next two
        self._departed: list[dict[str, str]] = []
        self._following = FollowState()
        self._pointer_state: LiveState | None = None  # as last read: the store returns only what is newer
        self._one_check = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.on_swap: list[Callable[[Snapshot], None]] = []
        self.on_refuse: list[Callable[[Refused], None]] = []

    # Queries

    @contextmanager
    def acquire(self) -> Iterator[Snapshot]:
        """Hold the current snapshot for one query. Never waits for a load. Raises NothingPublished."""
        with self.pool.hold() as snapshot:
            if snapshot is None:
                raise NothingPublished(self.status().why_nothing(self._settings.channel))
            yield snapshot

    def departed_image(self, item_id: str, sha256: str) -> bool:
        """Whether a page may still show this image for this item: of a recently replaced release, or one compared."""
        compared = self.pool.compared
        if compared and compared.items.image_of(item_id) == sha256:
            return True
        with self._status_lock:
            return any(gone.get(item_id) == sha256 for gone in self._departed)

    def status(self) -> LiveStatus:
        """A consistent view of what is served and what is wrong."""
        with self._status_lock:
            state = self._following
            return LiveStatus(
                snapshot=self.pool.current,
                resident=self.pool.count,
                most_resident=self.pool.most,
                loading=state.loading,
                refused=state.refusal,
                store_error=state.store_error,
                checked_at=state.checked_at,
            )

    # Following

    def start(self) -> None:
        """Follow the channel in a background thread."""
        self._thread = threading.Thread(target=self._follow, name="live-release", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the background thread; queries under way keep their snapshot."""
        self._stopping.set()
        self.pool.close()
        if self._thread is not None:
            self._thread.join(timeout=10)
        self._lease.give_up()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self.check()
            except Exception:  # the thread must survive every fault of a release or a store
                log.exception("Looking for the live release failed; trying again")
            jitter = random.uniform(0.8, 1.2)  # spreads the polls of many processes
            self._stopping.wait(self._settings.poll_seconds * jitter)

    def check(self) -> None:
        """Read the live pointer once and load what is new. Safe to call at any time; calls run one after another."""
        with self._one_check:
            try:
                self._pointer_state = read_live(self._store, self._settings.channel, self._pointer_state)
            except ProductSearchError as error:
                self._note_store(f"{error}")
                self._serve_last_known_good()
                return
            self._note_store(None)
            if self._pointer_state is not None:
                self._follow_pointer(self._pointer_state.pointer)
            self.pool.drop_idle_comparison(self._settings.compare_idle_seconds)
            self._renew_lease()

    def _follow_pointer(self, pointer: LivePointer) -> None:
        current = self.pool.current
        with self._status_lock:
            self._following.wanted = pointer.release
            may_try = self._following.may_try(pointer.release)
        if current and current.release.id == pointer.release:
            self._relabel(pointer)
        elif may_try and (current is None or _newer(pointer, current.pointer)):
            self._load(pointer)

    def _load(self, pointer: LivePointer) -> None:
        if not self._make_room(pointer.release):
            return
        try:
            self._lease.hold(self.pool.ids | {pointer.release})  # before anything of it is read
            release = read_release(self._store, pointer.release)
            before = self.pool.current
            files = fetch_files(self._store, release, before)
            snapshot = load_snapshot(release, pointer, files, self._settings, before)
        except Exception as error:
            self._refuse(pointer.release, error)
            return
        self._swap(snapshot)
        self._last_known_good.write(release, pointer, files)
        self._prune_files(release, before.release if before else None)

    def _renew_lease(self) -> None:
        try:
            self._lease.hold(self.pool.ids)
        except BeingCollected as error:  # only after a pause longer than the lease: what is in memory still answers
            log.warning("The release that is served is being deleted from the store: %s", error)

    def _prune_files(self, *needed: Release | None) -> None:
        """Delete local copies that were unused for a day; in a shared cache other processes may use some."""
        keep = [ref for release in needed if release for ref in refs_of(release).values()]
        try:
            prune_cache(self._store, keep, unused_for=_COPIES_KEPT)
        except OSError as error:
            log.warning("Old local copies cannot be removed: %s", error)

    def _serve_last_known_good(self) -> None:
        with self._status_lock:
            if self.pool.current is not None or not self._following.may_try(LAST_KNOWN_GOOD):
                return
            self._following.wanted = LAST_KNOWN_GOOD
        found: tuple[Release, LivePointer, ReleaseFiles] | None = None
        try:
            found = self._last_known_good.read()
            if found and self._make_room(found[0].id):
                self._swap(load_snapshot(*found, self._settings, stale=True))
                log.warning("The store does not answer: serving the last release seen, %s", found[0].id)
        except Exception as error:
            self._refuse(LAST_KNOWN_GOOD, error)

    def _make_room(self, release: str) -> bool:
        if not self.pool.make_room():
            return False
        with self._status_lock:
            self._following.loading = release
        return True

    def _swap(self, snapshot: Snapshot) -> None:
        before = self.pool.current
        gone = before.items.images_not_in(snapshot.items) if before else {}
        with self._status_lock:
            self.pool.settle(snapshot)
            self._following.loading = None
            for loaded in (snapshot.release.id, LAST_KNOWN_GOOD):
                self._following.refused.pop(loaded, None)
            self._departed = [gone, *self._departed][:_DEPARTED_KEPT]
        log.info("Serving release %s, %d products", snapshot.label, len(snapshot.items))
        for notify in self.on_swap:
            notify(snapshot)

    def _relabel(self, pointer: LivePointer) -> None:
        """The same release under a newer pointer (a rollback and back), or confirmed after an outage."""
        current = self.pool.current
        if current and (current.pointer != pointer or current.stale):
            self.pool.relabel(lambda snapshot: replace(snapshot, pointer=pointer, stale=False))

    def _refuse(self, release: str, error: Exception) -> None:
        current = self.pool.current
        with self._status_lock:
            if self._following.loading:
                self.pool.give_up_room()
            refused = self._following.refuse(release, error, self._settings.poll_seconds)
            serving = current.label if current else "nothing"
        known = isinstance(error, (ProductSearchError, OSError))
        log.log(
            logging.WARNING if isinstance(error, TransientError) else logging.ERROR,
            "Release %s is not taken (attempt %d, next in %.0f s), still serving %s: %s",
            release, refused.attempts, refused.again_in, serving, refused.reason, exc_info=None if known else error,
        )  # fmt: skip
        for notify in self.on_refuse:
            notify(refused)

    def _note_store(self, problem: str | None) -> None:
        with self._status_lock:
            if problem and problem != self._following.store_error:
                log.warning("The live pointer cannot be read: %s", problem)
            self._following.store_error = problem
            self._following.checked_at = datetime.now(UTC) if problem is None else self._following.checked_at


def _newer(pointer: LivePointer, than: LivePointer) -> bool:
    # a lower generation published later means that the store was emptied and filled again
    return pointer.generation > than.generation or pointer.published_at > than.published_at
