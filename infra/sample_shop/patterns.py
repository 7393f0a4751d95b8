"""Printed patterns as functions of surface coordinates: stripes, dots, flowers, plaid and the like."""

from __future__ import annotations

import numpy as np

from .arrays import Array, vec


def _cell(uv: Array, count: float, stagger: bool = True) -> tuple[Array, Array, Array]:
    """Position within the cells (-0.5..0.5) of a grid with `count` cells per unit, and a number for each cell."""
    u, v = uv[:, 0] * count, uv[:, 1] * count
    row = np.floor(v)
    if stagger:
        u = u + 0.5 * (row % 2)
    column = np.floor(u)
    number = np.sin(row * 12.9898 + column * 78.233) * 43758.547
    return u - column - 0.5, v - row - 0.5, (number - np.floor(number)).astype(np.float32)


def _waves(uv: Array, count: float, phase: float) -> Array:
    """A smooth random-looking field, about -2..2."""
    u, v = uv[:, 0] * count, uv[:, 1] * count
    return (
        np.sin(u * 6.3 + 1.7 * np.sin(v * 4.1 + phase))
        + np.sin(v * 5.9 + 1.9 * np.sin(u * 3.7 + phase * 2))
        + 0.5 * np.sin((u + v) * 11 + phase)
    ).astype(np.float32)


def _floral(uv: Array, count: float, base: Array, second: Array) -> Array:
    x, y, number = _cell(uv, count)
    radius, angle = np.hypot(x, y), np.arctan2(y, x) + number * 6.28
    petal = radius < 0.2 + 0.16 * np.cos(5 * angle)
    heart = radius < 0.1
    leaf = np.hypot((x - 0.36) * 1.0, (y + 0.38) * 2.2) < 0.13
    out = np.broadcast_to(base, (len(uv), 3)).copy()
    out[leaf] = base * 0.5 + vec([0.1, 0.22, 0.1])
    out[petal] = second
    out[heart] = vec([0.95, 0.78, 0.2])
    return out


def _leopard(uv: Array, count: float, base: Array, second: Array) -> Array:
    x, y, number = _cell(uv, count)
    x, y = x + (number - 0.5) * 0.25, y + np.sin(number * 40) * 0.12
    radius, angle = np.hypot(x, y * 1.15), np.arctan2(y, x) + number * 6.28
    ring = (np.abs(radius - 0.27) < 0.095) & (np.cos(2.5 * angle) > -0.75)
    core = radius <= 0.19
    dark = base * 0.16 if base.sum() > 0.9 else vec([0.75, 0.55, 0.3])
    out = np.broadcast_to(base, (len(uv), 3)).copy()
    out[core] = base * 0.62 + second * 0.06
    out[ring] = dark
    return out


def _camo(uv: Array, count: float, base: Array, second: Array) -> Array:
    out = np.broadcast_to(base, (len(uv), 3)).copy()
    first, other = _waves(uv, count * 0.22, 0.7), _waves(uv + 3.1, count * 0.25, 2.9)
    out[first > 0.45] = base * 0.5
    out[other > 0.65] = base * 0.45 + second * 0.5
    out[(first < -0.9) & (other < 0.2)] = base * 0.22
    return out


def _plaid(uv: Array, count: float, base: Array, second: Array) -> Array:
    u, v = (uv[:, 0] * count * 0.5) % 1, (uv[:, 1] * count * 0.5) % 1
    weight = 0.42 * ((u < 0.45).astype(np.float32) + (v < 0.45))
    fine = (np.abs(u - 0.72) < 0.035) | (np.abs(v - 0.72) < 0.035)
    out = base + (second - base) * weight[:, None]
    out[fine] = base * 0.35
    return out


def _geometric(uv: Array, count: float, base: Array, second: Array) -> Array:
    x, y, _ = _cell(uv, count * 0.6, stagger=False)
    diamond = np.abs(x) + np.abs(y)
    mask = ((diamond < 0.5) & (diamond > 0.36)) | (diamond < 0.17)
    return np.where(mask[:, None], second, base)


def _marble(uv: Array, count: float, base: Array, second: Array) -> Array:
    vein = np.exp(-np.abs(_waves(uv, count * 0.13, 1.3)) * 7) + 0.5 * np.exp(-np.abs(_waves(uv, count * 0.3, 4.1)) * 12)
    return base + (second - base) * np.clip(vein, 0, 1)[:, None]


def paint_pattern(pattern: str, uv: Array, height: Array, base: Array, second: Array, scale: float) -> Array:
    """Colours (n, 3) at surface coordinates uv (n, 2); `height` runs 0..1 over the product, `second` is the other."""
    count = 11.0 / scale
    if pattern == "striped":
        return np.where(((uv[:, 0] * count * 0.62) % 1 < 0.5)[:, None], base, second)
    if pattern == "polka dot":
        x, y, _ = _cell(uv, count * 0.9)
        return np.where((np.hypot(x, y) < 0.29)[:, None], second, base)
    if pattern == "ombre":
        return base + (second - base) * (np.clip(height * 1.3 - 0.15, 0, 1) ** 1.2)[:, None]
    painters = {
        "floral": (_floral, 0.7),
        "leopard": (_leopard, 0.85),
        "camo": (_camo, 1.0),
        "plaid": (_plaid, 1.0),
        "geometric": (_geometric, 1.0),
        "marble print": (_marble, 1.0),
    }
    painter, factor = painters[pattern]
    return painter(uv, count * factor, base, second)
