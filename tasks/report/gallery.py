"""Example queries: some where the right product was missed, some where it was found."""

import io
from typing import Any

import numpy as np
from PIL import Image

from tasks.report.style import data_uri


def choose_examples(
    first_rank: np.ndarray, top: np.ndarray, *, misses: int = 12, hits: int = 6, shown: int = 5
) -> list[dict[str, Any]]:
    """Example rows of an evaluation: misses (right product not first, by rising rank) before hits.

    first_rank: (n,) int, rank of the right product from 1. top: (n, depth) best candidate rows of each query.
    Returns ``{"row", "rank", "shown": candidate rows}``; the caller adds titles and images, see `render_report`.
    """
    ranks = np.asarray(first_rank)
    order = np.argsort(ranks, kind="stable")
    missed, found = order[ranks[order] > 1], order[ranks[order] == 1]
    chosen = [*_spread(missed, misses), *_spread(found, hits)]
    return [
        {"row": int(row), "rank": int(ranks[row]), "shown": [int(c) for c in np.asarray(top[row])[:shown] if c >= 0]}
        for row in chosen
    ]


def _spread(rows: np.ndarray, wanted: int) -> list[int]:
    if len(rows) <= wanted:
        return [int(row) for row in rows]
    return [int(rows[place]) for place in np.linspace(0, len(rows) - 1, wanted).round().astype(int)]


def thumbnail(image: bytes, side: int = 144) -> str:
    """Image (any encoding Pillow reads) as a small JPEG data: URI, "" where it cannot be read."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            small = opened.convert("RGB")
    except Exception:  # a report must not fail over one image
        return ""
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80, optimize=True)
    return data_uri(buffer.getvalue(), "image/jpeg")
