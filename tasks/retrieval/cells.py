"""The cells of an IVF index: where each row lies, and the search of the cells that a query probes (`probing.py`)."""

from typing import Any

import faiss
import numpy as np

from tasks.retrieval.probing import (
    FAR_FACTOR,
    SearchParams,
    enough_by_margin,
    filtered_probes,
    trim,
    unfiltered_probes,
)
from tasks.retrieval.reranking import Reranker, ivf_of, refine_of
from tasks.schema.errors import ArtifactCorrupt

#: Up to this many allowed rows are all scored, which costs about what an unfiltered search does.
EXHAUSTIVE_ROWS = 5_000
#: Rows that a two-stage search reranks where nothing was tuned.
DEFAULT_SHORTLIST = 400
_SHORTLIST_PER_RESULT = 4  # reranked rows for each result, at least
_BLOCK = 256  # queries planned at once; bounds memory, not the result


class Cells:
    """Which rows lie in which cell of one IVF index. Read once, 4 bytes a row, and immutable from then on.

    Compared and hashed by identity, so that a filter can cache its counts for these cells.
    """

    def __init__(self, index: Any) -> None:
        """Raises ArtifactCorrupt where the rows of the index are not 0 to n-1, each once."""
        self._owner, self._ivf, refine = index, ivf_of(index), refine_of(index)  # the owner frees the others
        self._reranker = None if refine is None else Reranker(refine)
        self._sizes = np.array([self._ivf.get_list_size(cell) for cell in range(self._ivf.nlist)], np.int64)
        self._cell_of = np.full(index.ntotal, -1, np.int32)
        for cell in np.flatnonzero(self._sizes):
            rows = self._rows_in(int(cell))
            if rows.min() < 0 or rows.max() >= index.ntotal:
                break
            self._cell_of[rows] = cell
        if self._sizes.sum() != index.ntotal or (self._cell_of < 0).any():
            raise ArtifactCorrupt(
                f"index: its cells do not hold each of the rows 0 to {index.ntotal - 1} once; build the index again"
            )

    @classmethod
    def of_index(cls, index: Any) -> "Cells | None":
        """The cells of ``index``; None where it has none. Raises ArtifactCorrupt."""
        return cls(index) if isinstance(ivf_of(index), faiss.IndexIVF) else None

    @property
    def nlist(self) -> int:
        """Number of cells, empty ones included."""
        return len(self._sizes)

    @property
    def two_stage(self) -> bool:
        """Whether cells hold short codes, the best of which are reranked by their full vectors."""
        return self._reranker is not None

    def count(self, allowed: np.ndarray) -> np.ndarray:
        """Allowed rows in each cell, (nlist,) int32. allowed: (n,) bool."""
        return np.bincount(self._cell_of[allowed], minlength=self.nlist).astype(np.int32)

    def search(
        self,
        queries: np.ndarray,
        k: int,
        params: SearchParams,
        counts: np.ndarray | None = None,
        selector: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best ``k`` allowed rows per query: scores (m, k) float32 and rows (m, k) int64, best first.

        queries: (m, d) float32. counts: what `count` returned for the rows that ``selector`` lets through, None where
        that is every row. ``k`` is at most their sum, and every query gets ``k`` rows.
        """
        depth, parts = self._depth(k, params, counts), []
        for start in range(0, len(queries), _BLOCK):
            block = queries[start : start + _BLOCK]
            s, cells = self._probes(block, k, params, counts)
            found = self._scan(block, s, cells, depth, selector)
            parts.append(self._reranker.rerank(block, found[1], k) if self._reranker else found)
        if len(parts) == 1:
            return parts[0]
        scores, rows = zip(*parts, strict=True)
        return np.concatenate(scores), np.concatenate(rows)

    def score_all(self, queries: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Best ``k`` of few ``rows`` (r,) by full vector, as `search` returns them; only where `two_stage`.

        Short codes are scored in blocks, allowed or not, so that searching them for few rows is slower and loses some.
        """
        assert self._reranker is not None
        return self._reranker.score(queries, rows, k)

    def score_gaps(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Score of the query's best centre minus that of each row's own centre. rows and result: (m, k)."""
        s, _ = self._ivf.quantizer.search(queries, 1)
        cells = self._cell_of[rows]
        centres = self._ivf.quantizer.reconstruct_batch(cells.ravel().astype(np.int64)).reshape(*cells.shape, -1)
        gaps: np.ndarray = s - np.einsum("qkd,qd->qk", centres, queries)
        return gaps

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Vectors of ``rows`` decoded from their codes, (m, d) float32. FAISS cannot look up a row of an IVF index."""
        if self._reranker is not None:
            return self._reranker.vectors(rows)
        vectors = np.empty((len(rows), self._ivf.d), np.float32)
        cells = self._cell_of[rows]
        for cell in np.unique(cells).tolist():
            inside = self._rows_in(cell)
            for place in np.flatnonzero(cells == cell):
                offset = int(np.flatnonzero(inside == rows[place])[0])
                self._ivf.reconstruct_from_offset(cell, offset, faiss.swig_ptr(vectors[place]))
        return vectors

    def _depth(self, k: int, params: SearchParams, counts: np.ndarray | None) -> int:
        """Rows to take from the cells for each query."""
        if self._reranker is None:
            return k
        allowed = len(self._cell_of) if counts is None else int(counts.sum())
        return min(allowed, max(params.shortlist or DEFAULT_SHORTLIST, _SHORTLIST_PER_RESULT * k))

    def _probes(
        self, queries: np.ndarray, k: int, params: SearchParams, counts: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (m, w) float32 and numbers (m, w) int64 of the cells to probe, best first; -1 is none."""
        if counts is None:
            return self._unfiltered(queries, k, params)
        if counts.sum() <= EXHAUSTIVE_ROWS:
            s, cells = self._ranked(queries, self.nlist)
            return trim(s, cells, counts[cells] > 0)
        for width in (min(self.nlist, FAR_FACTOR * params.max_probes), self.nlist):  # the first suffices mostly
            s, cells = self._ranked(queries, width)
            probed, complete = filtered_probes(s, self._sizes[cells], counts[cells], k, params)
            if complete:
                break
        return trim(s, cells, probed)

    def _unfiltered(self, queries: np.ndarray, k: int, params: SearchParams) -> tuple[np.ndarray, np.ndarray]:
        """Cells of an unfiltered search; all of them for a query whose set U holds fewer than ``k`` rows."""
        s, cells = self._ranked(queries, min(params.max_probes, self.nlist))
        n = self._sizes[cells]
        if len(s) == 1 and (last := enough_by_margin(s[0], n[0], k, params)):
            return s[:, :last], cells[:, :last]
        in_u = unfiltered_probes(s, n, k, params)
        if in_u[:, -1].any() and (short := (n * in_u).sum(axis=1) < k).any():
            s, cells = self._ranked(queries, self.nlist)
            in_u = unfiltered_probes(s, self._sizes[cells], k, params)
            in_u[short] = True
        return trim(s, cells, in_u)

    def _ranked(self, queries: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores (m, width) float32 and numbers (m, width) int64 of the cells with the best centres, best first."""
        s, cells = self._ivf.quantizer.search(queries, width)
        return s, cells

    def _scan(
        self, queries: np.ndarray, s: np.ndarray, cells: np.ndarray, depth: int, selector: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best ``depth`` rows in the cells to probe; -1 past the last."""
        scores, rows = np.empty((len(queries), depth), np.float32), np.empty((len(queries), depth), np.int64)
        params = faiss.SearchParametersIVF(nprobe=cells.shape[1], sel=selector)  # type: ignore[call-arg]
        pointers = (faiss.swig_ptr(array) for array in (cells, s, scores, rows))
        self._ivf.search_preassigned_c(  # FAISS's Python wrapper of it takes no selector
            len(cells), faiss.swig_ptr(queries), depth, *pointers, False, params
        )
        return scores, rows

    def _rows_in(self, cell: int) -> np.ndarray:
        """Rows in the order of the cell's codes: a view of the index, memory-mapped or not."""
        size = int(self._sizes[cell])
        rows: np.ndarray = faiss.rev_swig_ptr(self._ivf.invlists.get_ids(cell), size) if size else np.zeros(0, np.int64)
        return rows
