"""Handbags, backpacks and luggage."""

from __future__ import annotations

import numpy as np

from .arrays import vec
from .designs import Product
from .mesh import Part, Scene
from .outlines import ring, rounded_rectangle

Rng = np.random.Generator


def _taper(part: Part, bottom: float, top: float, share: float) -> Part:
    """Narrow a part towards its top to `share` of its depth and a little of its width."""

    def squeeze(q: np.ndarray) -> np.ndarray:
        v = np.clip((q[..., 1] - bottom) / (top - bottom), 0, 1)
        return np.stack([q[..., 0] * (1 - (1 - share) * 0.25 * v), q[..., 1], q[..., 2] * (1 - (1 - share) * v)], -1)

    return part.bend(squeeze)


def _arc(x: float, low: float, high: float, z: float, n: int = 13) -> list[tuple[float, float, float]]:
    angle = np.linspace(0, np.pi, n)
    return [(float(x * np.cos(a)), float(low + (high - low) * np.sin(a) ** 0.7), z) for a in angle]


def _tassel(s: Scene, x: float, y: float, z: float) -> None:
    s.tube([(x, y + 0.1, z), (x, y, z)], 0.008, "trim", n=6)
    s.ball((x, y, z), 0.028, "trim", n=10)
    s.lathe([(0.055, -0.2), (0.05, -0.12), (0.02, -0.01), (0, 0)], "second", at=(x, y, z), n=12)


def handbag(s: Scene, p: Product, rng: Rng) -> None:
    """Satchels, totes, clutches, bucket and crossbody bags; the metal takes the trim."""
    s.yaw, s.pitch, s.fill = float(rng.choice([-1, 1])) * rng.uniform(14, 28), 12, 0.88
    front = 0.16
    if p.shape == "satchel":
        _taper(s.box((0, 0.34, 0), (0.95, 0.66, 0.4), r=0.07, bulge=0.02), 0, 0.7, 0.42)
        for z in (0.1, -0.1):
            s.tube(_arc(0.24, 0.6, 0.98, z), 0.028, "plain")
            for x in (-0.24, 0.24):
                s.ball((x, 0.6, z * 1.1), 0.032, "trim", n=10)
        s.tube([(-0.42, 0.67, 0), (0.42, 0.67, 0)], 0.012, "trim", n=6)
    elif p.shape == "tote":
        body = s.box((0, 0.4, 0), (0.84, 0.8, 0.3), r=0.03, bulge=0.008)
        body.bend(
            lambda q: np.stack(
                [q[..., 0] * (0.86 + 0.2 * q[..., 1]), q[..., 1], q[..., 2] * (1.1 - 0.4 * q[..., 1])], -1
            )
        )
        s.box((0, 0.795, 0), (0.82, 0.02, 0.16), "shadow", r=0.01)
        for z in (0.12, -0.12):
            s.tube(_arc(0.22, 0.68, 1.2, z), 0.024, "plain", flat=0.6)
            for x in (-0.22, 0.22):
                s.ball((x, 0.7, z * 1.1), (0.03, 0.03, 0.02), "trim", n=10)
        front = 0.15
    elif p.shape == "clutch":
        s.box((0, 0.28, 0), (1.0, 0.56, 0.13), r=0.05, bulge=0.03)
        flap = vec([(-0.49, 0.24), (-0.49, 0.56), (0.49, 0.56), (0.49, 0.24), (0, 0.02)])
        s.plate(flap, 0.03, "main", bevel=0.01).move(0, 0, 0.1)
        s.tube([(-0.48, 0.24, 0.12), (0, 0.02, 0.12), (0.48, 0.24, 0.12)], 0.008, "shadow", n=6)
        s.ball((0, 0.14, 0.125), (0.045, 0.045, 0.02), "trim", n=14)
        front = 0.12
    elif p.shape == "bucket":
        s.lathe([(0, 0), (0.32, 0), (0.34, 0.03), (0.37, 0.4), (0.35, 0.62), (0.34, 0.64)], n=40).stretch(1.05, 1, 0.85)
        s.lathe([(0.34, 0.64), (0.31, 0.62), (0.3, 0.5), (0, 0.5)], "shadow", n=40).stretch(1.05, 1, 0.85)
        s.tube(_arc(0.36, 0.56, 1.25, 0), 0.025, "plain", flat=0.6)
        s.lathe([(0.366, 0.5), (0.372, 0.515), (0.366, 0.53)], "trim", n=40).stretch(1.05, 1, 0.85)
        front = 0.3
    else:
        s.box((0, 0.3, 0), (0.74, 0.58, 0.2), r=0.07, bulge=0.02)
        s.plate(rounded_rectangle(0.74, 0.36, 0.1), 0.04, "main", bevel=0.012).move(0, 0.41, 0.115)
        s.tube([(-0.3, 0.235, 0.135), (0.3, 0.235, 0.135)], 0.007, "shadow", n=6)
        s.box((0, 0.25, 0.14), (0.1, 0.07, 0.02), "trim", r=0.01)
        s.tube(_arc(0.37, 0.5, 1.15, 0), 0.014, "plain")
        front = 0.13
    if "front pocket" in p.features:
        y = 0.2 if p.shape != "clutch" else 0.4
        s.box((0, y, front + (0.02 if p.shape == "satchel" else 0.0)), (0.46, 0.26, 0.06), "light", r=0.025)
        s.tube([(-0.2, y + 0.1, front + 0.045), (0.2, y + 0.1, front + 0.045)], 0.01, "trim", n=6)
    if "tassel" in p.features:
        _tassel(s, 0.26, 0.46, front + 0.06)


