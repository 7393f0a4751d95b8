"""Cups, vases and bottles."""

from __future__ import annotations

import numpy as np

from .designs import Product
from .mesh import Scene

Rng = np.random.Generator
Profile = list[tuple[float, float]]


def vessel(
    s: Scene,
    outside: Profile,
    wall: float = 0.03,
    depth: float = 0.35,
    smooth: bool = False,
    inside: str = "shadow",
    n: int = 36,
) -> None:
    """A hollow body: the outside profile bottom to top, then a lip and the inside down to `depth` below the rim."""
    r, y = outside[-1]
    s.lathe([(0, outside[0][1]), outside[0]], "plain")
    s.lathe(outside, smooth=smooth, n=n)
    s.lathe([(r, y), (r - wall * 0.3, y + wall * 0.4), (r - wall, y)], "plain", n=n)
    s.lathe([(r - wall, y), ((r - wall) * 0.96, y - depth), (0, y - depth)], inside, n=n)


def _loop(
    s: Scene, x: float, low: float, high: float, reach: float, radius: float, slot: str, flat: float = 1.0
) -> None:
    """A handle at the right side."""
    mid = (low + high) / 2
    s.tube(
        [
            (x, high, 0),
            (x + reach * 0.8, high - 0.01, 0),
            (x + reach, mid + 0.02, 0),
            (x + reach * 0.7, low + 0.04, 0),
            (x, low, 0),
        ],
        radius,
        slot,
        smooth=True,
        flat=flat,
    )


def cup(s: Scene, p: Product, rng: Rng) -> None:
    """Mugs, tumblers, goblets, teacups; the handle takes the trim."""
    s.pitch, s.yaw, s.fill, s.pattern_scale = 22, rng.uniform(-25, 25), 0.82, 1.5
    if p.shape == "mug":
        r, h = rng.uniform(0.38, 0.44), rng.uniform(0.85, 1.0)
        vessel(
            s,
            [(r - 0.05, 0), (r, 0.05), (r, 0.5), (r, h)],
            0.05,
            0.5,
            inside="white" if p.trim != "black" else "shadow",
        )
        _loop(
            s,
            r - 0.02,
            0.2,
            h - 0.18,
            0.3,
            0.06,
            "trimpaint" if p.material in ("Ceramic", "Porcelain", "Stoneware") else "trim",
        )
    elif p.shape == "camping":
        r = 0.46
        vessel(s, [(r - 0.03, 0), (r - 0.02, 0.03), (r, 0.74)], 0.02, 0.5, inside="white")
        s.lathe([(r, 0.72), (r + 0.025, 0.74), (r, 0.765)], "steel")
        _loop(s, r - 0.02, 0.16, 0.6, 0.26, 0.035, "trim", flat=1.6)
    elif p.shape == "travel":
        s.lathe([(0, 0), (0.26, 0), (0.28, 0.04), (0.36, 0.95)], n=36)
        s.lathe([(0.37, 0.94), (0.385, 0.96), (0.385, 1.04), (0.3, 1.08), (0.28, 1.12), (0, 1.12)], "trimpaint")
        s.lathe([(0.33, 0.42), (0.335, 0.44), (0.35, 0.64), (0.34, 0.66)], "shadow")
        s.yaw, s.pitch = 0, 14
    elif p.shape == "tumbler":
        vessel(s, [(0.27, 0), (0.29, 0.03), (0.4, 0.98)], 0.03, 0.4)
        s.lathe([(0.275, 0.02), (0.285, 0.02), (0.302, 0.14)], "trimpaint")
        s.tube([(0.1, 0.6, 0.1), (-0.16, 1.35, -0.05)], 0.025, "trimpaint", n=8)
    elif p.shape == "goblet":
        s.lathe(
            [(0, 0), (0.32, 0), (0.3, 0.03), (0.08, 0.07), (0.045, 0.2), (0.045, 0.45), (0.09, 0.54)],
            "trim",
            smooth=False,
        )
        vessel(s, [(0.08, 0.54), (0.28, 0.66), (0.37, 0.86), (0.34, 1.2)], 0.025, 0.3, smooth=True)
        s.pitch = 14
    else:
        s.lathe([(0, 0), (0.3, 0), (0.4, 0.03), (0.66, 0.1), (0.66, 0.12), (0.3, 0.05), (0, 0.05)], n=40)
        s.lathe([(0.655, 0.1), (0.672, 0.115), (0.65, 0.125)], "trimpaint", n=40)
        vessel(s, [(0.2, 0.06), (0.22, 0.1), (0.36, 0.24), (0.42, 0.5)], 0.025, 0.14, inside="white")
        _loop(s, 0.38, 0.22, 0.44, 0.2, 0.032, "trimpaint")
        s.pitch = 26


