"""Tables, cabinets and shelves."""

from __future__ import annotations

import numpy as np

from .designs import Product
from .mesh import Scene
from .outlines import legs, posts

Rng = np.random.Generator


def _disc(s: Scene, radius: float, y: float, thick: float, slot: str = "main") -> None:
    s.lathe(
        [
            (0, y - thick),
            (radius - 0.01, y - thick),
            (radius, y - thick * 0.7),
            (radius, y - thick * 0.25),
            (radius - 0.012, y),
            (0, y),
        ],
        slot,
        n=44,
    )


def table(s: Scene, p: Product, rng: Rng) -> None:
    """Table tops on legs of the trim."""
    high = rng.uniform(0.7, 0.76)
    s.pitch, s.yaw, s.fill = 19, float(rng.choice([-1, 1])) * rng.uniform(18, 36), 0.9
    if p.shape == "dining":
        w, d = rng.uniform(1.35, 1.75), rng.uniform(0.75, 0.85)
        s.box((0, high, 0), (w, 0.045, d), r=0.012)
        s.box((0, high - 0.06, 0), (w - 0.16, 0.08, d - 0.16), "trim", r=0.01)
        legs(s, w - 0.18, d - 0.16, high - 0.03, radius=0.04, splay=rng.uniform(0, 0.05))
    elif p.shape == "console":
        w = rng.uniform(1.0, 1.2)
        s.box((0, high + 0.08, 0), (w, 0.05, 0.34), r=0.012)
        s.box((0, high - 0.02, 0), (w - 0.06, 0.14, 0.3), r=0.01)
        for side in (-1, 1):
            s.box((side * w / 4, high - 0.02, 0.155), (w / 2 - 0.07, 0.11, 0.012), "plain", r=0.005)
            s.ball((side * w / 4, high - 0.02, 0.175), 0.018, "trim", n=10)
        legs(s, w - 0.1, 0.26, high - 0.08, radius=0.026, splay=0.01, taper=0.7)
    elif p.shape == "coffee":
        w, d, high = rng.uniform(0.95, 1.15), 0.55, 0.42
        s.box((0, high, 0), (w, 0.045, d), r=0.012)
        s.box((0, 0.14, 0), (w - 0.1, 0.03, d - 0.1), r=0.01)
        posts(s, w - 0.08, d - 0.08, high - 0.02, "trim", thick=0.045)
    elif p.shape == "round":
        _disc(s, rng.uniform(0.5, 0.6), high, 0.045)
        legs(s, 0.6, 0.6, high - 0.04, radius=0.034, splay=0.06)
    elif p.shape == "pedestal":
        _disc(s, rng.uniform(0.46, 0.56), high, 0.04)
        s.lathe(
            [
                (0, 0),
                (0.3, 0),
                (0.29, 0.025),
                (0.12, 0.07),
                (0.05, 0.2),
                (0.045, 0.45),
                (0.1, high - 0.06),
                (0.14, high - 0.04),
            ],
            "trim",
        )
    else:
        _disc(s, 0.3, 0.55, 0.035)
        for i in range(3):
            a = i * 2 * np.pi / 3 + 0.4
            x, z = np.cos(a), np.sin(a)
            s.tube(
                [
                    (0.16 * x - 0.05 * z, 0.53, 0.16 * z + 0.05 * x),
                    (0.27 * x, 0.0, 0.27 * z),
                    (0.16 * x + 0.05 * z, 0.53, 0.16 * z - 0.05 * x),
                ],
                0.013,
                "trim",
                n=8,
            )


def _front(s: Scene, x: float, y: float, w: float, h: float, z: float, handle: str) -> None:
    """A drawer or a door with a knob or a bar, standing a little proud of the body."""
    s.box((x, y, z), (w - 0.02, h - 0.02, 0.02), r=0.006)
    if handle == "knob":
        s.ball((x, y, z + 0.025), 0.017, "trim", n=10)
    elif handle == "bar":
        s.tube([(x - min(w * 0.2, 0.1), y, z + 0.025), (x + min(w * 0.2, 0.1), y, z + 0.025)], 0.009, "trim", n=8)
    else:
        side = 1 if handle == "right" else -1
        s.tube(
            [(x + side * (w / 2 - 0.05), y - 0.07, z + 0.025), (x + side * (w / 2 - 0.05), y + 0.07, z + 0.025)],
            0.009,
            "trim",
            n=8,
        )


