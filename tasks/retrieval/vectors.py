"""What the room demands of vectors before it works with them."""

import numpy as np

from tasks.schema.errors import ConfigError

_TOLERANCE = 1e-3


def checked(vectors: np.ndarray, name: str, dim: int | None = None, empty: bool = False) -> np.ndarray:
    """``vectors`` as contiguous float32 (n, d), L2-normalised within 1e-3. Raises ConfigError naming every fault.

    A NaN would be counted by FAISS and never be found; a long vector would win every inner product.
    """
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    if empty and array.size == 0:
        return np.zeros((0, dim or 0), np.float32)
    if array.ndim != 2:
        raise ConfigError(f"{name}: found shape {array.shape}, expected (rows, dim); stack the vectors first")
    faults = []
    if dim is not None and array.shape[1] != dim:
        faults.append(f"found dim {array.shape[1]}, expected {dim}: the vectors are of two models")
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        faults.append(f"{len(bad)} of {len(array)} rows are not finite, first row {bad[0]}: embed them again")
    norms = np.sqrt(np.einsum("ij,ij->i", array, array, dtype=np.float64))
    long = finite & (np.abs(norms - 1) > _TOLERANCE)
    if long.any():
        bad = np.flatnonzero(long)
        faults.append(
            f"{len(bad)} of {len(array)} rows are not L2-normalised, first row {bad[0]} has norm {norms[bad[0]]:.4f}"
        )
    if faults:
        raise ConfigError(f"{name}: " + "; ".join(faults))
    return array
