"""Watches, sunglasses, headphones and umbrellas."""

from __future__ import annotations

import numpy as np

from . import artwork
from .arrays import smooth_path, vec
from .designs import Product
from .mesh import Scene, sheet
from .outlines import disc_panel, ellipse, panel, rounded_rectangle
from .surfaces import trim_color

Rng = np.random.Generator


def watch(s: Scene, p: Product, rng: Rng) -> None:
    """Wrist watches seen from the front; the face takes the trim."""
    s.stage, s.yaw, s.pitch, s.fill = "wall", float(rng.uniform(-24, 24)), 8, 0.93
    square = p.shape == "digital"
    wide = {"bangle": 0.1, "digital": 0.19}.get(p.shape, 0.15)
    metal = p.material in ("Stainless Steel",)
    for side in (-1, 1):
        v = np.linspace(0, 1, 14)
        y = side * (0.2 + 0.62 * np.sin(v * 1.45) / np.sin(1.45))
        z = -0.03 - 0.5 * (1 - np.cos(v * 1.45))
        x = np.linspace(-1, 1, 7)
        width = wide * (1 - 0.22 * v)
        grid = np.stack(
            [
                x[None] * width[:, None],
                np.broadcast_to(y[:, None], (14, 7)),
                np.broadcast_to(z[:, None], (14, 7)) - 0.02 * x[None] ** 2,
            ],
            -1,
        )
        s.add(sheet(grid))
        s.add(sheet(grid - vec([0, 0, 0.03]), "shadow"))
        if metal:
            for i in range(1, 14, 2):
                s.tube([(-width[i], y[i], z[i] + 0.008), (width[i], y[i], z[i] + 0.008)], 0.009, "shadow", n=5)
        elif side < 0 and p.shape != "bangle":
            for i in (6, 8, 10):
                s.ball((0, y[i], z[i]), (0.018, 0.018, 0.012), "dark", n=8)
    case = "plain" if metal or square else ("gold" if rng.random() < 0.5 else "steel")
    if square:
        s.plate(rounded_rectangle(0.46, 0.46, 0.08), 0.12, "plain", bevel=0.025)
        panel(s, (0, 0, 0.063), 0.37, 0.37, "face", artwork.digital_image(trim_color(p), rng))
        for y in (-0.1, 0.1):
            s.tube([(-0.26, y, 0), (0.26, y, 0)], 0.022, "steel", n=8)
        return
    r = 0.22 if p.shape == "bangle" else 0.28
    s.lathe(
        [(r * 0.9, 0.05), (r * 0.93, 0.065), (r, 0.05), (r * 1.02, 0), (r, -0.04), (0, -0.05)][::-1], case, n=40
    ).turn("x", 90)
    disc_panel(s, 0.05, 0.9 * r, "face", artwork.watch_image(trim_color(p), p.shape == "chronograph", rng))
    for y in (-0.1, 0, 0.1) if p.shape == "chronograph" else (0.0,):
        s.tube([(r, y, 0), (r + 0.06, y, 0)], 0.03 if y == 0 else 0.02, case, n=8)


_LENSES = {
    "aviator": [
        (-0.25, 0.14),
        (-0.05, 0.17),
        (0.17, 0.15),
        (0.22, 0.06),
        (0.15, -0.1),
        (0.0, -0.21),
        (-0.14, -0.2),
        (-0.24, -0.06),
    ],
    "cateye": [
        (-0.3, 0.2),
        (-0.1, 0.14),
        (0.16, 0.12),
        (0.2, 0.04),
        (0.12, -0.12),
        (-0.02, -0.16),
        (-0.18, -0.11),
        (-0.26, 0.04),
    ],
}


def sunglasses(s: Scene, p: Product, rng: Rng) -> None:
    """Sunglasses, temples to the back; the lenses take the trim."""
    s.yaw, s.pitch, s.fill = float(rng.choice([-1, 1])) * rng.uniform(14, 30), 12, 0.92
    if p.shape in _LENSES:
        points = vec(_LENSES[p.shape])
        closed = np.concatenate([points[-1:], points, points[:2]])
        outline = smooth_path(closed, 5)[5:-6]
    else:
        outline = ellipse(0.2, 0.2, 36) if p.shape == "round" else rounded_rectangle(0.46, 0.34, 0.09)
    rim = {"aviator": 0.014, "round": 0.017}.get(p.shape, 0.034) * rng.uniform(0.9, 1.3)
    mid = 0.27
    for side in (-1, 1):
        shape = outline * vec([-side, 1])  # the lists are of the left lens, outer side first
        s.plate(shape, 0.02, "lens", bevel=0.006).move(side * mid, 0.25, 0)
        edge = np.concatenate([shape, shape[:1]])
        s.tube([(x + side * mid, y + 0.25, 0.004) for x, y in edge], rim, n=8)
        out = side * (mid + float(np.abs(outline[:, 0]).max()))
        s.tube(
            [(out, 0.34, 0), (out * 1.05, 0.34, -0.12), (out * 1.02, 0.33, -0.75), (out * 0.98, 0.2, -0.98)],
            rim * 0.95,
            smooth=True,
            n=8,
        )
    s.tube([(-0.09, 0.31, 0), (0, 0.335, 0.015), (0.09, 0.31, 0)], rim * 0.9, smooth=True, n=8)
    if p.shape == "aviator":
        s.tube([(-0.12, 0.4, 0), (0.12, 0.4, 0)], rim, n=8)


