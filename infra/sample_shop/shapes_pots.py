"""Pots and pans, planters and baskets."""

from __future__ import annotations

import numpy as np

from .designs import Product
from .mesh import Scene
from .outlines import ring
from .shapes_vessels import ribs, vessel

Rng = np.random.Generator


def cookware(s: Scene, p: Product, rng: Rng) -> None:
    """Pans and pots; handles take the trim."""
    s.pitch, s.fill = 26, 0.92
    deep = {"frypan": 0.12, "wok": 0.26, "saucepan": 0.36, "stockpot": 0.62, "dutch": 0.42}[p.shape]
    r = {"frypan": 0.55, "wok": 0.6, "saucepan": 0.4, "stockpot": 0.48, "dutch": 0.52}[p.shape]
    low = {"frypan": 0.44, "wok": 0.2}.get(p.shape, r - 0.03)
    profile = (
        [(low, 0), (low + (r - low) * 0.55, deep * 0.35), (r, deep)]
        if p.shape in ("frypan", "wok")
        else [(low, 0), (r, 0.05), (r, deep)]
    )
    vessel(s, profile, 0.025, deep * 0.8, inside="shadow" if p.shape in ("frypan", "wok") else "dark")
    if p.shape in ("frypan", "wok", "saucepan"):
        s.tube(
            [(r - 0.02, deep - 0.04, 0), (r + 0.2, deep + 0.04, 0), (r + 0.72, deep + 0.12, 0)],
            [0.03, 0.045, 0.04],
            "trim",
            flat=1.5,
            smooth=True,
        )
    else:
        for side in (-1, 1):
            x, y = side * r, deep - 0.1
            s.tube(
                [(x, y, 0.12), (x + side * 0.12, y + 0.02, 0.1), (x + side * 0.12, y + 0.02, -0.1), (x, y, -0.12)],
                0.03,
                "trim",
                smooth=True,
            )
    if p.shape not in ("frypan", "wok"):
        dome = 0.14 if p.shape == "dutch" else 0.08
        s.lathe(
            [
                (r + 0.015, deep),
                (r + 0.02, deep + 0.02),
                (r * 0.7, deep + dome * 0.7),
                (r * 0.2, deep + dome),
                (0, deep + dome),
            ],
            "plain",
            n=40,
        )
        s.lathe(
            [
                (0.03, deep + dome),
                (0.03, deep + dome + 0.04),
                (0.08, deep + dome + 0.06),
                (0.07, deep + dome + 0.09),
                (0, deep + dome + 0.1),
            ],
            "trim",
        )
    s.yaw = -28 if p.shape in ("frypan", "wok", "saucepan") else 15


def _plant(s: Scene, kind: str, y: float, r: float, rng: Rng) -> None:
    if kind == "cactus":
        s.lathe(
            [(0.16 * r / 0.4, y), (0.2, y + 0.12), (0.2, y + 0.5), (0.12, y + 0.66), (0, y + 0.7)],
            "leaf",
            n=60,
            smooth=True,
        ).bend(ribs)
        s.tube([(0.18, y + 0.28, 0), (0.32, y + 0.3, 0), (0.34, y + 0.5, 0)], 0.07, "leaf", smooth=True)
        s.ball((0, y + 0.71, 0), 0.05, "blossom", n=10)
        return
    n = 16 if kind == "fern" else 9
    for i in range(n):
        a, lean = i * 2.4, rng.uniform(0.3, 0.62) if kind == "fern" else rng.uniform(0.06, 0.24)
        high = rng.uniform(0.2, 0.5) if kind == "fern" else rng.uniform(0.5, 0.85)
        x, z = np.cos(a), np.sin(a)
        drop = 0.2 if kind == "fern" else 0.0
        path = [
            (0.08 * x, y - 0.02, 0.08 * z),
            (lean * 0.5 * x, y + high * 0.8, lean * 0.5 * z),
            (lean * x, y + high - drop, lean * z),
        ]
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
        vessel(s, [(low, y0), (low + (r - low) * 0.6, y0 + (top - y0) * 0.4), (r, top)], 0.04, 0.06, inside="soil")
        if p.shape == "footed":
            for i in range(3):
                a = i * 2 * np.pi / 3 + 0.5
                s.tube(
                    [(0.22 * np.cos(a), 0.24, 0.22 * np.sin(a)), (0.32 * np.cos(a), 0, 0.32 * np.sin(a))],
                    [0.035, 0.022],
                    "wood",
                )
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
            s.tube(
                [
                    (side * 0.64, 0.12, 0.16),
                    (side * 0.66, 0.28, 0.12),
                    (side * 0.66, 0.28, -0.12),
                    (side * 0.64, 0.12, -0.16),
                ],
                0.025,
                "trim",
                smooth=True,
            )
        s.pitch = 38
        return
    r, h = (0.46, 0.52) if p.shape == "round" else (0.38, 0.95)
    vessel(s, [(r * 0.85, 0), (r * 0.98, 0.1), (r * 1.02, h * 0.6), (r, h)], 0.04, h * 0.6)
    s.lathe([(r - 0.03, h), (r + 0.03, h - 0.02), (r + 0.035, h + 0.02), (r - 0.03, h + 0.03)], "shadow")
    for side in (-1, 1):
        s.tube(
            [
                (side * r, h - 0.12, 0.14),
                (side * (r + 0.12), h + 0.1, 0.1),
                (side * (r + 0.12), h + 0.1, -0.1),
                (side * r, h - 0.12, -0.14),
            ],
            0.03,
            "trim",
            smooth=True,
        )
