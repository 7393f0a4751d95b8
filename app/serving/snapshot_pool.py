"""The releases in this process's memory: two at most. Who may answer, who is leaving, who may still come."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.serving.snapshot import Snapshot

_MOST = 2  # the one that answers, and one that is being loaded, answers its last queries, or is compared with


@dataclass
class _Resident:
    """A snapshot with the number of queries that hold it. Guarded by Residents' lock."""

    snapshot: Snapshot
    users: int = 0
    retired: bool = False
    last_used: float = field(default_factory=time.monotonic)


class Residents:
    """Counts the releases in memory. A publish always gets the second place: a guest gives way. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards everything below
        self._here: list[_Resident] = []
        self._current: _Resident | None = None
        self._guest: _Resident | None = None
        self._coming = 0
        self._publishes_waiting = 0
        self._closed = False
        self._most = 0

    # Who is here

    @property
    def current(self) -> Snapshot | None:
        """The release that answers."""
        with self._changed:
            return self._current.snapshot if self._current else None

    @property
    def guest(self) -> Snapshot | None:
        """The release that is compared with."""
        with self._changed:
            return self._guest.snapshot if self._guest else None

    @property
    def count(self) -> int:
        """Releases in memory, with one that is being loaded."""
        with self._changed:
            return len(self._here) + self._coming

    @property
    def most(self) -> int:
        """The most there ever were."""
        return self._most

    @property
    def ids(self) -> set[str]:
        """Releases in memory by id."""
        with self._changed:
            return {resident.snapshot.release.id for resident in self._here}

    @contextmanager
    def hold(self, release: str | None = None) -> Iterator[Snapshot | None]:
        """Keep the current release (or the guest, by its id) in memory for one query; None where it is not here."""
        with self._changed:
            resident = self._current if release is None else self._guest
            if resident and release not in (None, resident.snapshot.release.id):
                resident = None
            if resident is None:
                snapshot = None
            else:
                resident.users += 1
                snapshot = resident.snapshot
        try:
            yield snapshot
        finally:
            if resident is not None:
                with self._changed:
                    resident.users -= 1
                    resident.last_used = time.monotonic()
                    self._forget_if_done(resident)

    # The current release

    def make_room(self) -> bool:
        """Wait until a further release may be loaded, and count it from here on; False once closed. A guest leaves."""
        with self._changed:
            self._publishes_waiting += 1
            self._retire(self._guest)
            self._guest = None
            self._changed.wait_for(lambda: len(self._here) + self._coming < _MOST or self._closed)
            self._publishes_waiting -= 1
            if self._closed:
                return False
            self._expect()
            return True

    def give_up_room(self) -> None:
        """What was to be loaded does not come."""
        with self._changed:
            self._coming -= 1
            self._changed.notify_all()

    def settle(self, snapshot: Snapshot) -> None:
        """Make a loaded release the current one; the one before leaves with its last query."""
        with self._changed:
            self._coming -= 1
            before, self._current = self._current, _Resident(snapshot)
            self._here.append(self._current)
            self._retire(before)

    def relabel(self, change: Callable[[Snapshot], Snapshot]) -> None:
        """Replace what is known about the current release, not the release."""
        with self._changed:
            if self._current:
                self._current.snapshot = change(self._current.snapshot)

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # The guest

    def make_room_for_guest(self) -> bool:
        """Count a guest that is about to be loaded, in place of the one before; False where there is no room."""
        with self._changed:
            self._retire(self._guest)
            self._guest = None
            if self._closed or self._publishes_waiting or len(self._here) + self._coming >= _MOST:
                return False
            self._expect()
            return True

    def settle_guest(self, snapshot: Snapshot) -> None:
        """Take in the loaded guest, unless a publish began to wait meanwhile."""
        with self._changed:
            self._coming -= 1
            if not self._publishes_waiting:
                self._guest = _Resident(snapshot)
                self._here.append(self._guest)
            self._changed.notify_all()

    def dismiss_guest(self, idle_seconds: float) -> None:
        """Forget a guest that nobody asked for that long."""
        with self._changed:
            guest = self._guest
            if guest and not guest.users and time.monotonic() - guest.last_used >= idle_seconds:
                self._retire(guest)
                self._guest = None

    # With the lock held

    def _expect(self) -> None:
        self._coming += 1
        self._most = max(self._most, len(self._here) + self._coming)

    def _retire(self, resident: _Resident | None) -> None:
        if resident:
            resident.retired = True
            self._forget_if_done(resident)

    def _forget_if_done(self, resident: _Resident) -> None:
        """Memory goes with the reference."""
        if resident.retired and resident.users == 0 and resident in self._here:
            self._here.remove(resident)
            self._changed.notify_all()