def _cup(s: Scene, side: int, r: float, deep: float) -> None:
    """One ear cup at the end of the band."""
    parts = [
        s.lathe([(0, deep), (r * 0.7, deep), (r * 0.92, deep * 0.8), (r, deep * 0.4), (r, 0)][::-1], "main", n=32),
        s.lathe([(0, deep + 0.004), (r * 0.5, deep + 0.004), (r * 0.52, deep)][::-1], "trim", n=32),
        s.lathe(
            [(0, -0.05), (r * 0.45, -0.09), (r * 0.85, -0.1), (r * 1.02, -0.05), (r * 0.95, 0.0)],
            "dark",
            n=32,
            smooth=True,
        ),
    ]
    for part in parts:
        part.turn("z", -90 * side).turn("y", -8 * side).move(side * 0.47, 0.28, 0)


def headphones(s: Scene, p: Product, rng: Rng) -> None:
    """Headphones and earbuds; accents take the trim."""
    s.yaw, s.pitch, s.fill = float(rng.choice([-1, 1])) * rng.uniform(28, 44), 10, 0.88
    if p.shape == "earbuds":
        s.box((0, 0.13, 0), (0.8, 0.26, 0.42), r=0.12)
        lid = s.box((0, 0.36, -0.28), (0.8, 0.14, 0.4), "main", r=0.06)
        lid.turn("x", -62, (0, 0.26, -0.2))
        s.box((0, 0.255, 0), (0.66, 0.02, 0.3), "dark", r=0.01)
        for side in (-1, 1):
            x = side * 0.19
            s.ball((x, 0.36, 0.02), (0.095, 0.085, 0.085), "plain", n=16)
            s.ball((x - side * 0.06, 0.42, 0.06), (0.05, 0.045, 0.05), "dark", n=10)
            s.tube([(x, 0.36, 0.05), (x + side * 0.01, 0.22, 0.06)], 0.035, "trim", n=8)
        s.ball((0, 0.13, 0.212), (0.016, 0.016, 0.006), "trim", n=8)
        s.yaw, s.pitch = float(rng.uniform(-24, 24)), 28
        return
    r = 0.27 if p.shape != "onear" else 0.19
    for side in (-1, 1):
        _cup(s, side, r, 0.15)
        s.box((side * 0.53, 0.55, 0), (0.05, 0.3, 0.08), "trim", r=0.02)
    band = [(0.53 * np.cos(a), 0.62 + 0.5 * np.sin(a), 0) for a in np.linspace(0, np.pi, 25)]
    s.tube(band, 0.06, "main", flat=1.0, n=12)
    inner = [(0.48 * np.cos(a), 0.62 + 0.45 * np.sin(a), 0) for a in np.linspace(0.5, np.pi - 0.5, 15)]
    s.tube(inner, 0.05, "dark", n=10)
    if p.shape == "gaming":
        s.tube([(-0.5, 0.2, 0.1), (-0.46, 0.02, 0.36), (-0.26, -0.02, 0.52)], 0.018, "dark", smooth=True)
        s.ball((-0.24, -0.02, 0.53), (0.06, 0.04, 0.04), "trim", n=10)
        s.yaw = -abs(s.yaw)


def umbrella(s: Scene, p: Product, rng: Rng) -> None:
    """An open canopy of eight panels on a pole of the trim."""
    patio = p.shape == "patio"
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 65), np.linspace(0.01, 1, 10), indexing="ij")
    flute = 1 - 0.06 * v * np.abs(np.sin(4 * u))
    radius = v * flute
    high = (0.42 if patio else 0.55) * (1 - v**1.7) - 0.05 * v * (1 - np.abs(np.sin(4 * u)))
    canopy = np.stack([radius * np.cos(u), 1.2 + high, radius * np.sin(u)], -1)
    part = s.add(sheet(canopy))
    part.uv = np.stack([radius * np.cos(u), radius * np.sin(u)], -1)[None].astype(np.float32)
    s.add(sheet(canopy - vec([0, 0.012, 0]), "shadow"))
    for i in range(8):
        a = i * np.pi / 4
        s.tube(
            [
                (q * np.cos(a), 1.205 + (0.42 if patio else 0.55) * (1 - q**1.7) - 0.05 * q, q * np.sin(a))
                for q in (0.02, 0.4, 0.75, 1.0)
            ],
            0.008,
            "shadow",
            n=5,
            smooth=True,
        )
    s.tube([(0, 0.04 if patio else 0.2, 0), (0, 1.75, 0)], 0.03 if patio else 0.02, "trim")
    s.ball((0, 1.72, 0), 0.04, "trim", n=10)
    if patio:
        s.lathe([(0, 0), (0.32, 0), (0.32, 0.05), (0.06, 0.09), (0.05, 0.2), (0, 0.2)], "dark")
    else:
        s.tube(
            [(0, 0.22, 0), (0, 0.06, 0), (0.07, -0.02, 0), (0.15, 0.04, 0), (0.15, 0.1, 0)], 0.034, "trim", smooth=True
        )
        s.stage = "none"
    s.yaw, s.pitch, s.fill = 12, 14, 0.92
