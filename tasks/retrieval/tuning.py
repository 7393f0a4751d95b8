"""Choose nprobe so that an IVF index finds what exact search finds, measured on text queries.

Text vectors lie away from the image vectors they search: a figure on image queries alone flatters the index.
"""

import time
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from tasks.retrieval.config import IndexConfig

_FEW = 20  # fewer text queries than this cannot tell 0.98 from 0.90
_TIE = 1e-6  # duplicate pictures score alike up to rounding: any of them is the right answer
_NEAR_BEST = 1e-3
_BISECTIONS = 3
_TIMED = 100


@dataclass(frozen=True)
class QuerySample:
    """Queries to tune on, what they are, and image queries to report beside them; each (q, d) float32."""

    tuning: np.ndarray
    tuned_on: str
    text: np.ndarray
    image: np.ndarray


def sample_queries(vectors: np.ndarray, text_queries: np.ndarray, config: IndexConfig) -> QuerySample:
    """Up to ``tuning_queries`` text queries and as many images, drawn with the seed."""
    rng = np.random.default_rng(config.seed + 1)
    image = _draw(vectors, config.tuning_queries, rng)
    text = _draw(text_queries, config.tuning_queries, rng)
    if len(text) >= _FEW:
        return QuerySample(text, "text queries", text, image)
    if len(text):
        return QuerySample(np.concatenate([text, image]), f"{len(text)} text queries and images", text, image)
    return QuerySample(image, "images (no text queries given)", text, image)


def tune(
    index: Any, vectors: np.ndarray, sample: QuerySample, config: IndexConfig, nlist: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Search parameters that reach the recall target, and figures that say whether they do.

    Powers of 2 up to ``nlist``, then a few bisections. Where quantised codes keep the target out of reach: the
    smallest nprobe within 0.001 of the best, and ``target_met`` False.
    """
    k = min(config.recall_at, len(vectors))
    floor = _exact_floor(vectors, sample.tuning, k)
    tried: dict[int, float] = {}

    def recall(nprobe: int) -> float:
        if nprobe not in tried:
            tried[nprobe] = _recall(index, vectors, sample.tuning, floor, k, parameters(index, nprobe))
        return tried[nprobe]

    is_ivf = isinstance(index, faiss.IndexIVF)
    nprobe = _least_nprobe(recall, nlist, config.recall_target) if is_ivf else 1
    search_params = {"nprobe": nprobe} if is_ivf else {}
    figures = {
        "recall_at": config.recall_at,
        "recall_target": config.recall_target,
        "recall": round(recall(nprobe), 4),
        "target_met": round(recall(nprobe), 4) >= config.recall_target,
        "tuned_on": sample.tuned_on,
        "tuned_queries": len(sample.tuning),
        "tried": {str(step): round(value, 4) for step, value in sorted(tried.items())},
    }
    for name, queries in (("recall_text", sample.text), ("recall_image", sample.image)):
        exact = _exact_floor(vectors, queries, k) if len(queries) else None
        found = None if exact is None else _recall(index, vectors, queries, exact, k, parameters(index, nprobe))
        figures[name] = None if found is None else round(found, 4)
    return search_params, figures


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


def _exact_floor(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Score (q,) of the k-th best row by exact search: whatever scores as high is a right answer."""
    scores, _ = faiss.knn(queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    return scores[:, k - 1]


def _recall(index: Any, vectors: np.ndarray, queries: np.ndarray, floor: np.ndarray, k: int, params: Any) -> float:
    _, rows = index.search(queries, k, params=params)
    scores = np.einsum("qkd,qd->qk", vectors[np.maximum(rows, 0)], queries)
    return float(((scores >= floor[:, None] - _TIE) & (rows >= 0)).mean())


def _least_nprobe(recall: Any, nlist: int, target: float) -> int:
    steps = [step for step in (2**power for power in range(20)) if step < nlist] + [nlist]
    reached = next((step for step in steps if recall(step) >= target), None)
    if reached is None:
        best = max(recall(step) for step in steps)
        return next(step for step in steps if recall(step) >= best - _NEAR_BEST)
    low = max((step for step in steps if step < reached), default=0)
    for _ in range(_BISECTIONS):
        middle = (low + reached) // 2
        if middle <= low:
            break
        low, reached = (low, middle) if recall(middle) >= target else (middle, reached)
    return reached
