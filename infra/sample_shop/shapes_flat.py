"""Phone cases, rugs, pillows, wall art, clocks and mirrors: things with one face."""

from __future__ import annotations

import numpy as np

from . import artwork
from .arrays import vec
from .designs import Product
from .mesh import Scene
from .outlines import arch, disc_panel, ellipse, flat_uv, panel, rounded_rectangle
from .surfaces import trim_color
from .vocabulary import COLORS

Rng = np.random.Generator


def phone_case(s: Scene, p: Product, rng: Rng) -> None:
    """The back of a phone in its case; frame and extras take the trim."""
    s.stage, s.yaw, s.pitch, s.fill = "wall", float(rng.choice([-1, 1])) * rng.uniform(12, 24), 7, 0.88
    s.pattern_scale = 1.15
    w, h, corner = 0.5, 1.0, rng.uniform(0.08, 0.11)
    frame = "shadow" if p.shape == "wallet" else "trim"
    s.plate(rounded_rectangle(w + 0.02, h + 0.02, corner), 0.075, frame, bevel=0.025)
    flat_uv(s.plate(rounded_rectangle(w - 0.02, h - 0.02, corner - 0.01), 0.05, "main", bevel=0.012).move(z=0.02))
    x, y = -w / 2 + 0.14, h / 2 - 0.15
    s.plate(rounded_rectangle(0.19, 0.2, 0.05), 0.03, "dark", bevel=0.008).move(x, y, 0.05)
    for dx, dy in ((-0.045, 0.045), (-0.045, -0.045), (0.045, 0.0)):
        s.ball((x + dx, y + dy, 0.065), (0.034, 0.034, 0.012), "black glass", n=14)
    if p.shape == "wallet":
        s.plate(rounded_rectangle(w - 0.1, 0.42, 0.03), 0.03, "plain", bevel=0.008).move(0, -0.2, 0.055)
        s.box((0, 0.02, 0.058), (w - 0.16, 0.05, 0.012), "trim", r=0.004)
        s.tube([(-w / 2 + 0.07, -0.38, 0.073), (w / 2 - 0.07, -0.38, 0.073)], 0.005, "light", n=5)
        s.tube([(-w / 2 + 0.07, -0.04, 0.073), (w / 2 - 0.07, -0.04, 0.073)], 0.005, "light", n=5)
    elif p.shape == "bumper":
        for sx in (-1, 1):
            for sy in (-1, 1):
                s.ball((sx * (w / 2 - 0.015), sy * (h / 2 - 0.02), 0), (0.06, 0.06, 0.055), "trim", n=14)
    elif p.shape == "ring":
        s.lathe([(0, 0.02), (0.085, 0.02), (0.09, 0.01), (0.09, 0)], "trim", n=24).turn("x", 90).move(0, -0.08, 0.045)
        loop = [
            (0.075 * np.cos(a), -0.08 + 0.075 * np.sin(a), 0.08 + 0.02 * np.sin(a))
            for a in np.linspace(0, 2 * np.pi, 25)
        ]
        s.tube(loop, 0.014, "steel", n=8)
    else:
        s.box((w / 2 + 0.008, 0.18, 0), (0.015, 0.14, 0.03), "trim", r=0.005)
        s.box((0, -h / 2 + 0.02, 0.046), (0.1, 0.016, 0.006), "trim", r=0.003)


def rug(s: Scene, p: Product, rng: Rng) -> None:
    """A rug on the floor; its edge takes the trim."""
    s.yaw, s.pitch, s.fill = float(rng.uniform(-24, 24)), 56, 0.95
    outline = {
        "round": ellipse(0.6, 0.6, 48),
        "oval": ellipse(0.8, 0.5, 48),
        "runner": rounded_rectangle(0.42, 1.4, 0.01),
        "area": rounded_rectangle(0.9, 1.25, 0.01),
    }[p.shape]
    s.pattern_scale = 1.25 if p.shape != "runner" else 0.9
    s.plate(outline, 0.028, "trimpaint", bevel=0.005).turn("x", -90).move(y=0.02)
    edge = rng.uniform(0.035, 0.06)
    size = np.abs(outline).max(0)
    flat_uv(s.plate(outline * ((size - edge) / size), 0.03, "main", bevel=0.004)).turn("x", -90).move(y=0.025)
    if "fringe" in p.features:
        if p.shape in ("area", "runner"):
            for end in (-1, 1):
                for x in np.linspace(-size[0] + 0.02, size[0] - 0.02, int(size[0] * 44)):
                    s.tube(
                        [(x, 0.02, end * size[1]), (x + rng.uniform(-0.01, 0.01), 0.006, end * (size[1] + 0.09))],
                        0.009,
                        "cream",
                        n=5,
                    )
        else:
            for a in np.linspace(0, 2 * np.pi, 64, endpoint=False):
                x, z = size[0] * np.cos(a), size[1] * np.sin(a)
                s.tube([(x, 0.02, z), (x * 1.11, 0.006, z * 1.11)], 0.01, "cream", n=5)


