"""Which rows of a release a filter allows: worked out once for each filter, however often it is used."""

from collections.abc import Hashable
from dataclasses import dataclass
from operator import attrgetter
from threading import Lock
from typing import Any, Protocol

from cachetools import LRUCache, cachedmethod

from app.serving.columns import Columns, Mask
from tasks.retrieval.search import RowFilter

_CACHED = 64  # at a million products each takes about 1.2 MB


class Clause(Hashable, Protocol):
    """A filter over the columns of a release."""

    def rows(self, columns: Columns) -> Mask:
        """(n,) bool: which rows pass."""
        ...


@dataclass(frozen=True)
class FilteredRows:
    """Rows that may be found: as a mask, and packed for the index. Both None where every row may."""

    mask: Mask | None
    packed: RowFilter | None
    count: int

    @classmethod
    def of(cls, mask: Mask) -> "FilteredRows":
        """The rows of a mask."""
        packed = RowFilter(mask)
        return cls(mask, packed, packed.count)


class RowFilters:
    """The filters of one release. Products taken down pass none of them. Thread-safe."""

    def __init__(self, columns: Columns, shown: Mask | None) -> None:
        """``shown``: (n,) bool, rows that are not taken down; None where all are shown."""
        self.columns = columns
        self._all = _filtered(shown, len(columns.price))
        self._cache: LRUCache[Any, FilteredRows] = LRUCache(_CACHED)
        self._lock = Lock()

    def matching(self, where: Clause | None) -> FilteredRows:
        """Rows that pass a filter; None: every row that is shown. Raises BadRequest."""
        return self._all if where is None else self._matching(where)

    @cachedmethod(attrgetter("_cache"), lock=attrgetter("_lock"))
    def _matching(self, where: Clause) -> FilteredRows:
        mask = where.rows(self.columns)
        return _filtered(mask if self._all.mask is None else mask & self._all.mask, len(mask))


def _filtered(mask: Mask | None, rows: int) -> FilteredRows:
    return FilteredRows(None, None, rows) if mask is None else FilteredRows.of(mask)
