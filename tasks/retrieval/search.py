"""Search a saved index: memory-mapped, thread-safe, filtered by a bitmap of rows."""

from math import inf
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import faiss
import numpy as np

from tasks.retrieval.cells import EXHAUSTIVE_ROWS, Cells
from tasks.retrieval.probing import SearchParams
from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError


class RowFilter:
    """Rows that a search may return, packed once for any number of searches in any number of threads."""

    def __init__(self, allowed: np.ndarray) -> None:
        """``allowed``: (n,) bool, one for each row of the index. Raises ConfigError."""
        if allowed.ndim != 1 or allowed.dtype != np.bool_:
            raise ConfigError(f"allowed: found {allowed.dtype} of shape {allowed.shape}, expected bool, one a row")
        self.rows, self.count = len(allowed), int(allowed.sum())
        #: The allowed rows, (count,) int64, if there are few of them.
        self.few = np.flatnonzero(allowed) if self.count <= EXHAUSTIVE_ROWS else None
        self._bitmap = np.packbits(allowed, bitorder="little")
        self.selector = faiss.IDSelectorBitmap(self._bitmap)  # type: ignore[call-arg, arg-type]
        self._counts: WeakKeyDictionary[Cells, np.ndarray] = WeakKeyDictionary()  # an entry ends with its index
        self._lock = Lock()

    def counts(self, cells: Cells) -> np.ndarray:
        """Allowed rows in each of an index's cells, (nlist,) int32; counted on first use and cached."""
        with self._lock:
            if cells not in self._counts:
                allowed = np.unpackbits(self._bitmap, count=self.rows, bitorder="little").view(np.bool_)
                self._counts[cells] = cells.count(allowed)
            return self._counts[cells]


class Searcher:
    """One open index, immutable: searches may run in any number of threads."""

    def __init__(self, index: Any, search_params: dict[str, Any] | None = None) -> None:
        self._index = index
        self._cells = Cells.of_index(index)
        nlist, given = self._cells.nlist if self._cells else 1, search_params or {}
        nprobe, margin = min(int(given.get("nprobe", 1)), nlist), float(given.get("margin", inf))
        self._params = SearchParams(nprobe, margin, int(given.get("shortlist", 0)))
        if nprobe < 1 or not margin >= 0:
            raise ConfigError(
                f"nprobe={nprobe}, margin={margin}: expected 1 to {nlist}, and 0 or more; take them from the index's "
                "manifest"
            )

    @classmethod
    def open(cls, path: Path | str, search_params: dict[str, Any] | None = None) -> "Searcher":
        """Memory-map the index at ``path``.

        Vectors are read when they are first searched; row numbers of an IVF index and the short codes of ivf_refine at
        once. ``search_params``: as `build_index` returned them. Raises ArtifactMissing, and ArtifactCorrupt where FAISS
        cannot read the file or its rows are not numbered 0 to n-1. A flipped byte opens without an error: compare the
        file's sha256 with its manifest first.
        """
        if not Path(path).is_file():
            raise ArtifactMissing(f"no index at {path}: fetch the artifact first")
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            reason = str(error).splitlines()[0][:200]
            raise ArtifactCorrupt(f"{path} is no FAISS index ({reason}): fetch it again, or build it again") from error
        return cls(index, search_params)

    @property
    def ntotal(self) -> int:
        """Rows in the index."""
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return int(self._index.d)

    def search(
        self, queries: np.ndarray, top_k: int, allowed: np.ndarray | RowFilter | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best rows per query by inner product, best first, equal scores by row.

        queries: (m, d) float32, L2-normalised. allowed: (n,) bool, rows that may be returned, or a RowFilter to reuse
        the same rows many times; None allows all.
        Returns scores (m, top_k) float32 and rows (m, top_k) int64; past the last match -inf and -1. Every query gets
        min(top_k, allowed rows) matches. Few allowed rows are all scored, so that a narrow filter loses none; with
        more, each query probes as many cells as its filter requires (`probing.py`).
        Raises ConfigError on a wrong shape or a non-finite query.
        """
        queries = self._checked(queries, top_k)
        row_filter = self._filter(allowed)
        k = min(top_k, self.ntotal if row_filter is None else row_filter.count)
        if not len(queries) or not k:
            return _padded(np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64), top_k)
        scores, rows = self._best(queries, k, row_filter)
        if not (scores[:, 1:] < scores[:, :-1]).all():
            order = np.lexsort((rows, -scores), axis=1)
            scores, rows = np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
        return (scores, rows) if k == top_k else _padded(scores, rows, top_k)

    def sample(self, rows: int, seed: int) -> np.ndarray:
        """Vectors of min(rows, ntotal) random rows, decoded from their codes: (m, d) float32, in row order.

        For the distribution of a query's scores over the index. Raises ConfigError on fewer than one row.
        """
        if rows < 1:
            raise ConfigError(f"rows={rows}: expected 1 or more")
        drawn = np.random.default_rng(seed).choice(self.ntotal, size=min(rows, self.ntotal), replace=False)
        drawn = np.sort(drawn).astype(np.int64)
        if self._cells is not None:
            return self._cells.vectors(drawn)
        vectors: np.ndarray = self._index.reconstruct_batch(drawn)
        return vectors

    def _best(self, queries: np.ndarray, k: int, row_filter: RowFilter | None) -> tuple[np.ndarray, np.ndarray]:
        selector = None if row_filter is None else row_filter.selector
        if self._cells is None:
            params = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
            scores, rows = self._index.search(queries, k, params=params)
            return scores, rows
        if self._cells.two_stage and row_filter is not None and row_filter.few is not None:
            return self._cells.score_all(queries, row_filter.few, k)
        counts = None if row_filter is None else row_filter.counts(self._cells)
        return self._cells.search(queries, k, self._params, counts, selector)

    def _filter(self, allowed: np.ndarray | RowFilter | None) -> RowFilter | None:
        """None where every row is allowed."""
        if allowed is None:
            return None
        row_filter = allowed if isinstance(allowed, RowFilter) else RowFilter(allowed)
        if row_filter.rows != self.ntotal:
            raise ConfigError(f"allowed: found {row_filter.rows} rows, expected bool of shape ({self.ntotal},)")
        return None if row_filter.count == self.ntotal else row_filter

    def _checked(self, queries: np.ndarray, top_k: int) -> np.ndarray:
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if top_k < 1:
            raise ConfigError(f"top_k={top_k}: expected 1 or more")
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise ConfigError(
                f"queries: found shape {queries.shape}, expected (queries, {self.dim}); "
                "encode them with the model of the release"
            )
        if not np.isfinite(queries).all():
            raise ConfigError("queries: found NaN or infinite numbers; encode them again")
        return queries


def _padded(scores: np.ndarray, rows: np.ndarray, top_k: int) -> tuple[np.ndarray, np.ndarray]:
    missing = ((0, 0), (0, top_k - scores.shape[1]))
    return np.pad(scores, missing, constant_values=-np.inf), np.pad(rows, missing, constant_values=-1)
