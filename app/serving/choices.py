"""Which rows of a release may be found, under any filter: worked out once for each, however often it is asked."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np

from app.serving.columns import Columns
from tasks.retrieval.search import RowFilter

_KEPT = 64  # at a million products each takes about 1.2 MB


class Clause(Hashable, Protocol):
    """A filter: which rows it leaves."""

    def rows(self, columns: Columns) -> np.ndarray:
        """(n,) bool."""
        ...


@dataclass(frozen=True)
class Chosen:
    """Rows that may be found: as a mask, and packed for the index. Both None where every row may."""

    mask: np.ndarray | None
    packed: RowFilter | None
    count: int


class Choices:
    """The filters of one release. Products taken down pass none of them. Thread-safe."""

    def __init__(self, columns: Columns, shown: np.ndarray | None) -> None:
        """``shown``: (n,) bool, rows that are not taken down; None where all are shown."""
        self.columns = columns
        self._every = _chosen(shown, len(columns.price))
        self._kept: OrderedDict[Clause, Chosen] = OrderedDict()
        self._lock = Lock()

    def of(self, where: Clause | None) -> Chosen:
        """Rows under a filter; None: every row that is shown. Raises BadRequest."""
        if where is None:
            return self._every
        with self._lock:
            if where in self._kept:
                self._kept.move_to_end(where)
                return self._kept[where]
        mask = where.rows(self.columns)
        chosen = _chosen(mask if self._every.mask is None else mask & self._every.mask, len(mask))
        with self._lock:
            self._kept[where] = chosen
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return chosen


def _chosen(mask: np.ndarray | None, rows: int) -> Chosen:
    packed = None if mask is None else RowFilter(mask)
    return Chosen(mask, packed, rows if packed is None else packed.count)
