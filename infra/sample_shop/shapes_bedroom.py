"""Stools, ottomans and beds."""

from __future__ import annotations

import numpy as np

from .designs import Product
from .mesh import Scene
from .outlines import legs, posts
from .shapes_seating import sunken_buttons

Rng = np.random.Generator


def stool(s: Scene, p: Product, rng: Rng) -> None:
    """Bar, counter, step and saddle stools."""
    high = rng.uniform(0.68, 0.78)
    if p.shape == "step":
        for y, z, d in ((0.42, -0.12, 0.26), (0.21, 0.14, 0.26)):
            s.box((0, y, z), (0.46, 0.04, d), r=0.012)
        for side in (-1, 1):
            s.box((side * 0.2, 0.21, -0.12), (0.035, 0.42, 0.24), "trim", r=0.01)
            s.box((side * 0.2, 0.1, 0.14), (0.035, 0.2, 0.24), "trim", r=0.01)
        s.yaw, s.pitch = 32, 20
        return
    if p.shape == "saddle":
        seat = s.box((0, high, 0), (0.46, 0.05, 0.28), r=0.024, bulge=0.001)
        seat.bend(lambda q: q + np.stack([0 * q[..., 0], 0.9 * q[..., 0] ** 2, 0 * q[..., 0]], -1))
    else:
        s.lathe(
            [
                (0, high - 0.04),
                (0.19, high - 0.04),
                (0.2, high),
                (0.19, high + 0.035),
                (0.1, high + 0.05),
                (0, high + 0.052),
            ]
        )
    if p.shape == "counter":
        for side in (-1, 1):
            s.tube([(side * 0.14, high, -0.14), (side * 0.15, high + 0.34, -0.2)], 0.014, "trim")
        s.box((0, high + 0.28, -0.19), (0.38, 0.16, 0.045), r=0.02, bulge=0.012)
    spread = rng.uniform(0.06, 0.1)
    legs(s, 0.24, 0.22, high - 0.02, radius=0.02, splay=spread, taper=0.8)
    foot = 0.24 / 2 + spread * 0.68
    loop = [(foot, 0.24, foot), (-foot, 0.24, foot), (-foot, 0.24, -foot), (foot, 0.24, -foot)]
    for a, b in zip(loop, loop[1:] + loop[:1], strict=True):
        s.tube([a, b], 0.012, "trim")
    s.yaw, s.pitch = 30, 14


def ottoman(s: Scene, p: Product, rng: Rng) -> None:
    """Round, cube and bench ottomans, and the soft pouf."""
    leg = rng.uniform(0.09, 0.16)
    tufted = "tufted top" in p.features
    if p.shape == "pouf":
        s.lathe(
            [(0, 0), (0.3, 0.01), (0.44, 0.12), (0.46, 0.2), (0.42, 0.32), (0.25, 0.4), (0, 0.41)], smooth=True, n=40
        )
        for i in range(10):
            a = i * np.pi / 5
            arc = [
                (r * np.cos(a), y, r * np.sin(a))
                for r, y in ((0.04, 0.412), (0.25, 0.403), (0.425, 0.322), (0.464, 0.2), (0.44, 0.1))
            ]
            s.tube(arc, 0.007, "shadow", n=6, smooth=True)
        s.ball((0, 0.41, 0), (0.05, 0.015, 0.05), "trim", n=12)
    elif p.shape == "round":
        r = rng.uniform(0.36, 0.44)
        s.lathe(
            [
                (0, leg),
                (r - 0.02, leg),
                (r, leg + 0.03),
                (r, leg + 0.24),
                (r - 0.03, leg + 0.3),
                (r * 0.5, leg + 0.33),
                (0, leg + 0.335),
            ]
        )
        s.lathe([(r + 0.004, leg + 0.19), (r + 0.012, leg + 0.2), (r + 0.004, leg + 0.21)], "shadow")
        if tufted:
            for i in range(7):
                a, d = i * np.pi / 3, 0.0 if i == 6 else r * 0.58
                s.ball((d * np.cos(a), leg + 0.325, d * np.sin(a)), (0.03, 0.015, 0.03), "shadow", n=10)
        legs(s, r * 1.1, r * 1.1, leg, radius=0.03)
    else:
        w, d = (0.52, 0.52) if p.shape == "cube" else (rng.uniform(1.0, 1.2), 0.45)
        s.box((0, leg + 0.13, 0), (w, 0.26, d), r=0.03)
        s.box((0, leg + 0.32, 0), (w + 0.015, 0.12, d + 0.015), r=0.04, bulge=0.02)
        if tufted:
            for x in np.arange(-w / 2 + 0.1, w / 2 - 0.05, 0.16):
                for z in (-d / 5, d / 5):
                    s.ball((x, leg + 0.385, z), (0.025, 0.015, 0.025), "shadow", n=8)
        legs(s, w - 0.1, d - 0.1, leg, radius=0.028)
    s.yaw, s.pitch = rng.uniform(18, 34), 22


