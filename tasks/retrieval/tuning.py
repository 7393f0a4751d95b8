"""Choose nprobe so that an IVF index finds what exact search finds, measured on text queries.

Text vectors lie away from the image vectors they search: a figure on image queries alone flatters the index.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from tasks.retrieval.config import IndexConfig
from tasks.retrieval.exact import exact_top

_FEW = 20  # fewer text queries than this cannot tell 0.98 from 0.90
_TIE = 1e-6  # duplicate pictures score alike up to rounding: any of them is the right answer
_NEAR_BEST = 1e-3
_SURE = 1.64  # standard errors: 95 of 100 samples this far above the target were drawn where it is met
_BISECTIONS = 3
_TIMED = 100


@dataclass(frozen=True)
class QuerySample:
    """Text queries, then image queries to report beside them (q, d) float32, and which of them to tune on."""

    queries: np.ndarray
    texts: int
    tuning: slice
    tuned_on: str


def sample_queries(vectors: np.ndarray, text_queries: np.ndarray, config: IndexConfig) -> QuerySample:
    """Up to ``tuning_queries`` text queries and as many images, drawn with the seed."""
    rng = np.random.default_rng(config.seed + 1)
    image = _draw(vectors, config.tuning_queries, rng)
    text = _draw(text_queries, config.tuning_queries, rng)
    queries, texts = np.concatenate([text, image]), len(text)
    if texts >= _FEW:
        return QuerySample(queries, texts, slice(texts), "text queries")
    told = f"{texts} text queries and images" if texts else "images (no text queries given)"
    return QuerySample(queries, texts, slice(None), told)


def tune(
    index: Any, vectors: np.ndarray, sample: QuerySample, config: IndexConfig, nlist: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Search parameters that reach the recall target, and figures that say whether they do.

    Powers of 2 up to ``nlist``, then a few bisections. The target is reached where the recall less 1.64 of its
    standard errors is no lower, so that queries which were not tuned on meet it too. Where that is out of reach: the
    smallest nprobe within 0.001 of the best, and ``target_met`` says whether its recall as measured is no lower.
    """
    k = min(config.recall_at, len(vectors))
    floor = exact_top(vectors, sample.queries, k)[0][:, -1]
    tried: dict[int, np.ndarray] = {}

    def found(nprobe: int) -> np.ndarray:
        if nprobe not in tried:
            queries = sample.queries[sample.tuning]
            tried[nprobe] = _found(index, vectors, queries, floor[sample.tuning], k, parameters(index, nprobe))
        return tried[nprobe]

    is_ivf = isinstance(index, faiss.IndexIVF)
    nprobe = _least_nprobe(found, nlist, config.recall_target) if is_ivf else 1
    recall = round(float(found(nprobe).mean()), 4)
    figures = {
        "recall_at": config.recall_at,
        "recall_target": config.recall_target,
        "recall": recall,
        "target_met": recall >= config.recall_target,
        "tuned_on": sample.tuned_on,
        "tuned_queries": len(sample.queries[sample.tuning]),
        "tried": {str(step): round(float(shares.mean()), 4) for step, shares in sorted(tried.items())},
    }
    for name, part in (("recall_text", slice(sample.texts)), ("recall_image", slice(sample.texts, None))):
        queries = sample.queries[part]
        shares = _found(index, vectors, queries, floor[part], k, parameters(index, nprobe))
        figures[name] = round(float(shares.mean()), 4) if len(shares) else None
    return {"nprobe": nprobe} if is_ivf else {}, figures


def measure_latency(index: Any, queries: np.ndarray, search_params: dict[str, Any], k: int) -> dict[str, float]:
    """Milliseconds of one query at a time, on this machine: median and 95th percentile."""
    spent = []
    for row in range(min(_TIMED, len(queries))):
        query = np.ascontiguousarray(queries[row : row + 1])
        started = time.perf_counter()
        index.search(query, k, params=parameters(index, search_params.get("nprobe", 1)))
        spent.append((time.perf_counter() - started) * 1000)
    p50, p95 = np.percentile(spent, [50, 95])
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3)}


def parameters(index: Any, nprobe: int, selector: Any = None) -> Any:
    """Per-call search parameters: never ``index.nprobe``, which is shared state and lies in the file as 1."""
    if isinstance(index, faiss.IndexIVF):
        return faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)  # type: ignore[call-arg]
    return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]


def _draw(vectors: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    if len(vectors) <= count:
        return vectors
    return np.ascontiguousarray(vectors[np.sort(rng.choice(len(vectors), size=count, replace=False))])


def _found(index: Any, vectors: np.ndarray, queries: np.ndarray, floor: np.ndarray, k: int, params: Any) -> np.ndarray:
    """Share (q,) of each query's ``k`` answers that are right: those that score at least its ``floor``."""
    if not len(queries):
        return np.zeros(0)
    _, rows = index.search(queries, k, params=params)
    scores = np.einsum("qkd,qd->qk", vectors[np.maximum(rows, 0)], queries)
    return ((scores >= floor[:, None] - _TIE) & (rows >= 0)).mean(axis=1)


def _least_nprobe(found: Callable[[int], np.ndarray], nlist: int, target: float) -> int:
    def reaches(step: int) -> bool:
        shares = found(step)
        return bool(shares.mean() - _SURE * shares.std() / np.sqrt(len(shares)) >= target)

    steps = [step for step in (2**power for power in range(20)) if step < nlist] + [nlist]
    reached = next((step for step in steps if reaches(step)), None)
    if reached is None:
        best = max(found(step).mean() for step in steps)
        return next(step for step in steps if found(step).mean() >= best - _NEAR_BEST)
    low = max((step for step in steps if step < reached), default=0)
    for _ in range(_BISECTIONS):
        middle = (low + reached) // 2
        if middle <= low:
            break
        low, reached = (low, middle) if reaches(middle) else (middle, reached)
    return reached
