"""What is served, and what is wrong: for /readyz, the foot of the page, and errors."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.serving.snapshot import Snapshot
from tasks.schema.errors import ProductSearchError

#: Instead of a release's id, where the last known good release does not load.
LAST_KNOWN_GOOD = "kept-on-this-machine"
_LONGEST_WAIT = 600.0


@dataclass(frozen=True)
class Refused:
    """A release that would not load: why, how often it was tried, and when it is tried again (monotonic seconds)."""

    release: str
    reason: str
    attempts: int
    again_at: float

    @property
    def again_in(self) -> float:
        """Seconds until it is tried again."""
        return max(0.0, self.again_at - time.monotonic())


@dataclass(frozen=True)
class LiveStatus:
    """What /readyz and the foot of the page show."""

    snapshot: Snapshot | None
    resident: int
    most_resident: int
    loading: str | None
    refused: Refused | None
    store_error: str | None
    checked_at: datetime | None

    @property
    def stale(self) -> bool:
        """Whether what is served may be older than what is live."""
        return self.snapshot is not None and (self.store_error is not None or self.snapshot.stale)

    @property
    def live_seconds(self) -> float | None:
        """Age of what is served: seconds since it was published."""
        return _seconds_since(self.snapshot.pointer.published_at if self.snapshot else None)

    @property
    def checked_seconds(self) -> float | None:
        """Seconds since the live pointer was last read."""
        return _seconds_since(self.checked_at)

    def why_nothing(self, channel: str) -> str:
        """Why no release is served, and what to do."""
        refused = self.refused
        if self.store_error:
            kept = f"what is kept on this machine cannot be used: {refused.reason}" if refused else "none is kept here."
            return f"The live release cannot be read ({self.store_error}), and {kept}"
        if self.loading:
            return f"Release {self.loading} is being loaded. Ask again in a few seconds."
        if refused:
            return f"Release {refused.release} cannot be loaded: {refused.reason}"
        return f"No release is live on channel {channel!r} yet. Run the pipeline: python -m flows.pipeline."


@dataclass
class FollowState:
    """The state of following a channel. Guarded by Live's lock."""

    refused: dict[str, Refused] = field(default_factory=dict)
    wanted: str | None = None
    store_error: str | None = None
    checked_at: datetime | None = None
    loading: str | None = None

    @property
    def refusal(self) -> Refused | None:
        """Why the wanted release is not served; None where it loaded or was not tried."""
        return self.refused.get(self.wanted or "")

    def may_try(self, release: str) -> bool:
        """Whether a release may be loaded now: one that was refused waits."""
        before = self.refused.get(release)
        return before is None or before.again_in == 0

    def refuse(self, release: str, error: Exception, poll_seconds: float) -> Refused:
        """Record that a release did not load. Each time it waits twice as long, ten minutes at most."""
        before = self.refused.get(release)
        attempts = before.attempts + 1 if before else 1
        wait = min(poll_seconds * 2 ** min(attempts, 30), _LONGEST_WAIT)
        reason = str(error) if isinstance(error, ProductSearchError) else f"{type(error).__name__}: {error}"
        self.loading = None
        self.refused[release] = Refused(release, reason, attempts, time.monotonic() + wait)
        return self.refused[release]


def _seconds_since(moment: datetime | None) -> float | None:
    return None if moment is None else round((datetime.now(UTC) - moment).total_seconds(), 1)
