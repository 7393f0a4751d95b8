"""Exact search in blocks of vectors: the ground truth for an index's recall."""

import faiss
import numpy as np

from tasks.retrieval.vectors import blocks


def exact_top(vectors: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Best rows of each query by inner product: scores (q, k) float32 and rows (q, k) int64, best first.

    vectors (n, d) and queries (q, d): float32; ``vectors`` may be memory-mapped. k: up to n.
    """
    scores, rows = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    first = 0
    for block in blocks(vectors):
        found, where = faiss.knn(queries, block, min(k, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        scores, rows = np.hstack([scores, found]), np.hstack([rows, where + first])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, rows = np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)
        first += len(block)
    return scores, rows
