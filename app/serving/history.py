"""What the channel served before, and which releases there are to compare with."""

from dataclasses import dataclass
from datetime import datetime

from tasks.schema.release import Release
from tasks.store.objects.store import Store
from tasks.store.releases.history import HistoryEntry, read_history
from tasks.store.releases.releases import list_releases


@dataclass(frozen=True)
class ListedRelease:
    """A release to choose, with when it last went live and under which generation; None where it never did."""

    release: Release
    live_at: datetime | None
    generation: int | None


class History:
    """Reads the store on every call: for pages that people open, not for queries."""

    def __init__(self, store: Store, channel: str) -> None:
        self._store, self._channel = store, channel

    def served(self, last: int = 20) -> list[HistoryEntry]:
        """What was live, newest first, with who changed it and why. Raises StoreUnavailable."""
        return read_history(self._store, self._channel, last)

    def releases(self, most: int = 50) -> list[ListedRelease]:
        """Releases that the store holds, newest first, also those that a gate refused. Raises StoreUnavailable."""
        served = {entry.pointer.release: entry.pointer for entry in reversed(self.served(most))}
        listed = []
        for release in list_releases(self._store)[:most]:
            pointer = served.get(release.id)
            live_at, generation = (pointer.published_at, pointer.generation) if pointer else (None, None)
            listed.append(ListedRelease(release, live_at, generation))
        return sorted(listed, key=lambda one: one.live_at or one.release.created_at, reverse=True)
