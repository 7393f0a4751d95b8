"""Choose how many cells of an IVF index a query looks into, so that it finds what exact search finds.

Measured on text queries, which lie away from the image vectors they search: a figure on image queries alone flatters
the index.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from tasks.retrieval.cells import LONGEST, Cells, Effort
from tasks.retrieval.config import IndexConfig
from tasks.retrieval.exact import exact_top

_FEW = 20  # fewer text queries than this cannot tell 0.98 from 0.90
_REPORTED = 500  # images, where texts are tuned on
_TIE = 1e-6  # duplicate images score alike up to rounding: any of them is the right answer
_NEAR_BEST = 1e-3
_SURE = 1.64  # standard errors: 95 of 100 samples this far above the target were drawn where it is met
_BISECTIONS = 3
_MARGIN_STEP = 5e-4  # of an inner product of unit vectors
_ANY = 2.0  # a margin that leaves out no cell
_SHORTLISTS = (50, 100, 200)
_TIMED = 100


@dataclass(frozen=True)
class QuerySample:
    """Text queries, then image queries to report beside them (q, d) float32, and which of them to tune on."""

    queries: np.ndarray
    texts: int
    tuning: slice
    tuned_on: str


def sample_queries(vectors: np.ndarray, text_queries: np.ndarray, count: int, seed: int) -> QuerySample:
    """Up to ``count`` text queries and as many images, fewer where those are only reported; drawn with the seed."""
    rng, texts = np.random.default_rng(seed + 1), min(len(text_queries), count)
    image = _draw(vectors, count if texts < _FEW else min(count, _REPORTED), rng)
    queries = np.concatenate([_draw(text_queries, count, rng), image])
    if texts >= _FEW:
        return QuerySample(queries, texts, slice(texts), "text queries")
    told = f"{texts} text queries and images" if texts else "images (no text queries given)"
    return QuerySample(queries, texts, slice(None), told)


class Trial:
    """An index under one set of questions: searched as it will be served, judged against exact search."""

    def __init__(self, index: Any, vectors: np.ndarray, sample: QuerySample, k: int) -> None:
        self.index, self.cells = index, Cells.of_index(index)
        self._vectors, self._queries, self.k = vectors, sample.queries, k
        self._floor = exact_top(vectors, sample.queries, k)[0][:, -1]

    def search(self, queries: np.ndarray, effort: Effort) -> np.ndarray:
        """Rows (q, k) int64. Never ``index.nprobe``, which is shared state and lies in the file as 1."""
        if self.cells is None:
            return self.index.search(queries, self.k)[1]
        return self.cells.search(queries, self.k, effort)[1]

    def right(self, part: slice, effort: Effort) -> tuple[np.ndarray, np.ndarray]:
        """Rows (q, k) found for the queries of ``part``, and which are right: those that score at least as the k-th."""
        queries = self._queries[part]
        rows = self.search(queries, effort)
        scores = np.einsum("qkd,qd->qk", self._vectors[np.maximum(rows, 0)], queries)
        return rows, (scores >= self._floor[part][:, None] - _TIE) & (rows >= 0)

    def shares(self, part: slice, effort: Effort) -> np.ndarray:
        """Share (q,) of each query's answers that are right."""
        return self.right(part, effort)[1].mean(axis=1)

    def gaps(self, part: slice, effort: Effort) -> np.ndarray:
        """How much less each right answer's cell scores than the nearest one, (q, k); inf for an answer not found."""
        rows, right = self.right(part, effort)
        return np.where(right, self.cells.behind(self._queries[part], rows), inf)  # type: ignore[union-attr]


