"""What `benchmarks/cost_curve.py` measured, as JSON keeps it, and how it grows with the number of products."""

import math
from collections.abc import Callable

from pydantic import BaseModel, Field

#: Below these a difference is noise, or too little to matter.
_LEAST = {"cores": 1.0, "peak_mb": 64.0}


class Spent(BaseModel):
    """What one stage took: wall seconds, processor seconds (its children's too), MB at its peak and as it began."""

    seconds: float
    cores: float
    peak_mb: float
    before_mb: float
    notes: dict[str, float] = Field(default_factory=dict)

    @property
    def grown_mb(self) -> float:
        """Memory of the stage alone: interpreter, libraries and a model loaded before are not its own."""
        return max(0.0, self.peak_mb - self.before_mb)


class Prices(BaseModel):
    """What one image costs, measured on a sample: wall and processor seconds, bytes as stored, MB of embedding."""

    pictures: int
    reading: float
    reading_cores: float
    embedding: float
    embedding_cores: float
    stored_bytes: float
    embedding_mb: float


class Figures(BaseModel):
    """Everything measured. sizes: number of products -> stage -> what it took; a stage that did not fit is absent."""

    machine: str
    model: str
    prices: Prices
    sizes: dict[int, dict[str, Spent]] = Field(default_factory=dict)

    def of(self, stage: str) -> dict[int, Spent]:
        """The stage at every size, smallest first."""
        return {items: self.sizes[items][stage] for items in sorted(self.sizes) if stage in self.sizes[items]}

    def note(self, stage: str, name: str) -> dict[int, float]:
        """A further figure of the stage at every size."""
        return {items: spent.notes[name] for items, spent in self.of(stage).items() if name in spent.notes}


def growth(points: dict[int, float], least: float) -> float | None:
    """Exponent k of n^k between the two largest sizes, over what the smallest takes: its fixed part. None for fewer.

    Exactly 1 for ``a + b n``. ``least``: smaller differences count as so much.
    """
    if len(points) < 3:
        return None
    first, *_, middle, last = sorted(points)
    above = [max(least, points[items] - points[first]) for items in (middle, last)]
    return math.log(above[1] / above[0]) / math.log((last - first) / (middle - first))


def time_growth(figures: Figures, stage: str) -> float | None:
    """Of processor seconds: what else the machine does hardly moves them."""
    return growth({items: spent.cores for items, spent in figures.of(stage).items()}, _LEAST["cores"])


def memory_growth(figures: Figures, stage: str) -> float | None:
    """Of the peak; of a replica, of what it keeps: its peak is that of loading the model, up to a million products."""
    kept = figures.note(stage, "pss_mb")
    return growth(kept or {items: spent.peak_mb for items, spent in figures.of(stage).items()}, _LEAST["peak_mb"])


def extended(points: dict[int, float], exponent: float = 1.0) -> Callable[[float], float]:
    """``n`` -> what the smallest size takes, and the rest growing as n^exponent through the largest measured size."""
    first, last = min(points), max(points)
    rest = max(0.0, points[last] - points[first])

    def at(items: float) -> float:
        share = max(0.0, (items - first) / (last - first)) if last > first else items / last
        return (points[first] if last > first else 0.0) + (rest if last > first else points[last]) * share**exponent

    return at


def each(points: dict[int, float]) -> float:
    """What one more product costs, between the smallest and the largest size."""
    first, last = min(points), max(points)
    return max(0.0, points[last] - points[first]) / (last - first) if last > first else points[last] / last
