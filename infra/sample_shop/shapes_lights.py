"""Lamps and ceiling lights."""

from __future__ import annotations

import numpy as np

from .designs import Product
from .mesh import Scene

Rng = np.random.Generator


def _shade(s: Scene, y: float, low: float, high: float, tall: float, slot: str = "trimcloth") -> None:
    """An open cloth shade with a lit inside."""
    s.lathe([(low, y), (high, y + tall)], slot, n=36)
    s.lathe([(high - 0.012, y + tall), (low - 0.012, y)], "bulb", n=36)


def lamp(s: Scene, p: Product, rng: Rng) -> None:
    """Lamps; the shade takes the trim colour."""
    s.pitch, s.yaw, s.fill = 9, rng.uniform(-25, 25), 0.92
    wide = rng.uniform(0.92, 1.1)
    if p.shape == "table":
        kind = int(rng.integers(2))
        if kind:
            s.box((0, 0.27, 0), (0.34, 0.46, 0.34), r=0.03)
            s.box((0, 0.02, 0), (0.42, 0.05, 0.42), "steel", r=0.01)
        else:
            s.lathe([(0, 0), (0.24, 0), (0.24, 0.04), (0.1, 0.07), (0.12, 0.1), (0.12, 0.5), (0.06, 0.53)])
        s.tube([(0, 0.45, 0), (0, 0.72, 0)], 0.022, "steel")
        _shade(s, 0.62, 0.44 * wide, rng.uniform(0.26, 0.38), 0.46)
    elif p.shape == "gourd":
        s.lathe(
            [(0.2, 0), (0.32, 0.08), (0.36, 0.25), (0.2, 0.46), (0.16, 0.52), (0.2, 0.62), (0.15, 0.74), (0.05, 0.8)],
            smooth=True,
        )
        s.tube([(0, 0.76, 0), (0, 0.95, 0)], 0.02, "gold")
        _shade(s, 0.84, 0.42 * wide, 0.27, 0.42)
    elif p.shape == "floor":
        s.lathe([(0, 0), (0.24, 0), (0.24, 0.03), (0.03, 0.05), (0.028, 1.45), (0, 1.45)])
        _shade(s, 1.32, 0.3 * wide, 0.24, 0.32)
    elif p.shape == "tripod":
        for i in range(3):
            a = i * 2 * np.pi / 3 + 0.5
            s.tube([(0.03 * np.cos(a), 1.15, 0.03 * np.sin(a)), (0.4 * np.cos(a), 0, 0.4 * np.sin(a))], 0.028, n=8)
        s.lathe([(0, 1.12), (0.07, 1.12), (0.07, 1.2), (0, 1.2)], "dark")
        _shade(s, 1.16, 0.32 * wide, 0.3, 0.34)
    else:
        s.lathe([(0, 0), (0.26, 0), (0.26, 0.04), (0.05, 0.06), (0, 0.07)])
        s.tube([(0, 0.05, 0), (-0.16, 0.6, 0)], 0.022)
        s.ball((-0.16, 0.6, 0), 0.04)
        s.tube([(-0.16, 0.6, 0), (0.3, 0.98, 0)], 0.022)
        s.ball((0.3, 0.98, 0), 0.04)
        first = len(s.parts)
        s.lathe([(0.19, -0.2), (0.17, -0.1), (0.09, 0.02), (0.06, 0.12), (0, 0.13)], "trimpaint")
        s.lathe([(0.05, -0.05), (0.18, -0.195)], "bulb")
        s.ball((0, -0.14, 0), 0.07, "bulb", n=12)
        for part in s.parts[first:]:
            part.turn("z", 32).move(0.37, 0.9, 0)
        s.yaw = rng.uniform(-12, 20)


def light_fixture(s: Scene, p: Product, rng: Rng) -> None:
    """Ceiling lights, hung from a canopy at the top, and the wall sconce."""
    s.stage, s.pitch, s.yaw = "none", -4, 20
    if p.shape == "sconce":
        s.lathe([(0, 0), (0.16, 0), (0.16, 0.04), (0, 0.05)]).turn("x", 90).move(0, 0.3, 0)
        s.tube([(0, 0.3, 0.03), (0, 0.26, 0.2), (0, 0.42, 0.28)], 0.028, smooth=True)
        s.lathe([(0.1, 0.42), (0.2, 0.8)], "cream", at=(0, 0, 0.28))
        s.lathe([(0.19, 0.8), (0.09, 0.43)], "bulb", at=(0, 0, 0.28))
        s.stage, s.pitch, s.yaw = "wall", 8, 38
        return
    drop = rng.uniform(0.5, 0.8)
    s.lathe([(0, 1), (0.02, 1), (0.13, 1.0), (0.13, 1.05), (0, 1.06)])
    s.tube([(0, 1.02, 0), (0, 1 - drop, 0)], 0.014, "dark" if p.shape != "chandelier" else "main", n=6)
    y = 1 - drop
    if p.shape == "chandelier":
        n = int(rng.integers(5, 8))
        s.lathe([(0, y - 0.16), (0.04, y - 0.12), (0.07, y - 0.04), (0.03, y + 0.06), (0, y + 0.1)])
        for i in range(n):
            a = i * 2 * np.pi / n
            x, z = np.cos(a), np.sin(a)
            s.tube(
                [
                    (0.03 * x, y - 0.04, 0.03 * z),
                    (0.22 * x, y - 0.17, 0.22 * z),
                    (0.42 * x, y - 0.06, 0.42 * z),
                    (0.46 * x, y + 0.06, 0.46 * z),
                ],
                0.018,
                smooth=True,
                n=8,
            )
            s.lathe(
                [(0, 0), (0.055, 0.01), (0.06, 0.03), (0.028, 0.03), (0.028, 0.14), (0, 0.14)],
                "main",
                at=(0.46 * x, y + 0.05, 0.46 * z),
                n=12,
            )
            s.ball((0.46 * x, y + 0.25, 0.46 * z), (0.032, 0.07, 0.032), "bulb", n=10)
        s.pitch = 10
    elif p.shape == "dome":
        s.lathe(
            [
                (0.5, y - 0.34),
                (0.49, y - 0.28),
                (0.38, y - 0.1),
                (0.12, y),
                (0.06, y + 0.02),
                (0.05, y + 0.1),
                (0, y + 0.1),
            ],
            n=40,
        )
        s.lathe([(0.1, y - 0.03), (0.36, y - 0.12), (0.485, y - 0.335)], "bulb", n=40)
    elif p.shape == "globe":
        s.lathe([(0.07, y - 0.08), (0.08, y - 0.06), (0.06, y + 0.04), (0, y + 0.05)], "dark")
        s.ball((0, y - 0.38, 0), 0.34, n=28)
        s.ball((0.0, y - 0.72, 0), 0.03, "dark", n=8)
    else:
        s.lathe([(0.46, y - 0.3), (0.46, y)], n=40)
        s.lathe([(0.45, y), (0.45, y - 0.3)], "bulb", n=40)
        s.lathe([(0, y - 0.27), (0.44, y - 0.275)], "bulb", n=40)
        for a in (0, 2.1, 4.2):
            s.tube([(0, y + 0.14, 0), (0.45 * np.cos(a), y, 0.45 * np.sin(a))], 0.01, "dark", n=6)