def tune(
    index: Any, vectors: np.ndarray, sample: QuerySample, config: IndexConfig, nlist: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Search parameters that reach the recall target, and figures that say whether they do.

    The least nprobe that reaches it: powers of 2 up to ``nlist``, then a few bisections. Then the shortest shortlist
    that loses next to nothing, and the least margin that reaches the target (`Effort`). The target is reached where the
    recall less 1.64 of its standard errors is no lower, so that queries which were not tuned on meet it too. Where that
    is out of reach: the smallest nprobe within 0.001 of the best, and ``target_met`` says whether its recall as
    measured is no lower.
    """
    trial = Trial(index, vectors, sample, min(config.recall_at, len(vectors)))
    tried: dict[int, np.ndarray] = {}
    longest = LONGEST if trial.cells and trial.cells.look_twice else 0

    def found(nprobe: int) -> np.ndarray:
        if nprobe not in tried:
            tried[nprobe] = trial.shares(sample.tuning, Effort(nprobe, shortlist=longest))
        return tried[nprobe]

    effort = Effort(1)
    if trial.cells is not None:
        effort = Effort(_least_nprobe(found, nlist, config.recall_target), shortlist=longest)
        if longest:
            effort = _with_shortlist(trial, sample.tuning, effort, found(effort.nprobe))
        if _reaches(found(effort.nprobe), config.recall_target):
            effort = _with_margin(trial, sample.tuning, effort, config.recall_target)
    shares = trial.shares(slice(None), effort)
    recall = _mean(shares[sample.tuning])
    figures = {
        "recall_at": config.recall_at,
        "recall_target": config.recall_target,
        "recall": recall,
        "recall_text": _mean(shares[: sample.texts]) if sample.texts else None,
        "recall_image": _mean(shares[sample.texts :]),
        "target_met": recall >= config.recall_target,
        "tuned_on": sample.tuned_on,
        "tuned_queries": len(shares[sample.tuning]),
        "tried": {str(nprobe): _mean(some) for nprobe, some in sorted(tried.items())},
    }
    return effort.search_params if trial.cells else {}, figures | _latency(trial, sample, effort)


def _latency(trial: Trial, sample: QuerySample, effort: Effort) -> dict[str, float]:
    """Milliseconds of one query at a time, on this machine: median and 95th percentile."""
    spent = []
    for query in sample.queries[sample.tuning][:_TIMED]:
        started = time.perf_counter()
        trial.search(query[None], effort)
        spent.append((time.perf_counter() - started) * 1000)
    p50, p95 = np.percentile(spent, [50, 95])
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3)}


def _mean(shares: np.ndarray) -> float:
    return round(float(shares.mean()), 4)


def _draw(vectors: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    if len(vectors) <= count:
        return vectors
    return np.ascontiguousarray(vectors[np.sort(rng.choice(len(vectors), size=count, replace=False))])


def _reaches(shares: np.ndarray, target: float) -> bool:
    """Whether queries that were not asked reach the target too."""
    return bool(shares.mean() - _SURE * shares.std() / np.sqrt(len(shares)) >= target)


def _least_nprobe(found: Callable[[int], np.ndarray], nlist: int, target: float) -> int:
    steps = [step for step in (2**power for power in range(20)) if step < nlist] + [nlist]
    reached = next((step for step in steps if _reaches(found(step), target)), None)
    if reached is None:
        best = max(found(step).mean() for step in steps)
        return next(step for step in steps if found(step).mean() >= best - _NEAR_BEST)
    low = max((step for step in steps if step < reached), default=0)
    for _ in range(_BISECTIONS):
        middle = (low + reached) // 2
        if middle <= low:
            break
        low, reached = (low, middle) if _reaches(found(middle), target) else (middle, reached)
    return reached


def _with_shortlist(trial: Trial, part: slice, effort: Effort, whole: np.ndarray) -> Effort:
    """``effort`` with the shortest shortlist whose recall is within 0.001 of the longest one's, ``whole`` (q,)."""
    shorter = (replace(effort, shortlist=rows) for rows in _SHORTLISTS)
    return next((some for some in shorter if trial.shares(part, some).mean() >= whole.mean() - _NEAR_BEST), effort)


def _with_margin(trial: Trial, part: slice, effort: Effort, target: float) -> Effort:
    """``effort`` with the least margin that reaches the target; one search tells it, for answers stay as cells go."""
    gaps = trial.gaps(part, replace(effort, margin=_ANY))
    steps = np.unique(np.ceil(gaps[np.isfinite(gaps)] / _MARGIN_STEP).astype(int)) * _MARGIN_STEP
    margin = next((step for step in steps if _reaches((gaps <= step).mean(axis=1), target)), inf)
    return replace(effort, margin=round(float(margin), 6))
