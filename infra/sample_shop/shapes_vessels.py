"""Cups, vases, bottles, pots, planters and baskets."""

from __future__ import annotations

import numpy as np

from .designs import Product
from .mesh import Scene
from .outlines import ring

Rng = np.random.Generator
Profile = list[tuple[float, float]]


def _vessel(s: Scene, outside: Profile, wall: float = 0.03, depth: float = 0.35, smooth: bool = False, inside: str = "shadow", n: int = 36) -> None:
    """A hollow body: the outside profile bottom to top, then a lip and the inside down to `depth` below the rim."""
    r, y = outside[-1]
    s.lathe([(0, outside[0][1]), outside[0]], "plain")
    s.lathe(outside, smooth=smooth, n=n)
    s.lathe([(r, y), (r - wall * 0.3, y + wall * 0.4), (r - wall, y)], "plain", n=n)
    s.lathe([(r - wall, y), ((r - wall) * 0.96, y - depth), (0, y - depth)], inside, n=n)


def _loop(s: Scene, x: float, low: float, high: float, reach: float, radius: float, slot: str, flat: float = 1.0) -> None:
    """A handle at the right side."""
    mid = (low + high) / 2
    s.tube([(x, high, 0), (x + reach * 0.8, high - 0.01, 0), (x + reach, mid + 0.02, 0), (x + reach * 0.7, low + 0.04, 0), (x, low, 0)],
           radius, slot, smooth=True, flat=flat)


def cup(s: Scene, p: Product, rng: Rng) -> None:
    """Mugs, tumblers, goblets, teacups; the handle takes the trim."""
    s.pitch, s.yaw, s.fill, s.pattern_scale = 22, rng.uniform(-25, 25), 0.82, 1.5
    if p.shape == "mug":
        r, h = rng.uniform(0.38, 0.44), rng.uniform(0.85, 1.0)
        _vessel(s, [(r - 0.05, 0), (r, 0.05), (r, 0.5), (r, h)], 0.05, 0.5, inside="white" if p.trim != "black" else "shadow")
        _loop(s, r - 0.02, 0.2, h - 0.18, 0.3, 0.06, "trimpaint" if p.material in ("Ceramic", "Porcelain", "Stoneware") else "trim")
    elif p.shape == "camping":
        r = 0.46
        _vessel(s, [(r - 0.03, 0), (r - 0.02, 0.03), (r, 0.74)], 0.02, 0.5, inside="white")
        s.lathe([(r, 0.72), (r + 0.025, 0.74), (r, 0.765)], "steel")
        _loop(s, r - 0.02, 0.16, 0.6, 0.26, 0.035, "trim", flat=1.6)
    elif p.shape == "travel":
        s.lathe([(0, 0), (0.26, 0), (0.28, 0.04), (0.36, 0.95)], n=36)
        s.lathe([(0.37, 0.94), (0.385, 0.96), (0.385, 1.04), (0.3, 1.08), (0.28, 1.12), (0, 1.12)], "trimpaint")
        s.lathe([(0.33, 0.42), (0.335, 0.44), (0.35, 0.64), (0.34, 0.66)], "shadow")
        s.yaw, s.pitch = 0, 14
    elif p.shape == "tumbler":
        _vessel(s, [(0.27, 0), (0.29, 0.03), (0.4, 0.98)], 0.03, 0.4)
        s.lathe([(0.275, 0.02), (0.285, 0.02), (0.302, 0.14)], "trimpaint")
        s.tube([(0.1, 0.6, 0.1), (-0.16, 1.35, -0.05)], 0.025, "trimpaint", n=8)
    elif p.shape == "goblet":
        s.lathe([(0, 0), (0.32, 0), (0.3, 0.03), (0.08, 0.07), (0.045, 0.2), (0.045, 0.45), (0.09, 0.54)], "trim", smooth=False)
        _vessel(s, [(0.08, 0.54), (0.28, 0.66), (0.37, 0.86), (0.34, 1.2)], 0.025, 0.3, smooth=True)
        s.pitch = 14
    else:
        s.lathe([(0, 0), (0.3, 0), (0.4, 0.03), (0.66, 0.1), (0.66, 0.12), (0.3, 0.05), (0, 0.05)], n=40)
        s.lathe([(0.655, 0.1), (0.672, 0.115), (0.65, 0.125)], "trimpaint", n=40)
        _vessel(s, [(0.2, 0.06), (0.22, 0.1), (0.36, 0.24), (0.42, 0.5)], 0.025, 0.14, inside="white")
        _loop(s, 0.38, 0.22, 0.44, 0.2, 0.032, "trimpaint")
        s.pitch = 26