def backpack(s: Scene, p: Product, rng: Rng) -> None:
    """Backpacks; the straps take the trim."""
    s.yaw, s.pitch, s.fill = float(rng.choice([-1, 1])) * rng.uniform(16, 30), 10, 0.9
    w, h = (0.56, 0.66) if p.shape == "mini" else (rng.uniform(0.6, 0.68), 0.92)
    _taper(s.box((0, h / 2, 0), (w, h, 0.34), r=0.12, bulge=0.025), 0, h, 0.7)
    top = h
    if p.shape == "rolltop":
        s.box((0, h + 0.06, -0.01), (w * 0.92, 0.2, 0.2), r=0.05)
        s.tube([(-w * 0.46, h + 0.17, 0), (w * 0.46, h + 0.17, 0)], 0.055, "plain", n=12)
        s.box((0, h * 0.72, 0.15), (0.05, h * 0.75, 0.02), "trim", r=0.006)
        s.box((0, h * 0.72, 0.17), (0.09, 0.07, 0.02), "steel", r=0.01)
        top = h + 0.2
    elif p.shape == "rucksack":
        flap = s.box((0, h - 0.12, 0.06), (w * 0.98, 0.34, 0.3), "plain", r=0.08, bulge=0.015)
        flap.turn("x", 8, (0, h, 0))
        for x in (-w * 0.24, w * 0.24):
            s.box((x, h * 0.56, 0.19), (0.05, 0.42, 0.025), "trim", r=0.006)
            s.box((x, h * 0.52, 0.205), (0.075, 0.06, 0.02), "gold", r=0.008)
    else:
        for y, reach in ((h * 0.86, 0.9), (h * 0.8, 0.94)) if p.shape == "daypack" else ((h * 0.82, 0.9),):
            path = [
                (np.sin(a) * w / 2 * reach, y - 0.08 * (1 - np.cos(a)), np.cos(a) * 0.175)
                for a in np.linspace(-1.5, 1.5, 13)
            ]
            s.tube(path, 0.01, "trim", n=6)
        s.box((w * 0.3, h * 0.78, 0.16), (0.02, 0.09, 0.02), "steel", r=0.006)
    if "front pocket" in p.features:
        s.box((0, 0.22, 0.18), (w * 0.74, 0.32, 0.1), "light", r=0.05, bulge=0.015)
        s.tube([(-w * 0.32, 0.33, 0.235), (w * 0.32, 0.33, 0.235)], 0.01, "trim", n=6)
    s.tube(_arc(0.09, top - 0.02, top + 0.12, -0.1, 9), 0.02, "trim")
    for side in (-1, 1):
        s.tube(
            [(side * 0.16, top - 0.04, -0.14), (side * (w / 2 + 0.03), h * 0.6, -0.26), (side * w / 2, 0.08, -0.12)],
            0.045,
            "trim",
            flat=0.4,
            smooth=True,
        )
        s.box((side * w / 2, 0.24, 0.0), (0.05, 0.26, 0.18), "shadow", r=0.02)


