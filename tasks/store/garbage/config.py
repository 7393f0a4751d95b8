"""What an operator may set about garbage collection."""

from datetime import timedelta

from pydantic import Field

from tasks.schema.config import Config
from tasks.store.artifacts.claims import CLAIM_LIFETIME, YOUNG

_SHORTEST_GRACE = 2 * YOUNG / timedelta(hours=1)
_SHORTEST_ABANDONED = CLAIM_LIFETIME / timedelta(days=1)


class GarbageConfig(Config):
    """What may go, when, and how much of it at once. The defaults delete nothing: they only report."""

    dry_run: bool = Field(True, description="Only report what would be marked and deleted")
    grace_hours: float = Field(
        24.0,
        ge=_SHORTEST_GRACE,
        le=24 * 365,
        description="Hours that anything stays after it was made, and again after it was marked",
    )
    keep_releases: int = Field(5, ge=1, le=10_000, description="Newest releases that stay, live or not")
    abandoned_days: float = Field(
        3.0,
        ge=_SHORTEST_ABANDONED,
        le=365,
        description="Days after which what was never finished (artifact, training) is given up",
    )
    max_objects: int = Field(20_000, ge=1, le=10_000_000, description="Most objects to delete in one run")

    @property
    def grace(self) -> timedelta:
        """``grace_hours`` as a duration."""
        return timedelta(hours=self.grace_hours)

    @property
    def abandoned(self) -> timedelta:
        """``abandoned_days`` as a duration."""
        return timedelta(days=self.abandoned_days)
