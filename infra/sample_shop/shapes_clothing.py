"""Shirts, dresses and hats."""

from __future__ import annotations

import numpy as np

from .arrays import vec
from .designs import Product
from .mesh import Scene, sheet
from .outlines import flat_uv, ring

Rng = np.random.Generator


def _torso(s: Scene, rows: list[tuple[float, float, float]], folds: float = 0.012, ripple: float = 0.0) -> None:
    """A body of (y, half width, half depth) rows, hem first."""
    ys = np.linspace(rows[0][0], rows[-1][0], 24)
    heights, wide, deep = (vec(column) for column in zip(*rows, strict=True))
    rings = []
    for y in ys:
        section = ring(float(y), float(np.interp(y, heights, wide)), float(np.interp(y, heights, deep)), 49, power=0.85)
        angle = np.linspace(0, 2 * np.pi, 49)
        down = np.clip((heights[-1] * 0.55 - y) / max(float(heights[-1]) * 0.55, 0.1), 0, 1)
        swell = 1 + ripple * down * np.cos(9 * angle + 0.6)
        section[:, 0] *= swell
        section[:, 2] *= swell
        section[:, 2] += folds * np.sin(7 * section[:, 0] + 5 * y) * np.sign(section[:, 2])
        rings.append(section)
    flat_uv(s.loft(np.stack(rings), caps=False))


def _sleeve(s: Scene, side: int, path: list[tuple[float, float]], radii: list[float], hem: str = "plain") -> None:
    points = [(side * x, y, 0.0) for x, y in path]
    flat_uv(s.tube(points, radii, n=14, flat=0.62, smooth=True))
    end, before = vec(points[-1]), vec(points[-2])
    direction = (end - before) / max(float(np.linalg.norm(end - before)), 1e-6)
    s.tube(
        [(end - direction * 0.012).tolist(), (end + direction * 0.012).tolist()], radii[-1] * 1.05, hem, n=14, flat=0.66
    )


def _neck(s: Scene, y: float, wide: float, dip: float, slot: str = "shadow") -> None:
    """The neck hole: a dark inside and a rim that dips in front."""
    angle = np.linspace(0, 2 * np.pi, 33)
    edge = np.stack([wide * np.cos(angle), y - dip * np.clip(np.sin(angle), -0.2, 1), 0.095 * np.sin(angle)], -1)
    middle = edge.mean(0)
    s.add(sheet(np.stack([edge, edge * 0.5 + middle * 0.5, np.broadcast_to(middle, edge.shape)]), "shadow"))
    s.tube(edge.tolist(), 0.017, slot, n=8)


def _buttons(s: Scene, low: float, high: float, n: int, z: float = 0.125) -> None:
    s.box((0, (low + high) / 2, z), (0.055, high - low, 0.012), "plain", r=0.005)
    for y in np.linspace(low + 0.04, high - 0.05, n):
        s.ball((0, y, z + 0.01), (0.014, 0.014, 0.008), "white", n=10)


def _collar(s: Scene, y: float) -> None:
    for side in (-1, 1):
        grid = vec(
            [
                [(0.0 + side * 0.012, y - 0.09, 0.14), (side * 0.07, y - 0.13, 0.14)],
                [(side * 0.07, y - 0.015, 0.12), (side * 0.14, y - 0.06, 0.115)],
                [(side * 0.115, y + 0.05, 0.0), (side * 0.155, y - 0.0, 0.0)],
                [(side * 0.02, y + 0.06, -0.09), (side * 0.03, y + 0.01, -0.1)],
            ]
        )
        s.add(sheet(grid, "light"))
        s.add(sheet(grid + vec([0, -0.004, -0.004]), "shadow"))


def shirt(s: Scene, p: Product, rng: Rng) -> None:
    """T-shirts, polos, button-downs, tank tops and dresses, as if worn by nobody."""
    s.stage, s.yaw, s.pitch, s.fill = "none", rng.uniform(-9, 9), 5, 0.9
    s.pattern_scale = 0.9
    w = rng.uniform(0.33, 0.37)
    if p.shape == "dress":
        _torso(
            s,
            [
                (-0.55, 0.6, 0.3),
                (0.0, 0.42, 0.22),
                (0.45, 0.25, 0.13),
                (0.8, 0.3, 0.13),
                (0.93, 0.3, 0.09),
                (0.99, 0.15, 0.06),
            ],
            ripple=0.06,
        )
        s.tube(
            [(-0.25, 0.45, 0.0), (-0.15, 0.45, 0.13), (0.15, 0.45, 0.13), (0.25, 0.45, 0)],
            0.02,
            "second",
            n=6,
            flat=0.5,
            smooth=True,
        )
    else:
        top = [(0.99, 0.14, 0.06)] if p.shape != "tank" else [(0.99, 0.17, 0.06)]
        shoulder = 0.33 if p.shape != "tank" else 0.24
        _torso(s, [(0.0, w, 0.13), (0.4, w * 0.94, 0.13), (0.72, w, 0.14), (0.9, shoulder, 0.1), *top])
        s.tube(
            [(x, 0.012, 0.13 * np.sqrt(max(0.0, 1 - (x / w) ** 2)) + 0.008) for x in np.linspace(-w, w, 15)],
            0.008,
            "shadow",
            n=6,
        )
    if p.shape in ("tee", "polo", "dress"):
        for side in (-1, 1):
            _sleeve(s, side, [(0.17, 0.86), (0.31, 0.82), (0.46, 0.62)], [0.09, 0.13, 0.125])
    elif p.shape in ("longsleeve", "button"):
        for side in (-1, 1):
            _sleeve(
                s,
                side,
                [(0.17, 0.86), (0.33, 0.79), (0.5, 0.4), (0.56, 0.03)],
                [0.09, 0.115, 0.09, 0.065],
                "light" if p.shape == "button" else "plain",
            )
    if p.shape in ("polo", "button"):
        _neck(s, 0.99, 0.12, 0.05)
        _collar(s, 1.0)
        _buttons(s, *((0.66, 0.9, 3) if p.shape == "polo" else (0.02, 0.9, 6)))
    else:
        _neck(s, 0.985, 0.15, {"tank": 0.16, "dress": 0.1}.get(p.shape, 0.07), "plain")
    if "chest pocket" in p.features:
        s.box((0.14, 0.66, 0.128), (0.14, 0.15, 0.014), "light", r=0.005)
        s.box((0.14, 0.72, 0.137), (0.14, 0.025, 0.008), "shadow", r=0.003)


