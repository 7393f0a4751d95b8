"""Parsing and formatting of measured values and their 95 % intervals."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tasks.schema.evaluation import DISTINCT_QUERIES, MULTI_POSITIVE, SINGLE_POSITIVE

#: Display names of the codes in stored evaluations.
DIRECTIONS = {"text_to_image": "Text → Image", "image_to_text": "Image → Text"}
SETTINGS = {
    SINGLE_POSITIVE: "only the product's own image counts",
    MULTI_POSITIVE: "every product of the same title or design counts",
    DISTINCT_QUERIES: "the same, every distinct title or design asked once",
}
METRICS = {
    "recall@1": "R@1",
    "recall@5": "R@5",
    "recall@10": "R@10",
    "mrr": "MRR",
    "ndcg@10": "nDCG@10",
    "hit@1": "first is right",
    "precision@10": "P@10",
}
SPLITS = {"val": "Validation", "test": "Test", "train": "Training"}
QUERY_TYPES = {
    "title": "full title",
    "title_without_brand": "title without brand",
    "attributes": "attributes",
    "color_type": "colour + type",
    "type": "type only",
    "bullet": "a bullet point",
}


class Estimate(NamedTuple):
    """A value with its 95 % interval; ``low``, ``high`` and ``p`` are NaN where they were not measured."""

    value: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan

    @property
    def has_interval(self) -> bool:
        """Whether the interval was measured."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def estimate(cell: Any) -> Estimate:
    """Read a bare number or ``{"value", "low", "high", "p"}`` (also ``p_value``, ``difference``); NaN for None."""
    found = cell if isinstance(cell, Mapping) else {"value": cell}
    value, p = found.get("value", found.get("difference")), found.get("p", found.get("p_value"))
    parts = (value, found.get("low"), found.get("high"), p)
    return Estimate(*(math.nan if part is None else float(part) for part in parts))


def metric_names(block: Mapping[str, Any]) -> list[str]:
    """Metric codes of a block in reading order: recall by rising k, then MRR, then the rest."""
    recalls = sorted((name for name in block if name.startswith("recall@")), key=lambda name: int(name.split("@")[1]))
    return recalls + [name for name in ("mrr", "ndcg@10") if name in block]


def metric_label(name: str) -> str:
    """Short heading of a metric code, e.g. ``recall@10`` -> ``R@10``."""
    return METRICS.get(name, name.replace("recall@", "R@"))


def share(value: float, digits: int = 4) -> str:
    """A share between 0 and 1 with four digits, or a dash for NaN."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def signed(value: float, digits: int = 4) -> str:
    """A difference with its sign (a typographic minus), or a dash for NaN."""
    return f"{value:+.{digits}f}".replace("-", "−") if math.isfinite(value) else "–"


def interval(found: Estimate, write: Callable[[float, int], str] = share) -> str:
    """Both ends of a measured interval in three digits, else an empty string."""
    return f"{write(found.low, 3)} – {write(found.high, 3)}" if found.has_interval else ""


def p_words(p: float) -> str:
    """A formatted p-value: ``p < 0.001``, ``p = 0.03``, or an empty string for NaN."""
    if not math.isfinite(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def stars(p: float) -> str:
    """``***`` below 0.001, ``**`` below 0.01, ``*`` below 0.05, ``n.s.`` otherwise, an empty string for NaN."""
    if not math.isfinite(p):
        return ""
    return "***" if p < 0.001 else "**" if p < 0.01 else "*" if p < 0.05 else "n.s."


def count(value: Any) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
