"""What is served, and what is wrong: for /readyz and the foot of the page."""

from dataclasses import dataclass, field
from datetime import datetime

from app.snapshot import Snapshot


@dataclass(frozen=True)
class Refused:
    """A release that would not load: why, how often it was tried, and when it is tried again (monotonic seconds)."""

    release: str
    reason: str
    attempts: int
    again_at: float


@dataclass(frozen=True)
class LiveStatus:
    """What /readyz and the foot of the page tell."""

    snapshot: Snapshot | None
    resident: int
    loading: str | None
    refused: Refused | None
    store_error: str | None
    checked_at: datetime | None

    @property
    def stale(self) -> bool:
        """Whether what is served may be older than what is live."""
        return self.snapshot is not None and (self.store_error is not None or self.snapshot.stale)


@dataclass
class Seen:
    """What following the channel has met so far. Guarded by Live's lock."""

    refused: dict[str, Refused] = field(default_factory=dict)
    wanted: str | None = None
    store_error: str | None = None
    checked_at: datetime | None = None
    loading: str | None = None
