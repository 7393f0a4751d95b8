"""Sofas and chairs."""

from __future__ import annotations

import numpy as np

from .arrays import vec
from .designs import Product
from .mesh import Scene, sheet
from .outlines import legs, rounded_rectangle

Rng = np.random.Generator


def sunken_buttons(
    s: Scene, width: float, height: float, at: tuple[float, float, float], columns: int, rows: int
) -> None:
    """Sunken buttons on a surface that faces the front."""
    for row in range(rows):
        for column in range(columns - row % 2):
            x = (column + 0.5 * (row % 2) + 0.5 - columns / 2) * width / columns
            y = (row + 0.5 - rows / 2) * height / rows
            s.ball((at[0] + x, at[1] + y, at[2]), (0.022, 0.022, 0.014), "shadow", n=10)


def _throw_pillow(s: Scene, x: float, y: float, z: float, lean: float) -> None:
    part = s.plate(rounded_rectangle(0.36, 0.36, 0.05), 0.16, "second", puff=0.6)
    part.turn("z", lean).turn("x", -22).move(x, y, z)


def sofa(s: Scene, p: Product, rng: Rng) -> None:
    """Sofas of all kinds: base, cushions, arms, back, legs."""
    width = {"loveseat": 1.35, "sectional": 2.2, "armless": 1.75, "chesterfield": 1.95}.get(p.shape, 2.0) * rng.uniform(
        0.94, 1.06
    )
    depth, seat, arm_h, back_h = 0.85, 0.42, rng.uniform(0.58, 0.66), rng.uniform(0.8, 0.95)
    arm = 0.0 if p.shape == "armless" else rng.uniform(0.14, 0.24)
    leg = rng.uniform(0.1, 0.17)
    inner = width - 2 * arm
    tufted = "tufted back" in p.features or p.shape == "chesterfield"
    s.box((0, leg + 0.08, 0), (width, 0.16, depth), r=0.03)
    n = {"loveseat": 2, "armless": 1, "chesterfield": 3}.get(p.shape, 3)
    for i in range(n):
        x = (i + 0.5 - n / 2) * inner / n
        s.box((x, seat - 0.08, 0.08), (inner / n - 0.012, 0.17, depth - 0.2), r=0.05, bulge=0.03)
    if p.shape == "chesterfield":
        _rolled_frame(s, width, depth, leg, arm_h + 0.12, arm)
    else:
        _square_frame(s, width, depth, leg, arm_h, back_h, arm, n)
    if p.shape == "sectional":
        s.box((width / 2 - arm - inner / 6, leg + 0.08, depth * 0.82), (inner / 3, 0.16, 0.75), r=0.03)
        s.box(
            (width / 2 - arm - inner / 6, seat - 0.08, depth * 0.76), (inner / 3 - 0.01, 0.17, 0.86), r=0.05, bulge=0.03
        )
        legs(s, inner / 3 - 0.1, 0.1, leg, splay=0.01)
    if tufted:
        top = arm_h if p.shape == "chesterfield" else back_h - 0.08
        sunken_buttons(
            s,
            inner,
            top - seat,
            (0, (seat + top) / 2 + 0.04, -depth / 2 + (0.2 if p.shape == "chesterfield" else 0.335)),
            9,
            3,
        )
    if "throw pillows" in p.features:
        _throw_pillow(s, -inner / 2 + 0.2, seat + 0.18, 0.02, 12)
        _throw_pillow(s, inner / 2 - 0.2, seat + 0.18, 0.02, -10)
    legs(s, width - 0.14, depth - 0.14, leg, radius=0.032, splay=0.03)
    s.yaw, s.pitch, s.fill = float(rng.choice([-1, 1])) * rng.uniform(14, 28), 16, 0.9


