"""The two parts of an index that looks twice: short codes that pick a few rows, and whole vectors that rank those."""

from threading import local
from typing import Any

import faiss
import numpy as np


class Shortlist:
    """The whole vectors of an IndexRefine, in row order. They may stay in a mapped file: a search reads a few of them.

    FAISS's own search of such an index leaves no say in which cells a query looks into, hence this.
    """

    def __init__(self, flat: Any) -> None:
        self._flat, self._thread = flat, local()
        size = flat.ntotal * flat.code_size
        self._codes = faiss.rev_swig_ptr(flat.codes.data(), size).reshape(-1, flat.code_size)  # a view: 1 kB a row

    def best(self, queries: np.ndarray, rows: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        """The best ``width`` of each query's ``rows``: scores (m, width) float32 and rows (m, width) int64, best first.

        queries: (m, d) float32. rows: (m, s) int64, -1 is none; each query has ``width`` of them or more.
        """
        scores, best = np.empty((len(queries), width), np.float32), np.empty((len(queries), width), np.int64)
        for at, picked in enumerate(rows):
            own, part = picked if picked[-1] >= 0 else picked[picked >= 0], slice(at, at + 1)
            scores[part], best[part] = self.among(queries[part], own, width)
        return scores, best

    def among(self, queries: np.ndarray, rows: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        """As `best`, of the same ``rows`` (s,) for every query."""
        few = self._empty()
        few.add_sa_codes(self._codes[rows])
        scores, places = few.search(queries, width)
        return scores, rows[places]

    def _empty(self) -> Any:
        """An index like the whole one without its rows; each thread keeps its own, for making one takes a while."""
        if not hasattr(self._thread, "few"):
            self._thread.few = faiss.IndexScalarQuantizer(self._flat.d, self._flat.sq.qtype, self._flat.metric_type)
        self._thread.few.reset()
        return self._thread.few

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Vectors of ``rows`` as their codes keep them, (m, d) float32."""
        return self._flat.reconstruct_batch(rows)


def inner(index: Any) -> Any:
    """The index that a search looks into first: ``index`` itself, or the one an IndexRefine ranks the finds of."""
    return faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index


def whole(index: Any) -> Any:
    """The flat index that ranks the finds of an IndexRefine again; None where nothing does."""
    return faiss.downcast_index(index.refine_index) if isinstance(index, faiss.IndexRefine) else None
