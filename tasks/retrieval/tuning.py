"""Choose the search parameters of an IVF index, so that it finds what exact search finds.

Measured on text queries, which are out of distribution for the image vectors they search: recall measured on image
queries alone would be too high.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from tasks.retrieval.cells import DEFAULT_SHORTLIST, Cells
from tasks.retrieval.config import IndexConfig
from tasks.retrieval.exact import exact_top
from tasks.retrieval.probing import SearchParams
from tasks.retrieval.vectors import draw

_FEW = 20  # fewer text queries than this cannot tell 0.98 from 0.90
_REPORTED = 500  # image queries beside enough text queries
_TIE = 1e-6  # duplicate images score alike up to rounding: any of them is a right answer
_NEAR_BEST = 1e-3
_STANDARD_ERRORS = 1.64  # one-sided 95 % bound
_BISECTIONS = 3
_MARGIN_STEP = 5e-4  # of an inner product of unit vectors
_NO_MARGIN = 2.0  # leaves out no cell: the largest difference of two inner products of unit vectors
_SHORTLISTS = (50, 100, 200)
_TIMED = 100


@dataclass(frozen=True)
class QuerySample:
    """Queries (q, d) float32: ``texts`` text queries, then image queries; ``tuning`` selects those to tune on."""

    queries: np.ndarray
    texts: int
    tuning: slice
    tuned_on: str


def sample_queries(vectors: np.ndarray, text_queries: np.ndarray, count: int, seed: int) -> QuerySample:
    """Up to ``count`` random text queries and as many images; fewer images where they are only reported."""
    rng, texts = np.random.default_rng(seed + 1), min(len(text_queries), count)
    images = draw(vectors, count if texts < _FEW else min(count, _REPORTED), rng)
    queries = np.concatenate([draw(text_queries, count, rng), images])
    if texts >= _FEW:
        return QuerySample(queries, texts, slice(texts), "text queries")
    tuned_on = f"{texts} text queries and images" if texts else "images (no text queries given)"
    return QuerySample(queries, texts, slice(None), tuned_on)


class RecallTrial:
    """An index searched with one sample of queries as it will be served, and compared with exact search."""

    def __init__(self, index: Any, vectors: np.ndarray, sample: QuerySample, k: int) -> None:
        self.index, self.cells = index, Cells.of_index(index)
        self._vectors, self._queries, self.k = vectors, sample.queries, k
        self._kth_score = exact_top(vectors, sample.queries, k)[0][:, -1]

    def search(self, queries: np.ndarray, params: SearchParams) -> np.ndarray:
        """Rows (q, k) int64. Never sets ``index.nprobe``, which is shared state and is 1 in the file."""
        _, rows = (
            self.index.search(queries, self.k) if self.cells is None else self.cells.search(queries, self.k, params)
        )
        return rows

    def hits(self, part: slice, params: SearchParams) -> tuple[np.ndarray, np.ndarray]:
        """Rows (q, k) found for the queries of ``part``, and which are right: score at least that of the true k-th."""
        queries = self._queries[part]
        rows = self.search(queries, params)
        scores = np.einsum("qkd,qd->qk", self._vectors[np.maximum(rows, 0)], queries)
        return rows, (scores >= self._kth_score[part][:, None] - _TIE) & (rows >= 0)

    def recalls(self, part: slice, params: SearchParams) -> np.ndarray:
        """Recall at k of each query, (q,) float64."""
        recalls: np.ndarray = self.hits(part, params)[1].mean(axis=1)
        return recalls

    def hit_gaps(self, part: slice, params: SearchParams) -> np.ndarray:
        """Of each right answer the margin from which on its cell is probed, (q, k); inf for an answer not found."""
        assert self.cells is not None
        rows, right = self.hits(part, params)
        return np.where(right, self.cells.score_gaps(self._queries[part], rows), inf)


def tune(
    index: Any, vectors: np.ndarray, sample: QuerySample, config: IndexConfig, nlist: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Search parameters that reach the recall target, and JSON-able figures that say whether they do.

    In this order: the smallest nprobe that reaches it (powers of 2 up to ``nlist``, then a few bisections), the
    shortest shortlist that loses next to nothing, and the smallest margin that reaches it (`SearchParams`). The target
    is reached where recall minus 1.64 standard errors is no lower, so that other queries meet it too. Where it cannot
    be reached: the smallest nprobe within 0.001 of the best. ``target_met`` is about the recall as measured.
    """
    trial = RecallTrial(index, vectors, sample, min(config.recall_at, len(vectors)))
    tried: dict[int, np.ndarray] = {}
    shortlist = DEFAULT_SHORTLIST if trial.cells and trial.cells.two_stage else 0

    def recalls_at(nprobe: int) -> np.ndarray:
        if nprobe not in tried:
            tried[nprobe] = trial.recalls(sample.tuning, SearchParams(nprobe, shortlist=shortlist))
        return tried[nprobe]

    params = SearchParams(1)
    if trial.cells is not None:
        params = SearchParams(_least_nprobe(recalls_at, nlist, config.recall_target), shortlist=shortlist)
        if shortlist:
            params = _with_shortlist(trial, sample.tuning, params, recalls_at(params.nprobe))
        if _reaches(recalls_at(params.nprobe), config.recall_target):
            params = _with_margin(trial, sample.tuning, params, config.recall_target)
    figures = _figures(trial.recalls(slice(None), params), sample, config) | _latency(trial, sample, params)
    figures["tried"] = {str(nprobe): _mean(recalls) for nprobe, recalls in sorted(tried.items())}
    return params.as_json if trial.cells else {}, figures