def _square_frame(
    s: Scene, width: float, depth: float, leg: float, arm_h: float, back_h: float, arm: float, n: int
) -> None:
    """Straight arms, a back and its cushions."""
    inner = width - 2 * arm
    s.box((0, (leg + back_h) / 2 - 0.03, -depth / 2 + 0.09), (width, back_h - leg - 0.06, 0.18), r=0.05)
    for i in range(n):
        x = (i + 0.5 - n / 2) * inner / n
        part = s.box(
            (x, 0.42 + (back_h - 0.4) / 2, -depth / 2 + 0.25),
            (inner / n - 0.015, back_h - 0.38, 0.16),
            r=0.06,
            bulge=0.03,
        )
        part.turn("x", -8, (x, 0.42, -depth / 2 + 0.25))
    for side in (-1, 1):
        if arm:
            s.box((side * (width - arm) / 2, (leg + arm_h) / 2, 0), (arm, arm_h - leg, depth), r=0.05, bulge=0.01)


def _rolled_frame(s: Scene, width: float, depth: float, leg: float, top: float, arm: float) -> None:
    """Arms and back of one height, rolled outward."""
    s.box((0, (leg + top) / 2, -depth / 2 + 0.1), (width, top - leg, 0.18), r=0.05)
    s.tube([(-width / 2, top, -depth / 2 + 0.08), (width / 2, top, -depth / 2 + 0.08)], 0.105, n=14)
    for side in (-1, 1):
        x = side * (width - arm) / 2
        s.box((x, (leg + top) / 2, 0), (arm, top - leg, depth), r=0.04)
        s.tube([(x, top, -depth / 2 + 0.05), (x, top, depth / 2)], 0.115, n=14)


def chair(s: Scene, p: Product, rng: Rng) -> None:
    """One chair; the shape decides which."""
    {
        "slat": _dining,
        "ladder": _dining,
        "armchair": _armchair,
        "office": _office,
        "shell": _shell,
        "wingback": _armchair,
    }[p.shape](s, p, rng)
    s.yaw = float(rng.choice([-1, 1])) * rng.uniform(20, 38)
    s.pitch = 14
    s.fill = 0.9


def _dining(s: Scene, p: Product, rng: Rng) -> None:
    seat, top, w = 0.47, rng.uniform(0.92, 1.08), rng.uniform(0.42, 0.48)
    s.box((0, seat, 0), (w, 0.06, w), r=0.025, bulge=0.012)
    legs(s, w - 0.06, w - 0.06, seat, radius=0.024, splay=0.015)
    for side in (-1, 1):
        s.tube([(side * (w / 2 - 0.03), seat, -w / 2 + 0.03), (side * (w / 2 - 0.03), top, -w / 2 - 0.07)], 0.024)
    lean = lambda y: -w / 2 + 0.03 - 0.1 * (y - seat) / (top - seat)  # noqa: E731
    s.box((0, top, lean(top)), (w, 0.1, 0.035), r=0.015)
    if p.shape == "slat":
        n = int(rng.integers(4, 7))
        for i in range(n):
            x = (i + 0.5 - n / 2) * (w - 0.08) / n
            s.tube([(x, seat, lean(seat)), (x, top, lean(top))], 0.016, flat=0.5)
    else:
        for y in np.linspace(seat + 0.12, top - 0.13, 3):
            s.box((0, y, lean(y)), (w - 0.03, 0.07, 0.03), r=0.012)
    if "tufted back" in p.features:
        s.box(
            (0, (seat + top) / 2 + 0.05, lean((seat + top) / 2) + 0.025),
            (w - 0.09, (top - seat) * 0.6, 0.05),
            r=0.02,
            bulge=0.01,
        )
        sunken_buttons(
            s, w - 0.1, (top - seat) * 0.5, (0, (seat + top) / 2 + 0.05, lean((seat + top) / 2) + 0.06), 3, 3
        )


