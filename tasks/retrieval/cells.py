"""The cells of an IVF index: where each row lies, and which cells a search looks into, query by query."""

from dataclasses import dataclass
from math import inf
from typing import Any

import faiss
import numpy as np

from tasks.retrieval.shortlist import Shortlist, inner, whole
from tasks.schema.errors import ArtifactCorrupt

FEW_ROWS = 5_000  # so few allowed rows are all scored: that costs about what an unfiltered search does
_FARTHEST = 4  # times the effort where a query's own surroundings are not allowed: far cells rank less surely
_BLOCK = 256  # queries planned at once; bounds memory, not the result
_ROWS_A_HIT = 50  # scored for each row asked for, at the least: a margin is tuned where few are asked for
_LISTED_A_HIT = 4  # so many are ranked again for each row asked for, at the least, where an index looks twice
LONGEST = 400  # rows ranked again where nothing was tuned


@dataclass(frozen=True)
class Effort:
    """How many cells one query looks into.

    nprobe: so many nearest ones are enough for queries of all kinds, the hard ones' share made up by the easy ones.
    margin: cells whose centre scores so much less than the nearest one are left out, and half as many more than
    ``nprobe`` may be taken. A query with plain surroundings needs few cells, one between many needs all of them: the
    same recall for half the work, for most queries a quarter. inf: ``nprobe`` cells for each.
    Source: query-aware pruning of SPANN (Chen et al. 2021).
    shortlist: rows that an index which looks twice ranks again; others have no use for it.
    """

    nprobe: int
    margin: float = inf
    shortlist: int = 0

    @property
    def most(self) -> int:
        """Cells that any query looks into."""
        return self.nprobe if self.margin == inf else -(-self.nprobe * 3 // 2)

    @property
    def search_params(self) -> dict[str, Any]:
        """JSON-able, as a manifest keeps it."""
        margin = {} if self.margin == inf else {"margin": self.margin}
        return {"nprobe": self.nprobe} | margin | ({"shortlist": self.shortlist} if self.shortlist else {})


class Cells:
    """Which rows lie in which cell of one IVF index. Read once, 4 bytes a row; nothing about it changes after that.

    Compared and hashed by identity, so that a filter may keep what it counted in these cells.
    """

    def __init__(self, index: Any) -> None:
        """Raises ArtifactCorrupt where the rows of the index are not 0 to n-1, each once."""
        self._owner, self._index, flat = index, inner(index), whole(index)  # the owner frees the others
        self._shortlist = None if flat is None else Shortlist(flat)
        self._sizes = np.array([self._index.get_list_size(cell) for cell in range(self._index.nlist)], np.int64)
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
        """Those of ``index``; None where it has none. Raises ArtifactCorrupt."""
        return cls(index) if isinstance(inner(index), faiss.IndexIVF) else None

    @property
    def number(self) -> int:
        """Cells, empty ones among them."""
        return len(self._sizes)

    @property
    def look_twice(self) -> bool:
        """Whether the rows that lie in cells are short codes, the best of which are ranked again by whole vector."""
        return self._shortlist is not None

    def count(self, allowed: np.ndarray) -> np.ndarray:
        """Allowed rows in each cell, (nlist,) int32. allowed: (n,) bool."""
        return np.bincount(self._cell_of[allowed], minlength=len(self._sizes)).astype(np.int32)

    def search(
        self,
        queries: np.ndarray,
        width: int,
        effort: Effort,
        counts: np.ndarray | None = None,
        selector: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best ``width`` allowed rows per query: scores (m, width) float32 and rows (m, width) int64, best first.

        queries: (m, d) float32. counts: what `count` gave for the rows that ``selector`` lets through, None where that
        is every row; ``width`` is no more than their sum, and every query gets as many.
        """
        depth, parts = self._depth(width, effort, counts), []
        for start in range(0, len(queries), _BLOCK):
            some = queries[start : start + _BLOCK]
            near, cells = self._choose(some, width, effort, counts)
            found = self._scan(some, near, cells, depth, selector)
            parts.append(self._shortlist.best(some, found[1], width) if self._shortlist else found)
        if len(parts) == 1:
            return parts[0]
        scores, rows = zip(*parts, strict=True)
        return np.concatenate(scores), np.concatenate(rows)

    def among(self, queries: np.ndarray, rows: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Best ``width`` of few ``rows`` (s,), as `search` gives them, by whole vector: none is lost to its code.

        For cells that `look_twice`, whose short codes are scored in blocks, allowed or not.
        """
        assert self._shortlist is not None
        return self._shortlist.among(queries, rows, width)

    def _depth(self, width: int, effort: Effort, counts: np.ndarray | None) -> int:
        """Rows that the cells are to give for each query."""
        if self._shortlist is None:
            return width
        allowed = len(self._cell_of) if counts is None else int(counts.sum())
        return min(allowed, max(effort.shortlist or LONGEST, _LISTED_A_HIT * width))

    def _scan(
        self, queries: np.ndarray, near: np.ndarray, cells: np.ndarray, depth: int, selector: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best ``depth`` rows in the chosen cells; past the last -1."""
        scores, rows = np.empty((len(queries), depth), np.float32), np.empty((len(queries), depth), np.int64)
        params = faiss.SearchParametersIVF(nprobe=cells.shape[1], sel=selector)  # type: ignore[call-arg]
        pointers = (faiss.swig_ptr(one) for one in (cells, near, scores, rows))
        self._index.search_preassigned_c(  # FAISS's own wrapper of it takes no selector
            len(cells), faiss.swig_ptr(queries), depth, *pointers, False, params
        )
        return scores, rows

    def _choose(
        self, queries: np.ndarray, width: int, effort: Effort, counts: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (m, w) float32 and numbers (m, w) int64 of the cells to look into, best first; -1 is none."""
        every = len(self._sizes)
        if counts is None:
            return self._own_cells(queries, width, effort)
        few = counts.sum() <= FEW_ROWS
        for depth in (every,) if few else (min(every, _FARTHEST * effort.most), every):  # the first mostly does
            near, cells = self._index.quantizer.search(queries, depth)
            taken, enough = (counts[cells] > 0, True) if few else self._take(near, cells, width, effort, counts)
            if enough:
                break
        return _first(near, cells, taken)

    def _own_cells(self, queries: np.ndarray, width: int, effort: Effort) -> tuple[np.ndarray, np.ndarray]:
        """Cells of an unfiltered search; all of them for a query whose own hold fewer than ``width`` rows."""
        near, cells = self._index.quantizer.search(queries, min(effort.most, len(self._sizes)))
        if len(near) == 1:  # for a single query all of this counts, and mostly the margin alone decides
            last = np.count_nonzero(near >= near[0, 0] - effort.margin)
            if self._sizes[cells[0, :last]].sum() >= _ROWS_A_HIT * width:
                return near[:, :last], cells[:, :last]
        sizes = self._sizes[cells]
        own = self._own(near, sizes, width, effort)
        if own[:, -1].any() and (short := (sizes * own).sum(axis=1) < width).any():
            near, cells = self._index.quantizer.search(queries, len(self._sizes))
            own = self._own(near, self._sizes[cells], width, effort)
            own[short] = True
        return _first(near, cells, own)

    def _take(
        self, near: np.ndarray, cells: np.ndarray, width: int, effort: Effort, counts: np.ndarray
    ) -> tuple[np.ndarray, bool]:
        """Which of the ranked ``cells`` (m, w) to look into, (m, w) bool, and whether none beyond them is needed.

        Cells without an allowed row are passed over. The others are taken until the geometric mean of their allowed
        rows and of all their rows is what an unfiltered search of this query looks at. Where every row is allowed that
        is the unfiltered search; where a share of them is, at random, the k best lie among the k / share best of all,
        and cells beyond 1 / sqrt(share) times as many hold hardly any of them. That a query is easy is true of its own
        surroundings: the less of them is allowed, the more it is taken for one like all others.
        A filter that holds back the query's own surroundings leaves only cells that lie far away, nearly equally far,
        and so in an order that tells less: the less of the first cells is allowed, compared with those taken, the more
        are taken, up to four times as many. Both figures are measured: benchmarks/filtered_search.py.
        """
        allowed, sizes = counts[cells], self._sizes[cells]
        found, seen = allowed.cumsum(axis=1, dtype=np.int64), np.where(allowed > 0, sizes, 0).cumsum(axis=1)
        own = self._own(near, sizes, width, effort)
        first = np.arange(sizes.shape[1]) < effort.nprobe
        mine, others = ((sizes * some).sum(axis=1, keepdims=True) for some in (own, first))
        share_here = (allowed * own).sum(axis=1, keepdims=True) / np.maximum(mine, 1)
        goal = share_here * mine + (1 - share_here) * np.maximum(mine, others)
        surroundings = np.minimum(1, share_here * seen / np.maximum(found, 1))
        reached = np.sqrt(found * seen) / (_FARTHEST + (1 - _FARTHEST) * surroundings)
        reached = np.maximum.accumulate(reached, axis=1)
        lacking = (reached < goal) | (found < width)
        first = np.ones((len(cells), 1), bool)
        return (allowed > 0) & np.concatenate([first, lacking[:, :-1]], axis=1), not lacking[:, -1].any()

    @staticmethod
    def _own(near: np.ndarray, sizes: np.ndarray, width: int, effort: Effort) -> np.ndarray:
        """Which of the ranked cells an unfiltered search looks into, (m, w) bool."""
        before = sizes.cumsum(axis=1) - sizes
        own = (near >= near[:, :1] - effort.margin) | (before < _ROWS_A_HIT * width)
        own[:, effort.most :] = False
        return own

    def behind(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """How much less the centre of each row's cell scores than the query's nearest one. rows and result: (m, k)."""
        near, _ = self._index.quantizer.search(queries, 1)
        cells = self._cell_of[rows]
        centres = self._index.quantizer.reconstruct_batch(cells.ravel().astype(np.int64)).reshape(*cells.shape, -1)
        return near - np.einsum("qkd,qd->qk", centres, queries)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Vectors of ``rows`` as their codes keep them, (m, d) float32. An IVF index cannot look a row up itself."""
        if self._shortlist is not None:
            return self._shortlist.vectors(rows)
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


def _first(near: np.ndarray, cells: np.ndarray, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without the columns after the last cell that any query takes; a cell that a query does not take is -1."""
    last = int(np.flatnonzero(taken.any(axis=0))[-1]) + 1
    return np.ascontiguousarray(near[:, :last]), np.where(taken[:, :last], cells[:, :last], -1)