def pillow(s: Scene, p: Product, rng: Rng) -> None:
    """Cushions facing the camera."""
    s.stage, s.yaw, s.pitch, s.fill = "floor", rng.uniform(-22, 22), 6, 0.88
    s.pattern_scale = 1.1
    if p.shape == "bolster":
        body = s.lathe(
            [
                (0, -0.55),
                (0.2, -0.55),
                (0.235, -0.52),
                (0.25, -0.3),
                (0.25, 0.3),
                (0.235, 0.52),
                (0.2, 0.55),
                (0, 0.55),
            ],
            n=36,
        )
        body.turn("z", 90).move(y=0.25)
        for side in (-1, 1):
            s.tube(
                [(side * 0.53, 0.25 + 0.236 * np.cos(a), 0.236 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 25)],
                0.016,
                "second",
                n=6,
            )
            if "center button" in p.features:
                s.ball((side * 0.555, 0.25, 0), (0.02, 0.05, 0.05), "second", n=12)
        _edge_trims(s, p, vec([(x, y) for x in (-0.53, 0.53) for y in (-0.22, 0.22)]), 0.25)
        s.pitch, s.yaw = 16, float(rng.choice([-1, 1])) * 28
        return
    if p.shape == "round":
        outline, high = ellipse(0.5, 0.5, 44), 0.5
    else:
        w, h = (0.5, 0.5) if p.shape == "square" else (0.62, 0.34)
        angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        square = ellipse(w, h, 60, power=0.32)
        outline, high = square * (1 - 0.05 * np.cos(2 * angle) ** 2)[:, None], h
    body = flat_uv(s.plate(outline, 0.34, "main", puff=0.7))
    body.move(y=high)
    edge = np.concatenate([outline, outline[:1]])
    s.tube([(x, y + high, 0) for x, y in edge], 0.013, "plain", n=6)
    if "center button" in p.features:
        s.ball((0, high, 0.172), (0.045, 0.045, 0.02), "second", n=14)
    _edge_trims(s, p, outline, high)


