"""Matrices of vectors: checked, cut into blocks, sampled."""

from collections.abc import Iterator

import numpy as np

from tasks.schema.errors import ConfigError

_TOLERANCE = 1e-3
_BLOCK = 65_536


def blocks(vectors: np.ndarray) -> Iterator[np.ndarray]:
    """Views of up to 65,536 rows of ``vectors`` one after another, so that intermediate results stay small."""
    return (vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK))


def draw(vectors: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` random rows (count, d) in row order, contiguous; ``vectors`` itself where it has no more."""
    if len(vectors) <= count:
        return vectors
    return np.ascontiguousarray(vectors[np.sort(rng.choice(len(vectors), size=count, replace=False))])


def checked(vectors: np.ndarray, name: str, dim: int | None = None, empty: bool = False) -> np.ndarray:
    """``vectors`` as contiguous float32 (n, d), L2-normalised within 1e-3. Raises ConfigError naming every fault.

    FAISS stores a NaN vector but never finds it, and a long vector would win every inner product. Vectors in a
    memory-mapped file stay there.
    """
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    if empty and array.size == 0:
        return np.zeros((0, dim or 0), np.float32)
    if array.ndim != 2:
        raise ConfigError(f"{name}: found shape {array.shape}, expected (rows, dim); stack the vectors first")
    faults = []
    if dim is not None and array.shape[1] != dim:
        faults.append(f"found dim {array.shape[1]}, expected {dim}: the vectors are of two models")
    norms = np.concatenate([_norms(block) for block in blocks(array)] or [np.zeros(0)])
    finite = np.isfinite(norms)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        faults.append(f"{len(bad)} of {len(array)} rows are not finite, first row {bad[0]}: embed them again")
    long = finite & (np.abs(norms - 1) > _TOLERANCE)
    if long.any():
        bad = np.flatnonzero(long)
        faults.append(
            f"{len(bad)} of {len(array)} rows are not L2-normalised, first row {bad[0]} has norm {norms[bad[0]]:.4f}"
        )
    if faults:
        raise ConfigError(f"{name}: " + "; ".join(faults))
    return array


def _norms(vectors: np.ndarray) -> np.ndarray:
    norms: np.ndarray = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return norms