_VASES: dict[str, Profile] = {
    "amphora": [(0.18, 0), (0.2, 0.03), (0.4, 0.4), (0.44, 0.66), (0.3, 0.92), (0.17, 1.02), (0.19, 1.12), (0.25, 1.17)],
    "bottle": [(0.32, 0), (0.39, 0.08), (0.4, 0.34), (0.26, 0.58), (0.11, 0.74), (0.09, 1.0), (0.13, 1.16)],
    "trumpet": [(0.22, 0), (0.2, 0.06), (0.12, 0.34), (0.15, 0.66), (0.24, 0.94), (0.4, 1.15)],
    "cylinder": [(0.27, 0), (0.28, 0.03), (0.28, 0.5), (0.28, 1.05)],
    "globe": [(0.2, 0), (0.3, 0.04), (0.48, 0.26), (0.5, 0.46), (0.4, 0.72), (0.22, 0.84), (0.2, 0.92)],
    "handled": [(0.2, 0), (0.22, 0.03), (0.36, 0.3), (0.37, 0.5), (0.24, 0.76), (0.16, 0.88), (0.18, 1.0), (0.22, 1.08)],
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
    r, top = outside[-1]
    _vessel(s, outside, 0.035, 0.2, smooth=p.shape != "cylinder")
    if "ribbed" in p.features:
        del s.parts[1]  # the smooth body
        s.lathe(outside, smooth=p.shape != "cylinder", n=96).bend(_ribs)
    if p.shape == "handled":
        for side in (1, -1):
            s.tube([(side * 0.16 * wide, 0.94 * tall, 0), (side * 0.42 * wide, 0.98 * tall, 0), (side * 0.5 * wide, 0.75 * tall, 0),
                    (side * 0.34 * wide, 0.5 * tall, 0)], 0.045, smooth=True)
    if "flower stems" in p.features:
        _flowers(s, top, 0.32, rng)
    s.pitch, s.pattern_scale = 13, 1.3


def _ribs(points: np.ndarray) -> np.ndarray:
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
        s.tube([(0.1, 1.04, 0), (0.14, 1.2, 0.02), (0.05, 1.31, 0), (-0.05, 1.31, 0), (-0.14, 1.2, 0.02), (-0.1, 1.04, 0)], 0.012, "steel", smooth=True)
    else:
        _vessel(s, [(0.28, 0), (0.34, 0.05), (0.33, 0.3), (0.14, 0.68), (0.13, 0.84), (0.2, 1.08)], 0.02, 0.1, smooth=True)
        s.lathe([(0, 1.1), (0.15, 1.08), (0.16, 1.12), (0.09, 1.18), (0.08, 1.24), (0, 1.25)], "trimpaint")


def cookware(s: Scene, p: Product, rng: Rng) -> None:
    """Pans and pots; handles take the trim."""
    s.pitch, s.fill = 26, 0.92
    deep = {"frypan": 0.12, "wok": 0.26, "saucepan": 0.36, "stockpot": 0.62, "dutch": 0.42}[p.shape]
    r = {"frypan": 0.55, "wok": 0.6, "saucepan": 0.4, "stockpot": 0.48, "dutch": 0.52}[p.shape]
    low = {"frypan": 0.44, "wok": 0.2}.get(p.shape, r - 0.03)
    profile = [(low, 0), (low + (r - low) * 0.55, deep * 0.35), (r, deep)] if p.shape in ("frypan", "wok") else [(low, 0), (r, 0.05), (r, deep)]
    _vessel(s, profile, 0.025, deep * 0.8, inside="shadow" if p.shape in ("frypan", "wok") else "dark")
    if p.shape in ("frypan", "wok", "saucepan"):
        s.tube([(r - 0.02, deep - 0.04, 0), (r + 0.2, deep + 0.04, 0), (r + 0.72, deep + 0.12, 0)], [0.03, 0.045, 0.04], "trim", flat=1.5, smooth=True)
    else:
        for side in (-1, 1):
            x, y = side * r, deep - 0.1
            s.tube([(x, y, 0.12), (x + side * 0.12, y + 0.02, 0.1), (x + side * 0.12, y + 0.02, -0.1), (x, y, -0.12)], 0.03, "trim", smooth=True)
    if p.shape not in ("frypan", "wok"):
        dome = 0.14 if p.shape == "dutch" else 0.08
        s.lathe([(r + 0.015, deep), (r + 0.02, deep + 0.02), (r * 0.7, deep + dome * 0.7), (r * 0.2, deep + dome), (0, deep + dome)], "plain", n=40)
        s.lathe([(0.03, deep + dome), (0.03, deep + dome + 0.04), (0.08, deep + dome + 0.06), (0.07, deep + dome + 0.09), (0, deep + dome + 0.1)], "trim")
    s.yaw = -28 if p.shape in ("frypan", "wok", "saucepan") else 15


def _plant(s: Scene, kind: str, y: float, r: float, rng: Rng) -> None:
    if kind == "cactus":
        s.lathe([(0.16 * r / 0.4, y), (0.2, y + 0.12), (0.2, y + 0.5), (0.12, y + 0.66), (0, y + 0.7)], "leaf", n=60, smooth=True).bend(_ribs)
        s.tube([(0.18, y + 0.28, 0), (0.32, y + 0.3, 0), (0.34, y + 0.5, 0)], 0.07, "leaf", smooth=True)
        s.ball((0, y + 0.71, 0), 0.05, "blossom", n=10)
        return
    n = 16 if kind == "fern" else 9
    for i in range(n):
        a, lean = i * 2.4, rng.uniform(0.3, 0.62) if kind == "fern" else rng.uniform(0.06, 0.24)
        high = rng.uniform(0.2, 0.5) if kind == "fern" else rng.uniform(0.5, 0.85)
        x, z = np.cos(a), np.sin(a)
        drop = 0.2 if kind == "fern" else 0.0
        path = [(0.08 * x, y - 0.02, 0.08 * z), (lean * 0.5 * x, y + high * 0.8, lean * 0.5 * z), (lean * x, y + high - drop, lean * z)]
        s.tube(path, [0.03, 0.055, 0.004], "leaf" if i % 3 else "lightleaf", n=6, flat=0.3, smooth=True, up=(x, 0, z))


def planter(s: Scene, p: Product, rng: Rng) -> None:
    """Planters with the plants the title names."""
    plants = list(p.features) or ["soil"]
    top, r = 0.6, 0.4
    if p.shape == "box":
        s.box((0, 0.22, 0), (1.1, 0.44, 0.4), r=0.02)
        s.box((0, 0.42, 0), (1.02, 0.06, 0.32), "soil", r=0.01)
        top, r = 0.44, 0.2
    else:
        low, y0 = {"footed": (0.3, 0.2), "tapered": (0.26, 0.0), "bowl": (0.22, 0.0), "hanging": (0.2, 0.0)}[p.shape]
        r, top = (0.5, 0.36) if p.shape == "bowl" else (0.4, 0.6 + y0 * 0.6)
        _vessel(s, [(low, y0), (low + (r - low) * 0.6, y0 + (top - y0) * 0.4), (r, top)], 0.04, 0.06, inside="soil")
        if p.shape == "footed":
            for i in range(3):
                a = i * 2 * np.pi / 3 + 0.5
                s.tube([(0.22 * np.cos(a), 0.24, 0.22 * np.sin(a)), (0.32 * np.cos(a), 0, 0.32 * np.sin(a))], [0.035, 0.022], "wood")
        if p.shape == "hanging":
            for i in range(3):
                a = i * 2 * np.pi / 3 + 0.5
                s.tube([(r * np.cos(a), top, r * np.sin(a)), (0, top + 1.0, 0)], 0.012, "wood", n=6)
            s.stage = "none"
    for i, plant in enumerate(plants):
        if plant != "soil":
            before = len(s.parts)
            _plant(s, plant, top - 0.02, r, rng)
            for part in s.parts[before:]:
                part.move(x=(i - (len(plants) - 1) / 2) * (0.36 if p.shape == "box" else 0.16))
    s.pitch, s.yaw, s.pattern_scale = 16, 18, 1.2


def basket(s: Scene, p: Product, rng: Rng) -> None:
    """Baskets with handles of the trim."""
    s.pitch, s.yaw = 26, 20
    if p.shape == "tray":
        base = [ring(y, 0.6 + y * 0.3, 0.38 + y * 0.3, 41, power=0.5) for y in (0, 0.02, 0.14)]
        s.loft(np.stack(base), caps=False)
        s.loft(np.stack([ring(0.02, 0.58, 0.36, 41, power=0.5), ring(0.021, 0.1, 0.08, 41, power=0.5)]), caps=False)
        for side in (-1, 1):
            s.tube([(side * 0.64, 0.12, 0.16), (side * 0.66, 0.28, 0.12), (side * 0.66, 0.28, -0.12), (side * 0.64, 0.12, -0.16)], 0.025, "trim", smooth=True)
        s.pitch = 38
        return
    r, h = (0.46, 0.52) if p.shape == "round" else (0.38, 0.95)
    _vessel(s, [(r * 0.85, 0), (r * 0.98, 0.1), (r * 1.02, h * 0.6), (r, h)], 0.04, h * 0.6)
    s.lathe([(r - 0.03, h), (r + 0.03, h - 0.02), (r + 0.035, h + 0.02), (r - 0.03, h + 0.03)], "shadow")
    for side in (-1, 1):
        s.tube([(side * r, h - 0.12, 0.14), (side * (r + 0.12), h + 0.1, 0.1), (side * (r + 0.12), h + 0.1, -0.1), (side * r, h - 0.12, -0.14)], 0.03, "trim",
               smooth=True)

