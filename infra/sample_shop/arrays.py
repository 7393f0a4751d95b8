"""Small vector algebra on numpy arrays whose last axis is x, y, z."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Points = Sequence[Sequence[float]]


def vec(values: Any) -> Array:
    """An array of 32-bit floats."""
    return np.asarray(values, np.float32)


def unit(v: Array) -> Array:
    """Vectors of length one along the last axis."""
    return v / np.maximum(np.sqrt(dot(v, v)), 1e-9)[..., None]


def dot(a: Array, b: Array) -> Array:
    """Products of vectors along the last axis, written out because numpy is slow to sum axes of length 2 or 3."""
    total = a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1]
    return total + a[..., 2] * b[..., 2] if a.shape[-1] == 3 else total


def cross(a: Array, b: Array) -> Array:
    """Cross products along the last axis; numpy's own spends most of its time on moving axes."""
    (ax, ay, az), (bx, by, bz) = (tuple(v[..., i] for i in range(3)) for v in (a, b))
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)


def differences(points: Array) -> Array:
    """Slopes along the first axis: central inside, one-sided at the ends."""
    if len(points) < 3:
        return np.repeat(points[-1:] - points[:1], len(points), axis=0)
    return np.concatenate([points[1:2] - points[:1], (points[2:] - points[:-2]) / 2, points[-1:] - points[-2:-1]])


def bounds(points: Array) -> tuple[Array, Array]:
    """Lowest and highest coordinates over all but the last axis."""
    columns = [np.ascontiguousarray(points[..., i]) for i in range(points.shape[-1])]
    return vec([column.min() for column in columns]), vec([column.max() for column in columns])


def middle(corners: Array) -> Array:
    """Mean over the four corners of quads (q, 4, c)."""
    return (corners[:, 0] + corners[:, 1] + corners[:, 2] + corners[:, 3]) * np.float32(0.25)


def rotation_about(axis: str, degrees: float) -> Array:
    """A 3 x 3 rotation about "x", "y" or "z"."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    table = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return vec(table[axis])


def rotate(points: Array, rotation: Array) -> Array:
    """Apply a rotation without BLAS, whose rounding depends on its threads."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return np.stack([r[0] * x + r[1] * y + r[2] * z for r in rotation], axis=-1)


def smooth_path(points: Points | Array, per_segment: int = 6) -> Array:
    """A Catmull-Rom curve through `points`."""
    p = np.asarray(points, np.float32)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, per_segment, endpoint=False, dtype=np.float32)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([curve.reshape(-1, p.shape[1]), p[-2:-1]])
