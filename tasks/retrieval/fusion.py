"""One ranking from several: reciprocal rank fusion."""

from collections.abc import Sequence

import numpy as np

_RANK = 60  # Cormack, Clarke and Buettcher 2009: how little the first places differ


def reciprocal_rank_fusion(rankings: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Each row by the sum of 1 / (60 + rank) over the rankings it is in: scores (k,) float64 and rows (k,) int64.

    rankings: int64 arrays of distinct rows, best first. Equal scores are in the order of rows.
    """
    found = np.concatenate([np.zeros(0, np.int64), *rankings])
    gained = np.concatenate([np.zeros(0), *(1 / (_RANK + 1 + np.arange(len(rows))) for rows in rankings)])
    rows, places = np.unique(found, return_inverse=True)
    scores = np.bincount(places, gained, len(rows))
    order = np.lexsort((rows, -scores))
    return scores[order], rows[order]