def _figures(recalls: np.ndarray, sample: QuerySample, config: IndexConfig) -> dict[str, Any]:
    recall = _mean(recalls[sample.tuning])
    return {
        "recall_at": config.recall_at,
        "recall_target": config.recall_target,
        "recall": recall,
        "recall_text": _mean(recalls[: sample.texts]) if sample.texts else None,
        "recall_image": _mean(recalls[sample.texts :]),
        "target_met": recall >= config.recall_target,
        "tuned_on": sample.tuned_on,
        "tuned_queries": len(recalls[sample.tuning]),
    }


def _latency(trial: RecallTrial, sample: QuerySample, params: SearchParams) -> dict[str, float]:
    """Milliseconds of one query at a time on this machine: median and 95th percentile."""
    spent = []
    for query in sample.queries[sample.tuning][:_TIMED]:
        started = time.perf_counter()
        trial.search(query[None], params)
        spent.append((time.perf_counter() - started) * 1000)
    p50, p95 = np.percentile(spent, [50, 95])
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3)}


def _mean(recalls: np.ndarray) -> float:
    return round(float(recalls.mean()), 4)


def _reaches(recalls: np.ndarray, target: float) -> bool:
    """Whether queries outside the sample reach the target too, with 95 % confidence."""
    return bool(recalls.mean() - _STANDARD_ERRORS * recalls.std() / np.sqrt(len(recalls)) >= target)


def _least_nprobe(recalls_at: Callable[[int], np.ndarray], nlist: int, target: float) -> int:
    steps = [step for step in (1 << power for power in range(20)) if step < nlist] + [nlist]
    reached = next((step for step in steps if _reaches(recalls_at(step), target)), None)
    if reached is None:
        best = max(recalls_at(step).mean() for step in steps)
        return next(step for step in steps if recalls_at(step).mean() >= best - _NEAR_BEST)
    low = max((step for step in steps if step < reached), default=0)
    for _ in range(_BISECTIONS):
        middle = (low + reached) // 2
        if middle <= low:
            break
        low, reached = (low, middle) if _reaches(recalls_at(middle), target) else (middle, reached)
    return reached


def _with_shortlist(trial: RecallTrial, part: slice, params: SearchParams, recalls: np.ndarray) -> SearchParams:
    """``params`` with the shortest shortlist whose recall is within 0.001 of ``recalls`` (q,), the longest one's."""
    shorter = (replace(params, shortlist=rows) for rows in _SHORTLISTS)
    return next((one for one in shorter if trial.recalls(part, one).mean() >= recalls.mean() - _NEAR_BEST), params)


def _with_margin(trial: RecallTrial, part: slice, params: SearchParams, target: float) -> SearchParams:
    """``params`` with the smallest margin that reaches the target.

    One search is enough: a margin removes whole cells, so it loses exactly the answers whose gap is larger.
    """
    gaps = trial.hit_gaps(part, replace(params, margin=_NO_MARGIN))
    steps = np.unique(np.ceil(gaps[np.isfinite(gaps)] / _MARGIN_STEP).astype(int)) * _MARGIN_STEP
    margin = next((step for step in steps if _reaches((gaps <= step).mean(axis=1), target)), inf)
    return replace(params, margin=round(float(margin), 6))