def _brim(s: Scene, inner: float, outer: float, y: float, wave: float, lift: float, slot: str = "main") -> None:
    """A hat's brim: a ring that rises outward by `lift` and waves."""
    angle, share = np.meshgrid(np.linspace(0, 2 * np.pi, 49), np.linspace(0, 1, 6), indexing="ij")
    radius = inner + (outer - inner) * share
    height = y + lift * share**2 + wave * share * np.cos(2 * angle)
    grid = np.stack([radius * np.cos(angle), height, radius * 0.86 * np.sin(angle)], -1)
    s.add(sheet(grid, slot))
    s.add(sheet(grid - vec([0, 0.014, 0]), "plain"))


def hat(s: Scene, p: Product, rng: Rng) -> None:
    """Fedoras, caps, beanies, sun hats and bucket hats; the band takes the trim."""
    s.yaw, s.pitch, s.fill = float(rng.uniform(20, 40)), 17, 0.88
    if p.shape == "fedora":
        crown = s.lathe(
            [(0.34, 0.06), (0.34, 0.2), (0.31, 0.38), (0.25, 0.47), (0.1, 0.45), (0, 0.43)], smooth=True, n=40
        )
        crown.stretch(1.06, 1, 0.82).bend(
            lambda q: (
                q
                - np.stack(
                    [0 * q[..., 0], 0.09 * np.exp(-((q[..., 2] / 0.07) ** 2)) * (q[..., 1] > 0.38), 0 * q[..., 0]], -1
                )
            )
        )
        s.lathe([(0.348, 0.07), (0.35, 0.09), (0.345, 0.17), (0.34, 0.175)], "trim", n=40).stretch(1.06, 1, 0.83)
        _brim(s, 0.33, 0.58, 0.07, 0.035, 0.02)
    elif p.shape == "sun":
        s.lathe([(0.32, 0.04), (0.32, 0.18), (0.28, 0.3), (0.15, 0.37), (0, 0.38)], smooth=True, n=40)
        s.lathe([(0.33, 0.05), (0.33, 0.13), (0.32, 0.135)], "trim", n=40)
        _brim(s, 0.31, 0.78, 0.06, 0.05, -0.04)
        s.pitch = 24
    elif p.shape == "bucket":
        s.lathe([(0.54, 0.0), (0.36, 0.2), (0.35, 0.21)], n=40)
        s.lathe([(0.36, 0.2), (0.31, 0.45), (0.27, 0.48), (0, 0.49)], n=40)
        s.lathe([(0.37, 0.2), (0.362, 0.26), (0.35, 0.265)], "trim", n=40)
    elif p.shape == "beanie":
        s.lathe([(0.36, 0.1), (0.37, 0.26), (0.34, 0.46), (0.22, 0.62), (0, 0.68)], smooth=True, n=40).stretch(
            1, 1, 0.9
        )
        s.lathe([(0.36, 0.0), (0.395, 0.02), (0.4, 0.16), (0.37, 0.19)], "plain", n=40).stretch(1, 1, 0.9)
        s.box((0.0, 0.09, 0.36), (0.12, 0.08, 0.02), "trim", r=0.008)
        s.yaw = 12
    else:
        s.lathe([(0.34, 0.02), (0.35, 0.14), (0.31, 0.32), (0.18, 0.44), (0, 0.47)], smooth=True, n=40)
        u, v = np.meshgrid(np.linspace(-1, 1, 15), np.linspace(0, 1, 7), indexing="ij")
        angle = np.pi / 2 + u * 1.05
        radius = 0.34 + v * (0.32 - 0.2 * u**2)
        visor = np.stack(
            [radius * np.cos(angle) * (1 - 0.1 * v), 0.04 - 0.1 * v * u**2 - 0.03 * v, radius * np.sin(angle)], -1
        )
        s.add(sheet(visor, "trim"))
        s.add(sheet(visor - vec([0, 0.015, 0]), "dark"))
        s.ball((0, 0.47, 0), (0.03, 0.018, 0.03), "trim", n=10)
        for i in range(6):
            a = i * np.pi / 3 + np.pi / 6
            s.tube(
                [
                    (r * np.cos(a), y, r * np.sin(a))
                    for r, y in ((0.35, 0.1), (0.318, 0.32), (0.187, 0.445), (0.02, 0.475))
                ],
                0.006,
                "shadow",
                n=5,
                smooth=True,
            )
    if "pom pom" in p.features:
        top = max(float(part.points[..., 1].max()) for part in s.parts)
        s.ball((0, top + 0.06, 0), 0.11, "fluff", n=18)
