"""The cells of an IVF index: where each row lies, and which cells a filtered search looks into."""

from typing import Any

import faiss
import numpy as np

from tasks.schema.errors import ArtifactCorrupt

_FEW_ROWS = 5_000  # so few allowed rows are all scored: that costs about what an unfiltered search does
_FARTHEST = 4  # times the effort where a query's own surroundings are not allowed: far cells rank less surely
_BLOCK = 256  # queries planned at once; bounds memory, not the result


class Cells:
    """Which rows lie in which cell of one IVF index. Read once, 4 bytes a row; nothing about it changes after that.

    Compared and hashed by identity, so that a filter may keep what it counted in these cells.
    """

    def __init__(self, index: Any, nprobe: int) -> None:
        """``nprobe``: cells that an unfiltered search looks into.

        Raises ArtifactCorrupt where the rows of the index are not 0 to n-1, each once.
        """
        self._index, self._nprobe = index, nprobe
        self._sizes = np.array([index.get_list_size(cell) for cell in range(index.nlist)], np.int64)
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

    def count(self, allowed: np.ndarray) -> np.ndarray:
        """Allowed rows in each cell, (nlist,) int32. allowed: (n,) bool."""
        return np.bincount(self._cell_of[allowed], minlength=len(self._sizes)).astype(np.int32)

    def search(
        self, queries: np.ndarray, width: int, counts: np.ndarray, selector: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best ``width`` allowed rows per query: scores (m, width) float32 and rows (m, width) int64, best first.

        queries: (m, d) float32. counts: what `count` gave for the rows that ``selector`` lets through; ``width`` is no
        more than their sum, and every query gets as many.
        """
        scores, rows = np.empty((len(queries), width), np.float32), np.empty((len(queries), width), np.int64)
        for start in range(0, len(queries), _BLOCK):
            part = slice(start, start + _BLOCK)
            near, cells = self._choose(queries[part], width, counts)
            params = faiss.SearchParametersIVF(nprobe=cells.shape[1], sel=selector)  # type: ignore[call-arg]
            pointers = (faiss.swig_ptr(cells), faiss.swig_ptr(near), faiss.swig_ptr(scores[part]))
            self._index.search_preassigned_c(  # FAISS's own wrapper of it takes no selector
                len(cells), faiss.swig_ptr(queries[part]), width, *pointers, faiss.swig_ptr(rows[part]), False, params
            )
        return scores, rows

    def _choose(self, queries: np.ndarray, width: int, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores (m, w) float32 and numbers (m, w) int64 of the cells to look into, best first; -1 is none."""
        every = len(self._sizes)
        few = counts.sum() <= _FEW_ROWS
        for depth in (every,) if few else (min(every, _FARTHEST * self._nprobe), every):  # the first mostly does
            near, cells = self._index.quantizer.search(queries, depth)
            taken, enough = (counts[cells] > 0, True) if few else self._take(cells, width, counts)
            if enough:
                break
        last = int(np.flatnonzero(taken.any(axis=0))[-1]) + 1
        return np.ascontiguousarray(near[:, :last]), np.where(taken, cells, -1)[:, :last].copy()

    def _take(self, cells: np.ndarray, width: int, counts: np.ndarray) -> tuple[np.ndarray, bool]:
        """Which of the ranked ``cells`` (m, w) to look into, (m, w) bool, and whether none beyond them is needed.

        Cells without an allowed row are passed over. The others are taken until the geometric mean of their allowed
        rows and of all their rows is what an unfiltered search of this query looks at. Where every row is allowed that
        is the unfiltered search; where a share of them is, at random, the k best lie among the k / share best of all,
        and cells beyond 1 / sqrt(share) times as many hold hardly any of them.
        A filter that holds back the query's own surroundings leaves only cells that lie far away, nearly equally far,
        and so in an order that tells less: the less of the first cells is allowed, compared with those taken, the more
        are taken, up to four times as many. Both figures are measured: benchmarks/filtered_search.py.
        """
        allowed, sizes = counts[cells], self._sizes[cells]
        found, seen = allowed.cumsum(axis=1, dtype=np.int64), np.where(allowed > 0, sizes, 0).cumsum(axis=1)
        goal = sizes[:, : self._nprobe].sum(axis=1, keepdims=True)
        share_here = found[:, self._nprobe - 1, None] / np.maximum(goal, 1)
        surroundings = np.minimum(1, share_here * seen / np.maximum(found, 1))
        reached = np.sqrt(found * seen) / (_FARTHEST + (1 - _FARTHEST) * surroundings)
        reached = np.maximum.accumulate(reached, axis=1)
        open_before = np.pad((reached < goal) | (found < width), ((0, 0), (1, 0)), constant_values=True)
        return (allowed > 0) & open_before[:, :-1], not open_before[:, -1].any()

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Vectors of ``rows`` as their codes keep them, (m, d) float32. An IVF index cannot look a row up itself."""
        vectors = np.empty((len(rows), self._index.d), np.float32)
        cells = self._cell_of[rows]
        for cell in np.unique(cells).tolist():
            inside = self._rows_in(cell)
            for place in np.flatnonzero(cells == cell):
                offset = int(np.flatnonzero(inside == rows[place])[0])
                self._index.reconstruct_from_offset(cell, offset, faiss.swig_ptr(vectors[place]))
        return vectors

    def _rows_in(self, cell: int) -> np.ndarray:
        """Rows in the order of the cell's codes: a view of the index, memory-mapped or not."""
        size = int(self._sizes[cell])
        return faiss.rev_swig_ptr(self._index.invlists.get_ids(cell), size) if size else np.zeros(0, np.int64)
