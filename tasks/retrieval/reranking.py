"""The second stage of a two-stage search: short codes select a shortlist of rows, full vectors rerank it."""

from threading import local
from typing import Any

import faiss
import numpy as np


class Reranker:
    """The full vectors of an IndexRefine, in row order. They may stay in a mapped file: a search reads a few of them.

    FAISS's own search of such an index does not let the caller choose the cells of each query, hence this class.
    """

    def __init__(self, refine: Any) -> None:
        self._refine, self._thread = refine, local()
        size = refine.ntotal * refine.code_size
        self._codes = faiss.rev_swig_ptr(refine.codes.data(), size).reshape(-1, refine.code_size)  # a view: 1 kB a row

    def rerank(self, queries: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Best ``k`` of each query's shortlist: scores (m, k) float32 and rows (m, k) int64, best first.

        queries: (m, d) float32. rows: (m, r) int64, -1 is none; each query has at least ``k``.
        """
        scores, best = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        for at, shortlist in enumerate(rows):
            own, part = shortlist if shortlist[-1] >= 0 else shortlist[shortlist >= 0], slice(at, at + 1)
            scores[part], best[part] = self.score(queries[part], own, k)
        return scores, best

    def score(self, queries: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """As `rerank`, with the same ``rows`` (r,) for every query."""
        part = self._empty()
        part.add_sa_codes(self._codes[rows])
        scores, places = part.search(queries, k)
        return scores, rows[places]

    def _empty(self) -> Any:
        """An index with the codes' type but no rows; one for each thread, since creating it takes a while."""
        if not hasattr(self._thread, "part"):
            self._thread.part = faiss.IndexScalarQuantizer(
                self._refine.d, self._refine.sq.qtype, self._refine.metric_type
            )
        self._thread.part.reset()
        return self._thread.part

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Vectors of ``rows`` decoded from their codes, (m, d) float32."""
        vectors: np.ndarray = self._refine.reconstruct_batch(rows)
        return vectors


def ivf_of(index: Any) -> Any:
    """The index of the first stage: ``index`` itself, or the base of an IndexRefine."""
    return faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index


def refine_of(index: Any) -> Any:
    """The index of full vectors in an IndexRefine; None for any other index."""
    return faiss.downcast_index(index.refine_index) if isinstance(index, faiss.IndexRefine) else None
