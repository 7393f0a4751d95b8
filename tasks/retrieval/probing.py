"""Which cells of an IVF index a query probes. Plain numpy.

For one query q the cells are ranked by the score of their centre, s_j = <q, c_j>, j = 1, 2, ... Cell j holds n_j rows,
a_j of which a filter allows; k rows are wanted.

Without a filter the query probes the cells U = {j <= 3/2 nprobe : s_j >= s_1 - margin, or n_1 + ... + n_(j-1) < 50 k}
(query-aware pruning, SPANN, Chen et al. 2021). N_U and N_P are the rows in U and in the first nprobe cells.

With a filter, cells where a_j = 0 are skipped. Of the others, with A_j and S_j the sums of a_i and of n_i up to j over
the cells that are not skipped, the query probes all up to the first j where

    A_j >= k   and   max over i <= j of  sqrt(A_i S_i) / (4 - 3 r_i)  >=  p N_U + (1 - p) max(N_U, N_P),

    p   = (sum of a_j over U) / N_U,     the share allowed around the query,
    r_i = min(1, p S_i / A_i),           that share relative to the share allowed in the cells probed.

Left side: where every row is allowed, p = r = 1 and A = S, which is the unfiltered search. Where a random share f of
the rows is allowed, the k best lie among the k / f best of all rows, and cells beyond 1 / sqrt(f) times as many hold
hardly any of them: hence the geometric mean of allowed rows and all rows. A filter that excludes the query's own
surroundings leaves cells that are far away and nearly equally far, so their ranking says less: up to 4 times as many
rows are searched.
Right side: that a query is easy (N_U < N_P) holds for its own surroundings, so the less of them is allowed, the more it
is treated as an average query. Both rules were measured with benchmarks/filtered_search.py.
"""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

#: Factor on the rows to search where nothing around the query is allowed.
FAR_FACTOR = 4
_MIN_ROWS_PER_RESULT = 50  # the margin is tuned for few results; more results need more rows


@dataclass(frozen=True)
class SearchParams:
    """How much of an IVF index one query searches.

    nprobe: cells that give the recall on average over all queries. margin: cells whose centre scores lower than the
    best one by more than this are left out, and in return a query may probe up to 3/2 ``nprobe`` cells: the same recall
    for half the work. inf: ``nprobe`` cells for every query. shortlist: rows that a two-stage index reranks; others
    ignore it.
    """

    nprobe: int
    margin: float = inf
    shortlist: int = 0

    @property
    def max_probes(self) -> int:
        """Largest number of cells that any query probes without a filter."""
        return self.nprobe if self.margin == inf else -(-self.nprobe * 3 // 2)

    @property
    def as_json(self) -> dict[str, Any]:
        """The form a manifest stores."""
        margin = {} if self.margin == inf else {"margin": self.margin}
        return {"nprobe": self.nprobe} | margin | ({"shortlist": self.shortlist} if self.shortlist else {})


def unfiltered_probes(s: np.ndarray, n: np.ndarray, k: int, params: SearchParams) -> np.ndarray:
    """The set U of each query, (m, w) bool.

    s: (m, w) float32 scores of the ranked cells' centres, best first. n: (m, w) int64 rows in those cells.
    """
    rows_before = n.cumsum(axis=1) - n
    in_u: np.ndarray = (s >= s[:, :1] - params.margin) | (rows_before < _MIN_ROWS_PER_RESULT * k)
    in_u[:, params.max_probes :] = False
    return in_u


def filtered_probes(
    s: np.ndarray, n: np.ndarray, a: np.ndarray, k: int, params: SearchParams
) -> tuple[np.ndarray, bool]:
    """The cells to probe under a filter, (m, w) bool, and whether these w cells suffice for every query.

    s, n: as in `unfiltered_probes`. a: (m, w) int32 allowed rows in those cells.
    """
    a_sum, s_sum = a.cumsum(axis=1, dtype=np.int64), np.where(a > 0, n, 0).cumsum(axis=1)
    in_u = unfiltered_probes(s, n, k, params)
    in_p = np.arange(n.shape[1]) < params.nprobe
    n_u, n_p = ((n * cells).sum(axis=1, keepdims=True) for cells in (in_u, in_p))
    p = (a * in_u).sum(axis=1, keepdims=True) / np.maximum(n_u, 1)
    goal = p * n_u + (1 - p) * np.maximum(n_u, n_p)
    r = np.minimum(1, p * s_sum / np.maximum(a_sum, 1))
    reached = np.sqrt(a_sum * s_sum) / (FAR_FACTOR + (1 - FAR_FACTOR) * r)
    missing = (np.maximum.accumulate(reached, axis=1) < goal) | (a_sum < k)
    first = np.ones((len(n), 1), bool)
    return (a > 0) & np.concatenate([first, missing[:, :-1]], axis=1), not missing[:, -1].any()


def trim(s: np.ndarray, cells: np.ndarray, probed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores and cells (m, w) without the columns that no query probes at the end; a cell not probed becomes -1."""
    last = int(np.flatnonzero(probed.any(axis=0))[-1]) + 1
    return np.ascontiguousarray(s[:, :last]), np.where(probed[:, :last], cells[:, :last], -1)


def enough_by_margin(s: np.ndarray, n: np.ndarray, k: int, params: SearchParams) -> int:
    """Cells within the margin for a single query if these hold rows enough, else 0. s, n: (w,).

    A shortcut to U: for a single query every microsecond of `unfiltered_probes` counts.
    """
    within = int(np.count_nonzero(s >= s[0] - params.margin))
    return within if n[:within].sum() >= _MIN_ROWS_PER_RESULT * k else 0