def _edge_trims(s: Scene, p: Product, outline: np.ndarray, high: float) -> None:
    """Pom poms along the edge, tassels at the corners."""
    if "pom pom trim" in p.features:
        points = outline[:: max(1, len(outline) // 22)]
        for x, y in points:
            s.ball(
                (x * 1.05, y * 1.05 + high, 0),
                0.038,
                "white" if p.color not in ("White", "Ivory", "Off White") else "dark",
                n=10,
            )
    if "tassels" in p.features:
        size = np.abs(outline).max(0)
        for sx in (-1, 1):
            for sy in (-1, 1):
                corner = vec([sx, sy]) * size * (0.72 if p.shape == "round" else 0.95)
                out = corner + vec([sx, sy]) * 0.11
                s.tube([(corner[0], corner[1] + high, 0), (out[0], out[1] + high, 0)], [0.02, 0.05], "second", n=8)


def _frame(s: Scene, w: float, h: float, bar: float, deep: float, slot: str = "main") -> None:
    for side in (-1, 1):
        s.box((side * (w - bar) / 2, 0, 0), (bar, h, deep), slot, r=0.01)
        s.box((0, side * (h - bar) / 2, 0), (w - 2 * bar + 0.01, bar, deep), slot, r=0.01)


def wall_art(s: Scene, p: Product, rng: Rng) -> None:
    """A framed print: frame of the main material, mat of the trim, an image of the kind that the title names."""
    s.stage, s.yaw, s.pitch, s.fill = "wall", float(rng.uniform(-22, 22)), 3, 0.9
    w, h = ((0.8, 1.05), (1.05, 0.8), (0.9, 0.9))[int(rng.integers(3))]
    bar = rng.uniform(0.045, 0.075)
    _frame(s, w, h, bar, 0.06)
    mat = rng.uniform(0.06, 0.12)
    s.box((0, 0, -0.01), (w - bar, h - bar, 0.02), "trimpaint", r=0.002)
    image = artwork.print_image(p.shape, COLORS[p.color][1], rng)
    panel(s, (0, 0, 0.012), w - 2 * bar - 2 * mat, h - 2 * bar - 2 * mat, "print", image)


def clock(s: Scene, p: Product, rng: Rng) -> None:
    """Clocks; the dial takes the trim."""
    s.stage, s.yaw, s.pitch, s.fill = "wall", float(rng.uniform(-20, 20)), 5, 0.86
    image = artwork.dial_image(trim_color(p), "roman numerals" in p.features, int(rng.integers(3)), p.shape == "square")
    if p.shape == "square":
        _frame(s, 1.0, 1.0, 0.09, 0.1)
        panel(s, (0, 0, 0.02), 0.84, 0.84, "dial", image)
    else:
        r = 0.36 if p.shape == "sunburst" else 0.5
        s.lathe([(r * 0.9, 0.02), (r * 0.92, 0.06), (r, 0.05), (r * 1.03, 0), (r, -0.05), (0, -0.05)][::-1], n=48).turn(
            "x", 90
        )
        disc_panel(s, 0.02, r * 0.93, "dial", image)
        if p.shape == "sunburst":
            for i in range(24):
                a, long = i * np.pi / 12, 0.95 if i % 2 else 0.72
                s.tube(
                    [(r * np.cos(a), r * np.sin(a), -0.02), (long * np.cos(a), long * np.sin(a), -0.02)],
                    [0.022, 0.008],
                    n=6,
                )
        if p.shape == "alarm":
            for side in (-1, 1):
                bell = s.lathe([(0, 0.15), (0.08, 0.13), (0.15, 0.05), (0.17, 0)][::-1], n=24).turn("z", -32 * side)
                bell.move(side * 0.28, 0.5, 0)
                s.tube([(side * 0.26, -0.4, 0), (side * 0.36, -0.6, 0)], [0.035, 0.025])
            s.tube([(-0.24, 0.6, 0), (-0.12, 0.76, 0), (0.12, 0.76, 0), (0.24, 0.6, 0)], 0.02, "steel", smooth=True)
            s.lathe([(0.52, -0.09), (0.52, 0.09)], n=40).turn("x", 90).move(z=-0.08)
            s.stage = "floor"
    reach = 0.36 if p.shape == "sunburst" else 0.5
    hand = "white" if sum(trim_color(p)) < 330 else "dark"
    for angle, share, wide in ((rng.uniform(0, 6.28), 0.5, 0.016), (rng.uniform(0, 6.28), 0.74, 0.011)):
        x, y = np.sin(angle) * reach * share, np.cos(angle) * reach * share
        s.tube([(-x * 0.15, -y * 0.15, 0.04), (x, y, 0.04)], wide, hand, n=6, flat=0.4)
    s.ball((0, 0, 0.045), (0.025, 0.025, 0.012), "gold", n=10)


def mirror(s: Scene, p: Product, rng: Rng) -> None:
    """Mirrors in a frame of the main material."""
    s.stage, s.yaw, s.pitch, s.fill = "wall", float(rng.uniform(-24, 24)), 3, 0.9
    bar = rng.uniform(0.05, 0.085)
    if p.shape == "rect":
        w, h = 0.72, 1.05
        _frame(s, w, h, bar, 0.07)
        panel(s, (0, 0, 0.0), w - bar, h - bar, "reflection", artwork.reflection(rng))
        return
    outline = (
        arch(0.66, 1.1)
        if p.shape == "arched"
        else ellipse(0.34 if p.shape == "sunburst" else 0.5, 0.34 if p.shape == "sunburst" else 0.5, 48)
    )
    edge = np.concatenate([outline, outline[:1]])
    s.tube([(x, y, 0) for x, y in edge], bar * 0.62, n=10)
    size = np.abs(outline).max(0) * 2
    image = artwork.reflection(rng)
    panel(s, (0, 0, 0), 1, 1, "reflection", image)
    s.parts.pop()  # only its paint is wanted: the glass has an outline of its own
    glass = s.plate(outline, 0.02, "reflection", bevel=0.001)
    glass.uv = (np.stack([glass.points[..., 0] / size[0] + 0.5, 0.5 - glass.points[..., 1] / size[1]], -1)).astype(
        np.float32
    )
    if p.shape == "sunburst":
        for i in range(28):
            a, long = i * np.pi / 14, (0.98, 0.74)[i % 2]
            s.tube(
                [(0.35 * np.cos(a), 0.35 * np.sin(a), -0.02), (long * np.cos(a), long * np.sin(a), -0.02)],
                [0.03, 0.01],
                n=6,
            )
