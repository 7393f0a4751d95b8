"""Follows the live release and swaps to it under running queries.

One background thread looks at the live pointer, loads the next release beside the current one, tests it, and then
replaces one reference. A query holds the release it began with; a release is closed when its last query ends.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from app.errors import NothingPublished
from app.serving.last_known_good import Remembered
from app.serving.reader_lease import Lease
from app.serving.snapshot import Parts, Snapshot, fetch_parts, load_snapshot, refs_of
from app.serving.snapshot_pool import Residents
from app.serving.status import KEPT, LiveStatus, Refused, Seen
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

    def __init__(self, store: Store, settings: AppSettings, remembered: Remembered) -> None:
        self._store, self._settings, self._remembered = store, settings, remembered
        self._lease = Lease(store, settings.poll_seconds)
        self.residents = Residents()
        self._telling = threading.Lock()  # guards the next two
        self._departed: list[dict[str, str]] = []
        self._seen = Seen()
        self._state: LiveState | None = None  # as last read: the store is asked only for what is newer
        self._one_check = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.on_swap: list[Callable[[Snapshot], None]] = []
        self.on_refuse: list[Callable[[Refused], None]] = []

    # Queries

    @contextmanager
    def acquire(self) -> Iterator[Snapshot]:
        """Hold the current snapshot for one query. Never waits for a load. Raises NothingPublished."""
        with self.residents.hold() as snapshot:
            if snapshot is None:
                raise NothingPublished(self._why_nothing())
            yield snapshot

    def departed_image(self, item_id: str, sha256: str) -> bool:
        """Whether a page may still show this image for this item: of a recently replaced release, or one compared."""
        guest = self.residents.guest
        if guest and guest.items.image_of(item_id) == sha256:
            return True
        with self._telling:
            return any(gone.get(item_id) == sha256 for gone in self._departed)

    def status(self) -> LiveStatus:
        """A consistent view of what is served and what is wrong."""
        with self._telling:
            seen = self._seen
            return LiveStatus(
                snapshot=self.residents.current,
                resident=self.residents.count,
                most_resident=self.residents.most,
                loading=seen.loading,
                refused=seen.refused.get(seen.wanted or ""),
                store_error=seen.store_error,
                checked_at=seen.checked_at,
            )

    # Following

    def start(self) -> None:
        """Begin to follow the channel in a background thread."""
        self._thread = threading.Thread(target=self._follow, name="live-release", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the background thread; queries under way keep their snapshot."""
        self._stopping.set()
        self.residents.close()
        if self._thread is not None:
            self._thread.join(timeout=10)
        self._lease.give_up()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self.check()
            except Exception:  # the thread must outlive whatever a release or a store comes up with
                log.exception("Looking for the live release failed; trying again")
            jitter = random.uniform(0.8, 1.2)  # many processes do not ask in step
            self._stopping.wait(self._settings.poll_seconds * jitter)

    def check(self) -> None:
        """Look once at the live pointer and load what is new. Safe to call at any time; one call works at a time."""
        with self._one_check:
            try:
                self._state = read_live(self._store, self._settings.channel, self._state)
            except ProductSearchError as error:
                self._note_store(f"{error}")
                self._serve_remembered()
                return
            self._note_store(None)
            if self._state is not None:
                self._follow_pointer(self._state.pointer)
            self.residents.dismiss_guest(self._settings.compare_idle_seconds)
            self._hold_what_is_resident()

    def _follow_pointer(self, pointer: LivePointer) -> None:
        current = self.residents.current
        with self._telling:
            self._seen.wanted = pointer.release
            may_try = self._seen.may_try(pointer.release)
        if current and current.release.id == pointer.release:
            self._relabel(pointer)
        elif may_try and (current is None or _newer(pointer, current.pointer)):
            self._load(pointer)

    def _load(self, pointer: LivePointer) -> None:
        if not self._make_room(pointer.release):
            return
        try:
            self._lease.hold(self.residents.ids | {pointer.release})  # before anything of it is read
            release = read_release(self._store, pointer.release)
            beside = self.residents.current
            parts = fetch_parts(self._store, release, beside)
            snapshot = load_snapshot(release, pointer, parts, self._settings, beside)
        except Exception as error:
            self._refuse(pointer.release, error)
            return
        self._swap(snapshot)
        self._remembered.write(release, pointer, parts)
        self._forget_old_files(snapshot.release, beside.release if beside else None)

    def _hold_what_is_resident(self) -> None:
        try:
            self._lease.hold(self.residents.ids)
        except BeingCollected as error:  # only after a pause longer than the lease: what is in memory answers on
            log.warning("What is served is not kept in the store any more: %s", error)

    def _forget_old_files(self, *served: Release | None) -> None:
        """Local copies that no release of the last day needs; a shared cache keeps what others fetched meanwhile."""
        keep = [ref for release in served if release for ref in refs_of(release).values()]
        try:
            prune_cache(self._store, keep, unused_for=_COPIES_KEPT)
        except OSError as error:
            log.warning("Old local copies cannot be removed: %s", error)

    def _serve_remembered(self) -> None:
        with self._telling:
            if self.residents.current is not None or not self._seen.may_try(KEPT):
                return
            self._seen.wanted = KEPT
        found: tuple[Release, LivePointer, Parts] | None = None
        try:
            found = self._remembered.read()
            if found and self._make_room(found[0].id):
                self._swap(load_snapshot(*found, self._settings, stale=True))
                log.warning("The store does not answer: serving the last release seen, %s", found[0].id)
        except Exception as error:
            self._refuse(KEPT, error)

    def _make_room(self, release: str) -> bool:
        if not self.residents.make_room():
            return False
        with self._telling:
            self._seen.loading = release
        return True

    def _swap(self, snapshot: Snapshot) -> None:
        before = self.residents.current
        gone = before.items.images_not_in(snapshot.items) if before else {}
        with self._telling:
            self.residents.settle(snapshot)
            self._seen.loading = None
            for mended in (snapshot.release.id, KEPT):
                self._seen.refused.pop(mended, None)
            self._departed = [gone, *self._departed][:_DEPARTED_KEPT]
        log.info("Serving release %s, %d products", snapshot.label, len(snapshot.items))
        for told in self.on_swap:
            told(snapshot)

    def _relabel(self, pointer: LivePointer) -> None:
        """The same release under a newer pointer (rolled back and forth), or reached again after an outage."""
        current = self.residents.current
        if current and (current.pointer != pointer or current.stale):
            self.residents.relabel(lambda snapshot: replace(snapshot, pointer=pointer, stale=False))

    def _refuse(self, release: str, error: Exception) -> None:
        current = self.residents.current
        with self._telling:
            if self._seen.loading:
                self.residents.give_up_room()
            refused = self._seen.refuse(release, error, self._settings.poll_seconds)
            serving = current.label if current else "nothing"
        known = isinstance(error, (ProductSearchError, OSError))
        log.log(
            logging.WARNING if isinstance(error, TransientError) else logging.ERROR,
            "Release %s is not taken (attempt %d, next in %.0f s), still serving %s: %s",
            release, refused.attempts, refused.again_in, serving, refused.reason, exc_info=None if known else error,
        )  # fmt: skip
        for told in self.on_refuse:
            told(refused)

    def _note_store(self, problem: str | None) -> None:
        with self._telling:
            if problem and problem != self._seen.store_error:
                log.warning("The live pointer cannot be read: %s", problem)
            self._seen.store_error = problem
            self._seen.checked_at = datetime.now(UTC) if problem is None else self._seen.checked_at

    def _why_nothing(self) -> str:
        with self._telling:
            seen = replace(self._seen)
        refused = seen.refused.get(seen.wanted or "")
        if seen.store_error:
            kept = f"what is kept on this machine cannot be used: {refused.reason}" if refused else "none is kept here."
            return f"The live release cannot be read ({seen.store_error}), and {kept}"
        if seen.loading:
            return f"Release {seen.loading} is being loaded. Ask again in a few seconds."
        if refused:
            return f"Release {refused.release} cannot be loaded: {refused.reason}"
        return (
            f"No release is live on channel {self._settings.channel!r} yet. Run the pipeline: python -m flows.pipeline."
        )


def _newer(pointer: LivePointer, than: LivePointer) -> bool:
    # a lower generation published later means that the store was emptied and filled anew
    return pointer.generation > than.generation or pointer.published_at > than.published_at
