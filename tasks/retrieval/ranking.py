"""Exact ranking of candidates in blocks of queries, so that memory never holds the full score matrix.

Equal scores are ordered by candidate row. Scores are inner products in float64, equal where they agree to 9 decimals:
copies of one image tie at any block size, and ranks do not depend on the BLAS's order of summation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_BLOCK_SCORES = 2**22  # 32 MB of float64
_QUANTUM = 1e9


@dataclass(frozen=True)
class Relevance:
    """Integer codes: candidate j is an answer to query i where ``candidates[j] == queries[i]``."""

    queries: np.ndarray
    candidates: np.ndarray

    def counts(self) -> np.ndarray:
        """Number of answers to each query, (n,) int64."""
        size = int(max(self.queries.max(initial=-1), self.candidates.max(initial=-1))) + 1
        counts: np.ndarray = np.bincount(self.candidates, minlength=size)[self.queries]
        return counts


@dataclass(frozen=True)
class Ranked:
    """Ranks of the answers. first_rank: (n,) int64 from 1. hits: (n, depth) bool, whether the r-th row is an answer."""

    first_rank: np.ndarray
    hits: np.ndarray


def rank(
    queries: np.ndarray, candidates: np.ndarray, relevances: dict[str, Relevance], depth: int, chunk_rows: int
) -> tuple[dict[str, Ranked], np.ndarray]:
    """Rank all candidates for each query under one or more relevances. Every query must have an answer.

    queries (n, d), candidates (m, d): float32, L2-normalised. Returns a `Ranked` for each relevance, and the best
    ``min(depth, m)`` rows (n, depth) int64 of each query.
    """
    n, depth = len(queries), min(depth, len(candidates))
    top = np.empty((n, depth), np.int64)
    ranked = {name: Ranked(np.empty(n, np.int64), np.empty((n, depth), bool)) for name in relevances}
    for block, keys in _ordered_keys(queries, candidates, chunk_rows):
        top[block] = _best(keys, depth)
        for name, relevance in relevances.items():
            wanted = relevance.queries[block, None]
            ranked[name].hits[block] = relevance.candidates[top[block]] == wanted
            lowest = np.iinfo(np.int64).min
            first = np.where(relevance.candidates[None, :] == wanted, keys, lowest).max(axis=1)
            ranked[name].first_rank[block] = 1 + (keys > first[:, None]).sum(axis=1)
    return ranked, top


def _ordered_keys(queries: np.ndarray, candidates: np.ndarray, chunk_rows: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of int64 keys (rows, m), no two alike in a row: higher score first, then lower candidate row.

    The upper 32 bits are the score in units of 1e-9 (|score| <= 1 fits), the lower 32 the reversed row.
    """
    candidates = candidates.astype(np.float64)
    reversed_rows = np.int64(2**32 - 1) - np.arange(len(candidates), dtype=np.int64)
    rows = max(1, min(chunk_rows, _BLOCK_SCORES // len(candidates)))
    for start in range(0, len(queries), rows):
        block = slice(start, min(start + rows, len(queries)))
        scores = queries[block].astype(np.float64) @ candidates.T
        yield block, (np.rint(scores * _QUANTUM).astype(np.int64) << 32) + reversed_rows


def _best(keys: np.ndarray, depth: int) -> np.ndarray:
    width = keys.shape[1]
    if depth < width:
        rows = np.argpartition(keys, width - depth, axis=1)[:, width - depth :]
    else:
        rows = np.broadcast_to(np.arange(width), keys.shape)
    order = np.argsort(-np.take_along_axis(keys, rows, axis=1), axis=1)
    return np.take_along_axis(rows, order, axis=1)