def suitcase(s: Scene, p: Product, rng: Rng) -> None:
    """Suitcases, duffels and trunks."""
    s.yaw, s.pitch, s.fill = float(rng.choice([-1, 1])) * rng.uniform(20, 36), 11, 0.9
    if p.shape == "duffel":
        body = ring(0, 0.32, 0.3, 33, power=0.8)
        sections = [
            np.stack([np.full(33, x), 0.3 + body[:, 2] * r, body[:, 0] * r], -1)
            for x, r in (
                (-0.62, 0.86),
                (-0.6, 0.97),
                (-0.55, 1.0),
                (-0.2, 1.02),
                (0.2, 1.02),
                (0.55, 1.0),
                (0.6, 0.97),
                (0.62, 0.86),
            )
        ]
        s.loft(np.stack(sections))
        for x in (-0.27, 0.27):
            around = [(x, 0.3 + 0.317 * np.cos(a), 0.337 * np.sin(a)) for a in np.linspace(-2.6, 2.6, 21)]
            s.tube(around, 0.035, "trim", flat=0.3, n=8, up=(1, 0, 0))
        for z in (0.12, -0.12):
            s.tube([(q[0], q[1], z * (1 + 0.2 * (1.0 - q[1]))) for q in _arc(0.27, 0.55, 0.88, 0)], 0.028, "trim")
        s.tube([(-0.56, 0.605, 0), (0.56, 0.605, 0)], 0.012, "steel", n=6)
        return
    if p.shape == "trunk":
        w, h, d = 0.95, 0.62, 0.32
        s.box((0, h / 2, 0), (w, h, d), r=0.03)
        s.tube(_arc(0.13, h, h + 0.1, 0, 9), 0.025, "trim")
        for x in (-0.28, 0.28):
            s.box((x, h / 2, 0), (0.08, h + 0.02, d + 0.02), "trim", r=0.01)
            s.box((x, h * 0.7, d / 2 + 0.015), (0.1, 0.06, 0.02), "gold", r=0.006)
        for x in (-1, 1):
            for y in (0.05, h - 0.05):
                s.box((x * (w / 2 - 0.05), y, 0), (0.11, 0.11, d + 0.015), "gold", r=0.02)
        s.box((0, h * 0.62, d / 2 + 0.002), (w - 0.02, 0.015, 0.01), "shadow", r=0.003)
        return
    w, h, d = rng.uniform(0.58, 0.66), rng.uniform(0.86, 0.96), 0.34
    s.box(
        (0, 0.06 + h / 2, 0),
        (w, h, d),
        r=0.08 if p.shape == "hard" else 0.05,
        bulge=0.0 if p.shape == "hard" else 0.012,
    )
    if p.shape == "hard":
        for x in np.linspace(-w / 2 + 0.12, w / 2 - 0.12, 5):
            s.tube([(x, 0.16, d / 2 + 0.002), (x, h - 0.05, d / 2 + 0.002)], 0.018, "plain", n=8)
        s.box((0, 0.06 + h / 2, 0), (w + 0.008, h + 0.008, 0.02), "dark", r=0.005)
    else:
        s.box((0, 0.3, d / 2 + 0.03), (w * 0.82, 0.4, 0.08), "light", r=0.03)
        s.box((0, 0.72, d / 2 + 0.02), (w * 0.82, 0.24, 0.05), "light", r=0.02)
        for y in (0.46, 0.8):
            s.tube(
                [
                    (-w * 0.36, y, d / 2 + 0.07 - (0.03 if y > 0.5 else 0)),
                    (w * 0.36, y, d / 2 + 0.07 - (0.03 if y > 0.5 else 0)),
                ],
                0.01,
                "trim",
                n=6,
            )
    for side in (-1, 1):
        s.tube([(side * 0.12, h + 0.04, -0.1), (side * 0.12, h + 0.38, -0.1)], 0.014, "steel", n=8)
        for z in (-1, 1):
            s.ball((side * (w / 2 - 0.08), 0.04, z * (d / 2 - 0.07)), 0.045, "dark", n=10)
    s.box((0, h + 0.4, -0.1), (0.3, 0.05, 0.06), "trim", r=0.02)
    s.tube(_arc(0.1, h + 0.05, h + 0.11, 0.02, 7), 0.018, "trim")
