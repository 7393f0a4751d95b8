"""What surrounds a product: studio background, a room now and then, and the shadow it throws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, middle, rotate, rotation_about, vec
from .designs import Product
from .mesh import Scene
from .raster import blur, rasterize
from .textures import texture

_BACKGROUND = 32
_TINTS = ((0.93, 0.91, 0.88), (0.88, 0.92, 0.88), (0.90, 0.89, 0.95), (0.95, 0.88, 0.87), (0.86, 0.91, 0.95))
_WALLS = ((0.82, 0.85, 0.84), (0.88, 0.86, 0.82), (0.80, 0.83, 0.88), (0.90, 0.88, 0.86))


def draw_background(product: Product, scene: Scene, view: int, revision: int, size: int, screen: Array) -> Array:
    """An empty image (size, size, 3), 0..1: mostly white, sometimes tinted, sometimes a room."""
    rng = product.rng(_BACKGROUND, product.member, view, revision)
    roll = rng.random()
    fall = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    if roll < 0.74:
        return np.ones((size, size, 3), np.float32) * (1 - (0.06 * fall if roll > 0.5 else 0.0 * fall))
    if roll < 0.91 or scene.stage != "floor":
        tint = vec(_TINTS[int(rng.integers(len(_TINTS)))])
        return np.broadcast_to(tint + (1 - tint) * (0.85 - 0.8 * fall), (size, size, 3)).copy()
    return _room(vec(_WALLS[int(rng.integers(len(_WALLS)))]), rng, size, screen)


def _room(wall: Array, rng: np.random.Generator, size: int, screen: Array) -> Array:
    """A plain wall and a wooden floor that begins behind the product."""
    top, bottom = float(screen[..., 1].min()), float(screen[..., 1].max())
    line = int(np.clip(bottom - 0.34 * (bottom - top) - 4, size * 0.45, size * 0.8))
    image = np.broadcast_to(wall, (size, size, 3)).copy()
    image *= np.linspace(1.06, 0.96, size, dtype=np.float32)[:, None, None]
    rows, columns = np.mgrid[line:size, 0:size].astype(np.float32)
    depth = (rows - line) / (size - line) + 0.25
    across = (columns - size * 0.5) / depth
    grain = texture("planks")[(across * 0.42).astype(np.int32) % 128, (40 / depth).astype(np.int32) % 128]
    floor = vec([0.80, 0.66, 0.50]) if rng.random() < 0.5 else vec([0.66, 0.58, 0.50])
    image[line:] = floor * (0.72 + 0.28 * grain[..., None])
    image[line - 3 : line] = 0.97
    return np.clip(image, 0, 1)


def _coverage(screen: Array, size: int) -> Array:
    hits, _ = rasterize(screen, size)
    cover = np.zeros(size * size, np.float32)
    cover[hits.pixel] = 1
    return cover.reshape(size, size)


def floor_shadow(points: Array, to_pixels: Callable[[Array], Array], yaw: float, size: int) -> Array:
    """Light (size, size, 1), 0..1, that reaches the floor under a product standing on y = 0."""
    small = size // 4
    turned = rotate(points, rotation_about("y", yaw))
    height = turned[..., 1:2]
    flat = turned * vec([1, 0, 1])
    shrink = vec([0.25, 0.25, 1])
    cast = _coverage(to_pixels(flat + height * vec([0.42, 0, -0.3])) * shrink, small)
    close = np.flatnonzero(middle(height)[:, 0] < 0.1)
    contact = _coverage(to_pixels(flat[close]) * shrink, small) if len(close) else np.zeros_like(cast)
    dark = 0.2 * blur(cast, 3) + 0.42 * blur(contact, 1)
    rows = np.clip(np.arange(size) / 4 - 0.375, 0, small - 1.001)
    low, part = rows.astype(np.int64), (rows % 1).astype(np.float32)
    dark = dark[low] * (1 - part[:, None]) + dark[low + 1] * part[:, None]
    dark = dark[:, low] * (1 - part) + dark[:, low + 1] * part
    return 1 - np.clip(dark, 0, 0.7)[..., None]


def wall_shadow(pixel: NDArray[np.integer], size: int) -> Array:
    """Light (size, size, 1), 0..1, on a wall close behind a product that covers `pixel`."""
    cover = np.zeros(size * size, np.float32)
    cover[pixel] = 1
    shifted = np.roll(cover.reshape(size, size), (5, 4), (0, 1))
    return 1 - 0.32 * blur(shifted, 4)[..., None]
