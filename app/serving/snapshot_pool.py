"""The releases in this process's memory, two at most, and who uses them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.serving.snapshot import Snapshot

_MOST = 2  # the current one, and one that is being loaded, answers its last queries, or is compared with


@dataclass
class _Entry:
    """A snapshot with the number of queries that hold it. Guarded by the pool's lock."""

    snapshot: Snapshot
    users: int = 0
    retired: bool = False
    last_used: float = field(default_factory=time.monotonic)


class SnapshotPool:
    """Counts the releases in memory. A publish always gets the second place, also from a comparison. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards everything below
        self._entries: list[_Entry] = []
        self._current: _Entry | None = None
        self._compared: _Entry | None = None
        self._coming = 0
        self._publishes_waiting = 0
        self._closed = False
        self._most = 0

    # What is in memory

    @property
    def current(self) -> Snapshot | None:
        """The release that answers."""
        with self._changed:
            return self._current.snapshot if self._current else None

    @property
    def compared(self) -> Snapshot | None:
        """The release that is compared with."""
        with self._changed:
            return self._compared.snapshot if self._compared else None

    @property
    def count(self) -> int:
        """Releases in memory, with one that is being loaded."""
        with self._changed:
            return len(self._entries) + self._coming

    @property
    def most(self) -> int:
        """The most there ever were."""
        return self._most

    @property
    def ids(self) -> set[str]:
        """Releases in memory by id."""
        with self._changed:
            return {entry.snapshot.release.id for entry in self._entries}

    @contextmanager
    def hold(self, release: str | None = None) -> Iterator[Snapshot | None]:
        """Keep the current release, or by id the one compared with, in memory for one query; None where it is not."""
        with self._changed:
            entry = self._current if release is None else self._compared
            if entry and release not in (None, entry.snapshot.release.id):
                entry = None
            if entry:
                entry.users += 1
        try:
            yield entry.snapshot if entry else None
        finally:
            if entry:
                with self._changed:
                    entry.users -= 1
                    entry.last_used = time.monotonic()
                    self._drop_if_done(entry)

    # The current release

    def make_room(self) -> bool:
        """Wait until another release may be loaded, and count it from then on; False once closed. Ends a comparison."""
        with self._changed:
            self._publishes_waiting += 1
            self._retire(self._compared)
            self._compared = None
            self._changed.wait_for(lambda: len(self._entries) + self._coming < _MOST or self._closed)
            self._publishes_waiting -= 1
            if self._closed:
                return False
            self._expect()
            return True

    def give_up_room(self) -> None:
        """The release that was to be loaded is not coming."""
        with self._changed:
            self._coming -= 1
            self._changed.notify_all()

    def settle(self, snapshot: Snapshot) -> None:
        """Make a loaded release the current one; the one before leaves with its last query."""
        with self._changed:
            self._coming -= 1
            before, self._current = self._current, _Entry(snapshot)
            self._entries.append(self._current)
            self._retire(before)

    def relabel(self, change: Callable[[Snapshot], Snapshot]) -> None:
        """Replace what is known about the current release, not the release."""
        with self._changed:
            if self._current:
                self._current.snapshot = change(self._current.snapshot)

    def close(self) -> None:
        """End every wait for room."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # The release compared with

    def make_room_for_comparison(self) -> bool:
        """Count a release that is about to be loaded to compare with, instead of the last one; False without room."""
        with self._changed:
            self._retire(self._compared)
            self._compared = None
            if self._closed or self._publishes_waiting or len(self._entries) + self._coming >= _MOST:
                return False
            self._expect()
            return True

    def settle_comparison(self, snapshot: Snapshot) -> None:
        """Take the loaded release in, unless a publish began to wait meanwhile."""
        with self._changed:
            self._coming -= 1
            if not self._publishes_waiting:
                self._compared = _Entry(snapshot)
                self._entries.append(self._compared)
            self._changed.notify_all()

    def drop_idle_comparison(self, idle_seconds: float) -> None:
        """Drop the release compared with where it was unused for that long."""
        with self._changed:
            entry = self._compared
            if entry and not entry.users and time.monotonic() - entry.last_used >= idle_seconds:
                self._retire(entry)
                self._compared = None

    # With the lock held

    def _expect(self) -> None:
        self._coming += 1
        self._most = max(self._most, len(self._entries) + self._coming)

    def _retire(self, entry: _Entry | None) -> None:
        if entry:
            entry.retired = True
            self._drop_if_done(entry)

    def _drop_if_done(self, entry: _Entry) -> None:
        """Memory goes with the reference."""
        if entry.retired and entry.users == 0 and entry in self._entries:
            self._entries.remove(entry)
            self._changed.notify_all()
