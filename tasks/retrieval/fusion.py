"""One ranking from several: of words and images by their scores, or of any by reciprocal rank fusion."""

from collections.abc import Sequence

import numpy as np

#: How much the best image counts beside all of the words: it orders products that have the same of them.
_IMAGES = 0.3
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


def fuse(words: np.ndarray, images: np.ndarray, coverage: float) -> np.ndarray:
    """How well each of k candidates answers a query, (k,) float64 from 0 to 1.

    words: (k,) BM25 scores, 0 where a product has none of the words; images: (k,) cosines. Either is scaled by what the
    candidates have of it, for neither is comparable from one query to the next. coverage: share of the query's words
    that some product has; of words that the shop does not know, only the images can tell anything.
    """
    by_words = words / max(float(words.max(initial=0.0)), 1e-12)
    least, most = float(images.min(initial=1.0)), float(images.max(initial=-1.0))
    by_images = (images - least) / max(most - least, 1e-12)
    return np.asarray((coverage * by_words + _IMAGES * by_images) / (coverage + _IMAGES), np.float64)
