"""Turn quads into pixels: every quad is diced finer than a pixel and the nearest sample of each pixel wins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arrays import Array
from .mesh import Scene

_DENSITY = 1.3  # samples per pixel along each edge; below 1 leaves holes


@dataclass
class Quads:
    """All quads of a scene: corner points and normals (q, 4, 3), uv (q, 4, 2), slot number and solidity (q,)."""

    points: Array
    normals: Array
    uv: Array
    slot: NDArray[np.int32]
    solid: NDArray[np.bool_]

    def keep(self, mask: NDArray[np.bool_]) -> Quads:
        """Only the quads of a mask."""
        return Quads(self.points[mask], self.normals[mask], self.uv[mask], self.slot[mask], self.solid[mask])


@dataclass
class Hits:
    """What each covered pixel shows: pixel number, quad, and where in the quad (s, t)."""

    pixel: NDArray[np.integer]
    quad: NDArray[np.integer]
    s: Array
    t: Array

    def blend(self, corners: Array) -> Array:
        """Values at the hits from values at the quads' corners (q, 4, c)."""
        c, s, t = corners[self.quad], self.s[:, None], self.t[:, None]
        return (c[:, 0] * (1 - s) + c[:, 1] * s) * (1 - t) + (c[:, 3] * (1 - s) + c[:, 2] * s) * t


def _corners(grid: Array) -> Array:
    """Corner values (q, 4, c) of the quads of stacked grids (k, nu, nv, c)."""
    around = (grid[:, :-1, :-1], grid[:, 1:, :-1], grid[:, 1:, 1:], grid[:, :-1, 1:])
    return np.stack([corner.reshape(-1, grid.shape[-1]) for corner in around], 1)


def gather(scene: Scene) -> tuple[Quads, list[str]]:
    """The quads of all parts and the names of their slots."""
    names = sorted({part.slot for part in scene.parts})
    columns: list[list[Array]] = [[], [], [], [], []]
    for part in scene.parts:
        points = _corners(part.points)
        flags = np.full(len(points), names.index(part.slot), np.int32), np.full(len(points), part.solid)
        for column, value in zip(columns, (points, _corners(part.normals), _corners(part.uv), *flags), strict=True):
            column.append(value)
    return Quads(*(np.concatenate(column) for column in columns)), names  # type: ignore[arg-type]


def rasterize(screen: Array, size: int) -> tuple[Hits, Array]:
    """Nearest surface of each pixel of a (size, size) frame, and its nearness.

    `screen` (q, 4, 3) holds x and y in pixels and nearness (larger is closer).
    """
    a, b, c, d = (screen[:, i] for i in range(4))
    ab, ad, twist = b - a, d - a, a - b + c - d

    def count(e1: Array, e2: Array) -> NDArray[np.int32]:
        longest = np.maximum(np.hypot(e1[:, 0], e1[:, 1]), np.hypot(e2[:, 0], e2[:, 1]))
        return np.clip(np.ceil(longest * _DENSITY), 1, 512).astype(np.int32)

    n_s, n_t = count(ab, c - d), count(ad, c - b)
    per_quad = n_s * n_t
    first = np.cumsum(per_quad, dtype=np.int32) - per_quad
    # one repeat for all that a sample needs of its quad, as rows: columns of a wide array are slow to walk
    facts = np.concatenate([a, ab, ad, twist, np.stack([1 / n_s, 1 / n_t], 1)], 1, dtype=np.float32)
    quad = np.repeat(np.arange(len(screen), dtype=np.int32), per_quad)
    rows = np.ascontiguousarray(facts.T)[:, quad]
    local = np.arange(len(quad), dtype=np.int32) - first[quad]
    row = local // n_s[quad]
    s = (local - row * n_s[quad] + np.float32(0.5)) * rows[12]
    t = (row + np.float32(0.5)) * rows[13]
    s, t = s.astype(np.float32), t.astype(np.float32)
    st = s * t
    x, y, near = (rows[i] + s * rows[3 + i] + t * rows[6 + i] + st * rows[9 + i] for i in range(3))
    column, line = x.astype(np.int32), y.astype(np.int32)
    inside = (x >= 0) & (column < size) & (y >= 0) & (line < size)
    pixel = line * np.int32(size) + column
    return _nearest(pixel, near, inside, Hits(pixel, quad, s, t), size)


def _nearest(
    pixel: NDArray[np.integer], near: Array, inside: NDArray[np.bool_], samples: Hits, size: int
) -> tuple[Hits, Array]:
    """Keep the closest sample of every pixel; depth and sample number share one integer so that one pass decides."""
    low, high = float(near.min()), float(near.max())
    depth = ((high - near) * np.float32(2**20 / max(high - low, 1e-6))).astype(np.int64)
    empty = np.int64(1) << 62
    best = np.full(size * size, empty)
    key = (depth << 32) | np.arange(len(depth))
    if inside.all():
        np.minimum.at(best, pixel, key)
    else:
        np.minimum.at(best, pixel[inside], key[inside])
    covered = np.flatnonzero(best != empty)
    winner = best[covered] & 0xFFFFFFFF
    return Hits(covered, samples.quad[winner], samples.s[winner], samples.t[winner]), near[winner]


def blur(image: Array, radius: int) -> Array:
    """Two box blurs of (h, w): close enough to a soft edge."""
    n = 2 * radius + 1
    for _ in range(2):
        for _axis in range(2):  # blur along the rows, turn the image, again
            padded = np.concatenate(
                [np.repeat(image[:, :1], radius + 1, 1), image, np.repeat(image[:, -1:], radius, 1)], 1
            )
            total = np.cumsum(padded, axis=1)
            image = ((total[:, n:] - total[:, :-n]) / np.float32(n)).T
    return image