_VASES: dict[str, Profile] = {
    "amphora": [
        (0.18, 0),
        (0.2, 0.03),
        (0.4, 0.4),
        (0.44, 0.66),
        (0.3, 0.92),
        (0.17, 1.02),
        (0.19, 1.12),
        (0.25, 1.17),
    ],
    "bottle": [(0.32, 0), (0.39, 0.08), (0.4, 0.34), (0.26, 0.58), (0.11, 0.74), (0.09, 1.0), (0.13, 1.16)],
    "trumpet": [(0.22, 0), (0.2, 0.06), (0.12, 0.34), (0.15, 0.66), (0.24, 0.94), (0.4, 1.15)],
    "cylinder": [(0.27, 0), (0.28, 0.03), (0.28, 0.5), (0.28, 1.05)],
    "globe": [(0.2, 0), (0.3, 0.04), (0.48, 0.26), (0.5, 0.46), (0.4, 0.72), (0.22, 0.84), (0.2, 0.92)],
    "handled": [
        (0.2, 0),
        (0.22, 0.03),
        (0.36, 0.3),
        (0.37, 0.5),
        (0.24, 0.76),
        (0.16, 0.88),
        (0.18, 1.0),
        (0.22, 1.08),
    ],
}


def _flowers(s: Scene, y: float, spread: float, rng: Rng) -> None:
    """Five stems with blossoms."""
    for i in range(5):
        a = i * 1.3 + rng.uniform(-0.2, 0.2)
        x, z, top = spread * np.cos(a), spread * np.sin(a) * 0.6, y + rng.uniform(0.3, 0.6)
        s.tube([(0, y - 0.2, 0), (x * 0.4, y + 0.15, z * 0.4), (x, top, z)], 0.012, "leaf", n=6, smooth=True)
        s.ball((x, top, z), rng.uniform(0.07, 0.1), "blossom" if i % 2 else "blossom2", n=12)
        s.ball((x * 0.6, y + 0.2, z * 0.6), (0.08, 0.03, 0.03), "leaf", n=8)


def vase(s: Scene, p: Product, rng: Rng) -> None:
    """Six vase profiles, with ribs or flowers where the title says so."""
    wide, tall = rng.uniform(0.85, 1.15), rng.uniform(0.9, 1.12)
    outside = [(r * wide, y * tall) for r, y in _VASES[p.shape]]
    top = outside[-1][1]
    vessel(s, outside, 0.035, 0.2, smooth=p.shape != "cylinder")
    if "ribbed" in p.features:
        del s.parts[1]  # the smooth body
        s.lathe(outside, smooth=p.shape != "cylinder", n=96).bend(ribs)
    if p.shape == "handled":
        for side in (1, -1):
            s.tube(
                [
                    (side * 0.16 * wide, 0.94 * tall, 0),
                    (side * 0.42 * wide, 0.98 * tall, 0),
                    (side * 0.5 * wide, 0.75 * tall, 0),
                    (side * 0.34 * wide, 0.5 * tall, 0),
                ],
                0.045,
                smooth=True,
            )
    if "flower stems" in p.features:
        _flowers(s, top, 0.32, rng)
    s.pitch, s.pattern_scale = 13, 1.3


def ribs(points: np.ndarray) -> np.ndarray:
    """Vertical flutes: the radius swings twenty-two times round."""
    angle = np.arctan2(points[..., 2], points[..., 0])
    factor = 1 + 0.035 * np.cos(22 * angle)
    return points * np.stack([factor, np.ones_like(factor), factor], -1)


def bottle(s: Scene, p: Product, rng: Rng) -> None:
    """Water bottles, thermos flasks, swing-top bottles and carafes; the cap takes the trim."""
    s.pitch, s.fill, s.pattern_scale = 11, 0.9, 1.2
    if p.shape == "sports":
        s.lathe([(0.0, 0), (0.2, 0), (0.24, 0.04), (0.24, 0.45), (0.2, 0.58), (0.24, 0.72), (0.24, 0.86), (0.15, 1.0)])
        s.lathe([(0.16, 0.98), (0.17, 1.0), (0.17, 1.1), (0.07, 1.14), (0.06, 1.24), (0, 1.25)], "trimpaint")
    elif p.shape == "thermos":
        s.lathe([(0, 0), (0.22, 0), (0.23, 0.02), (0.23, 0.95), (0.19, 1.02)])
        s.lathe([(0.19, 1.0), (0.2, 1.02), (0.2, 1.22), (0.17, 1.26), (0, 1.26)], "trim")
        s.lathe([(0.232, 0.1), (0.236, 0.11), (0.232, 0.12)], "steel")
        _loop(s, 0.17, 1.02, 1.2, 0.12, 0.025, "trim")
    elif p.shape == "swing":
        s.lathe([(0, 0), (0.22, 0), (0.24, 0.03), (0.24, 0.62), (0.09, 0.86), (0.08, 1.14), (0.1, 1.16), (0.1, 1.2)])
        s.ball((0, 1.24, 0), (0.085, 0.06, 0.085), "trimpaint")
        s.tube(
            [(0.1, 1.04, 0), (0.14, 1.2, 0.02), (0.05, 1.31, 0), (-0.05, 1.31, 0), (-0.14, 1.2, 0.02), (-0.1, 1.04, 0)],
            0.012,
            "steel",
            smooth=True,
        )
    else:
        vessel(
            s, [(0.28, 0), (0.34, 0.05), (0.33, 0.3), (0.14, 0.68), (0.13, 0.84), (0.2, 1.08)], 0.02, 0.1, smooth=True
        )
        s.lathe([(0, 1.1), (0.15, 1.08), (0.16, 1.12), (0.09, 1.18), (0.08, 1.24), (0, 1.25)], "trimpaint")