def _armchair(s: Scene, p: Product, rng: Rng) -> None:
    wing = p.shape == "wingback"
    w, d, leg, seat = 0.76, 0.74, rng.uniform(0.14, 0.22), 0.43
    top = 1.12 if wing else rng.uniform(0.76, 0.86)
    s.box((0, leg + 0.07, 0), (w, 0.14, d), r=0.04)
    s.box((0, seat - 0.05, 0.05), (w - 0.24, 0.16, d - 0.12), r=0.06, bulge=0.03)
    back = s.box(
        (0, (leg + top) / 2, -d / 2 + 0.09), (w - (0.12 if wing else 0.0), top - leg, 0.17), r=0.07, bulge=0.02
    )
    back.turn("x", -7, (0, seat, -d / 2))
    for side in (-1, 1):
        s.box((side * (w / 2 - 0.07), (leg + 0.62) / 2, 0.02), (0.15, 0.62 - leg, d - 0.05), r=0.06, bulge=0.01)
        if wing:
            part = s.box((side * (w / 2 - 0.06), 0.85, -d / 2 + 0.2), (0.07, 0.5, 0.26), r=0.03)
            part.turn("y", side * -14, (side * (w / 2 - 0.06), 0, -d / 2))
    if "tufted back" in p.features:
        sunken_buttons(
            s, w - 0.3, top - seat - 0.1, (0, (seat + top) / 2, -d / 2 + (0.17 if wing else 0.19)), 4, 4 if wing else 3
        )
    legs(s, w - 0.14, d - 0.14, leg, radius=0.03, splay=0.05)


def _office(s: Scene, p: Product, rng: Rng) -> None:
    s.box((0, 0.5, 0), (0.5, 0.09, 0.48), r=0.04, bulge=0.015)
    back = s.box((0, 0.88, -0.24), (0.46, rng.uniform(0.5, 0.68), 0.08), r=0.04, bulge=0.02)
    back.turn("x", -6, (0, 0.5, -0.24))
    if "tufted back" in p.features:
        sunken_buttons(s, 0.4, 0.45, (0, 0.88, -0.18), 3, 3)
    s.box((0, 0.62, -0.27), (0.1, 0.35, 0.04), "dark")
    s.tube([(0, 0.46, 0), (0, 0.13, 0)], 0.03, "trim")
    for i in range(5):
        a = i * 2 * np.pi / 5 + 0.3
        x, z = 0.3 * np.sin(a), 0.3 * np.cos(a)
        s.tube([(0, 0.13, 0), (x, 0.08, z)], [0.03, 0.02], "trim")
        s.ball((x, 0.035, z), 0.035, "dark", n=10)
    for side in (-1, 1):
        s.tube([(side * 0.22, 0.48, -0.05), (side * 0.32, 0.5, -0.05), (side * 0.32, 0.68, -0.05)], 0.018, "dark")
        s.box((side * 0.32, 0.7, 0.0), (0.07, 0.035, 0.26), "dark", r=0.015)


def _shell(s: Scene, p: Product, rng: Rng) -> None:
    u, v = np.meshgrid(np.linspace(-1, 1, 13), np.linspace(0, 1, 15))
    width = 0.25 - 0.05 * np.clip(v - 0.55, 0, 1) * 2 - 0.08 * np.clip(v - 0.9, 0, 1) * 10 * np.abs(u)
    path_z = np.interp(v, [0, 0.1, 0.5, 0.62, 1], [0.27, 0.24, -0.12, -0.2, -0.3])
    path_y = np.interp(v, [0, 0.1, 0.45, 0.6, 1], [0.43, 0.455, 0.44, 0.53, 0.92])
    curl = u**2 * np.interp(v, [0, 0.3, 0.55, 1], [0.02, 0.1, 0.13, 0.04])
    grid = np.stack(
        [
            u * width,
            path_y + curl * np.interp(v, [0, 0.5, 0.7, 1], [1, 1, 0.4, 0]),
            path_z + curl * np.interp(v, [0, 0.5, 1], [0, 0.4, 1]),
        ],
        -1,
    )
    s.add(sheet(grid))
    s.add(sheet(grid + vec([0, -0.018, -0.012]), "plain"))
    if "tufted back" in p.features:
        sunken_buttons(s, 0.3, 0.25, (0, 0.74, -0.235), 3, 2)
    for sx in (-1, 1):
        for sz in (-1, 1):
            s.tube([(sx * 0.1, 0.44, sz * 0.1 - 0.02), (sx * 0.24, 0, sz * 0.24)], [0.022, 0.014], "trim")
    s.tube([(-0.17, 0.22, 0.17), (0.17, 0.22, -0.17)], 0.008, "dark")
    s.tube([(0.17, 0.22, 0.17), (-0.17, 0.22, -0.17)], 0.008, "dark")