def bed(s: Scene, p: Product, rng: Rng) -> None:
    """Bed frames with mattress, blanket and pillows."""
    w, long, bunk = rng.uniform(1.4, 1.6), 2.0, p.shape == "bunk"
    for level in (0.0, 1.05) if bunk else (0.0,):
        width = 1.0 if bunk else w
        s.box((0, level + 0.26, 0), (width + 0.08, 0.14, long + 0.06), r=0.02)
        s.box((0, level + 0.42, 0), (width, 0.2, long), "mattress", r=0.07)
        s.box((0, level + 0.47, 0.28), (width + 0.03, 0.18, long * 0.7), "trimcloth", r=0.06)
        for side in (-1, 1) if not bunk else (0,):
            s.box(
                (side * width / 4, level + 0.58, -long / 2 + 0.3),
                (width * 0.4, 0.13, 0.34),
                "cream",
                r=0.06,
                bulge=0.03,
            )
    if bunk:
        posts(s, 1.06, long, 1.75, thick=0.08)
        s.box((0.53, 1.55, 0), (0.04, 0.08, long), r=0.01)
        s.box((-0.53, 1.55, -0.3), (0.04, 0.08, long * 0.6), r=0.01)
        for y in np.arange(0.2, 1.5, 0.24):
            s.box((-0.25, y, long / 2 + 0.06), (0.36, 0.04, 0.05), r=0.01)
        for x in (-0.44, -0.06):
            s.box((x, 0.8, long / 2 + 0.06), (0.04, 1.5, 0.05), r=0.01)
    elif p.shape == "canopy":
        posts(s, w, long, 1.75, thick=0.07)
        for sx in (-1, 1):
            s.box((sx * w / 2, 1.74, 0), (0.06, 0.06, long), r=0.01)
        for sz in (-1, 1):
            s.box((0, 1.74, sz * long / 2), (w, 0.06, 0.06), r=0.01)
        s.box((0, 0.65, -long / 2), (w, 0.7, 0.06), r=0.02)
    elif p.shape == "upholstered":
        s.box((0, 0.68, -long / 2 - 0.06), (w + 0.16, 1.12, 0.13), r=0.06, bulge=0.01)
    else:
        for i in range(4):
            s.box((0, 0.5 + i * 0.15, -long / 2 - 0.02), (w + 0.06, 0.1, 0.05), r=0.015)
        posts(s, w, long, 0.2, thick=0.08)
        for side in (-1, 1):
            s.box((side * w / 2, 0.5, -long / 2 - 0.02), (0.07, 1.0, 0.07), r=0.01)
    if "tufted back" in p.features and not bunk:
        if p.shape != "upholstered":
            s.box((0, 0.8, -long / 2 + 0.05), (w - 0.1, 0.5, 0.06), r=0.02)
        sunken_buttons(s, w, 0.5, (0, 0.9, -long / 2 + (0.02 if p.shape == "upholstered" else 0.085)), 9, 3)
    s.yaw, s.pitch, s.fill = float(rng.choice([-1, 1])) * rng.uniform(28, 42), 20, 0.92