def cabinet(s: Scene, p: Product, rng: Rng) -> None:
    """Sideboards, dressers, cabinets, nightstands and wardrobes."""
    w, h, d = {
        "sideboard": (1.4, 0.6, 0.42),
        "dresser": (0.95, 0.85, 0.45),
        "twodoor": (0.8, 0.85, 0.38),
        "nightstand": (0.48, 0.46, 0.4),
        "bookcase": (0.9, 1.6, 0.5),
    }[p.shape]
    w, leg = w * rng.uniform(0.92, 1.08), rng.uniform(0.09, 0.2)
    s.box((0, leg + h / 2, 0), (w, h, d), "plain", r=0.012)
    s.box((0, leg + h + 0.012, 0), (w + 0.03, 0.03, d + 0.03), "plain", r=0.008)
    z, mid = d / 2 + 0.006, leg + h / 2
    grip = "bar" if rng.random() < 0.5 else "knob"
    if p.shape == "sideboard":
        for i in range(3):
            _front(s, (i - 1) * (w - 0.04) / 3, mid, (w - 0.04) / 3, h - 0.04, z, "right" if i < 2 else "left")
    elif p.shape == "dresser":
        for row in range(4):
            for side in (-1, 1):
                _front(
                    s,
                    side * (w - 0.04) / 4,
                    leg + 0.02 + (row + 0.5) * (h - 0.04) / 4,
                    (w - 0.04) / 2,
                    (h - 0.04) / 4,
                    z,
                    grip,
                )
    elif p.shape == "nightstand":
        for row in range(2):
            _front(s, 0, leg + 0.02 + (row + 0.5) * (h - 0.04) / 2, w - 0.04, (h - 0.04) / 2, z, grip)
    else:
        for side in (-1, 1):
            _front(s, side * (w - 0.04) / 4, mid, (w - 0.04) / 2, h - 0.04, z, "left" if side > 0 else "right")
        if p.shape == "bookcase":
            _front(s, 0, leg + 0.15, w - 0.04, 0.26, z + 0.012, "bar")
    for part in s.parts:
        part.slot = "main" if part.slot == "plain" else part.slot
    legs(s, w - 0.12, d - 0.1, leg, radius=0.025, splay=0.03)
    s.yaw, s.pitch, s.fill = float(rng.choice([-1, 1])) * rng.uniform(18, 32), 13, 0.9


def _books(s: Scene, x: float, y: float, rng: Rng) -> None:
    for i in range(int(rng.integers(3, 6))):
        high = rng.uniform(0.13, 0.19)
        s.box((x + i * 0.035, y + high / 2, 0), (0.03, high, 0.15), f"book{i % 3 + 1}", r=0.004)


def shelf(s: Scene, p: Product, rng: Rng) -> None:
    """Open shelving with a few books."""
    s.yaw, s.pitch, s.fill = float(rng.choice([-1, 1])) * rng.uniform(14, 28), 12, 0.92
    if p.shape == "floating":
        s.stage = "wall"
        for y, shift in ((0, 0), (0.3, 0.12)):
            s.box((shift, y, 0), (0.8, 0.045, 0.22), r=0.008)
            for side in (-1, 1):
                s.tube([(shift + side * 0.3, y - 0.02, 0.08), (shift + side * 0.3, y - 0.13, -0.1)], 0.012, "trim")
        _books(s, -0.25, 0.02, rng)
        s.lathe([(0, 0), (0.05, 0), (0.065, 0.1), (0.05, 0.1)], "white", at=(0.3, 0.322, 0))
        return
    if p.shape == "cubes":
        n, edge = 3, 0.36
        for i in range(n + 1):
            s.box((0, i * edge, 0), (n * edge + 0.03, 0.03, 0.3), r=0.006)
            s.box(((i - n / 2) * edge, n * edge / 2, 0), (0.03, n * edge, 0.3), r=0.006)
        s.box((0, n * edge / 2, -0.14), (n * edge, n * edge, 0.015), "trim", r=0.004)
        _books(s, -0.48, edge + 0.015, rng)
        _books(s, 0.05, 0.015, rng)
        return
    tiers, w = int(rng.integers(4, 6)), rng.uniform(0.6, 0.8)
    for i in range(tiers):
        y = 0.1 + i * 1.35 / (tiers - 1)
        deep = 0.3 if p.shape == "etagere" else 0.42 - 0.27 * i / (tiers - 1)
        s.box((0, y, -0.15 + deep / 2), (w, 0.03, deep), r=0.006)
        if i in (1, 2):
            _books(s, -w / 2 + 0.08 + 0.2 * (i - 1), y + 0.015, rng)
    for side in (-1, 1):
        x = side * w / 2
        s.box((x, 0.76, -0.15), (0.03, 1.52, 0.03), "trim", r=0.005)
        front = 0.15 if p.shape == "etagere" else 0.28
        s.tube([(x, 0, front), (x, 1.52, 0.15 if p.shape == "etagere" else -0.12)], 0.017, "trim", n=6)
