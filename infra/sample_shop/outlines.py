"""Outlines and small assemblies that several shapes share: rounded rectangles, legs, buttons, painted panels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrays import Array, Points, vec
from .mesh import Part, Scene


def rounded_rectangle(width: float, height: float, radius: float, per_corner: int = 6) -> Array:
    """Corner-rounded outline (n, 2) about the origin, with extra points along the sides."""
    radius = min(radius, width / 2 - 1e-3, height / 2 - 1e-3)
    points: list[tuple[float, float]] = []
    for quarter, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        for angle in np.linspace(0, np.pi / 2, per_corner) + quarter * np.pi / 2:
            points.append(
                (
                    sx * (width / 2 - radius) + radius * np.cos(angle),
                    sy * (height / 2 - radius) + radius * np.sin(angle),
                )
            )
    return subdivide(points, max(width, height) / 8)


def subdivide(points: Points | Array, step: float) -> Array:
    """A closed outline with no side longer than `step`."""
    corners = np.asarray(points, np.float32)
    out: list[Array] = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        n = max(1, int(np.ceil(float(np.hypot(*(b - a))) / step)))
        out.append(a + (b - a) * np.linspace(0, 1, n, endpoint=False, dtype=np.float32)[:, None])
    return np.concatenate(out)


def ellipse(rx: float, ry: float, n: int = 32, power: float = 1.0) -> Array:
    """An ellipse (n, 2); a power below 1 makes it boxier."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([rx * np.sign(cos) * np.abs(cos) ** power, ry * np.sign(sin) * np.abs(sin) ** power], 1).astype(
        np.float32
    )


def arch(width: float, height: float, n: int = 20) -> Array:
    """A door shape (n, 2) centred on the origin: straight sides, round top."""
    r = width / 2
    angle = np.linspace(0, np.pi, n)
    top = [(r * np.cos(a), height / 2 - r + r * np.sin(a)) for a in angle]
    return subdivide([*top, (-r, -height / 2), (r, -height / 2)], width / 6)


def ring(y: float, rx: float, rz: float, n: int = 25, x: float = 0.0, z: float = 0.0, power: float = 1.0) -> Array:
    """A closed horizontal cross-section (n, 3) for lofts."""
    flat = ellipse(rx, rz, n - 1, power)
    flat = np.concatenate([flat, flat[:1]])
    return np.stack([flat[:, 0] + x, np.full(n, y), flat[:, 1] + z], 1).astype(np.float32)


def legs(
    s: Scene,
    width: float,
    depth: float,
    height: float,
    slot: str = "trim",
    radius: float = 0.03,
    splay: float = 0.04,
    taper: float = 0.6,
) -> None:
    """Four legs below a (width, depth) rectangle; they lean outward by `splay`."""
    for sx in (-1, 1):
        for sz in (-1, 1):
            x, z = sx * width / 2, sz * depth / 2
            s.tube([(x, height, z), (x + sx * splay, 0, z + sz * splay)], [radius, radius * taper], slot, n=8)


def posts(
    s: Scene, width: float, depth: float, height: float, slot: str = "main", thick: float = 0.05, base: float = 0.0
) -> None:
    """Four square upright posts at the corners of a rectangle."""
    for sx in (-1, 1):
        for sz in (-1, 1):
            s.box((sx * width / 2, base + height / 2, sz * depth / 2), (thick, height, thick), slot, r=0.006)


def panel(s: Scene, center: Sequence[float], width: float, height: float, slot: str, image: Array) -> Part:
    """A flat image facing +z; `image` (h, w, 3), 0..1, is painted on it with its top up."""
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 9), np.linspace(-0.5, 0.5, 9))
    points = np.stack([x * width, y * height, np.zeros_like(x)], -1)[None].astype(np.float32)
    normals = np.broadcast_to(vec([0, 0, 1]), points.shape).copy()
    uv = np.stack([x + 0.5, 0.5 - y], -1)[None].astype(np.float32)
    rows, columns = image.shape[:2]

    def paint(at: Array) -> Array:
        column = np.clip((at[:, 0] * columns).astype(np.int32), 0, columns - 1)
        row = np.clip((at[:, 1] * rows).astype(np.int32), 0, rows - 1)
        return image[row, column]

    s.paints[slot] = paint
    return s.add(Part(points, normals, uv, slot, False)).move(*center)


def disc_panel(s: Scene, z: float, radius: float, slot: str, image: Array) -> Part:
    """The middle of a square image on a round face: the panel's square is pressed into the circle."""
    part = panel(s, (0, 0, z), 2, 2, slot, image)
    a, b = part.points[..., 0], part.points[..., 1]
    x, y = a * np.sqrt(1 - b * b / 2), b * np.sqrt(1 - a * a / 2)
    part.points = np.stack([x * radius, y * radius, part.points[..., 2]], -1).astype(np.float32)
    part.uv = np.stack([x / 2 + 0.5, 0.5 - y / 2], -1).astype(np.float32)
    return part


def flat_uv(part: Part) -> Part:
    """Lay the pattern on as if projected from the front, which is how printed cloth and panels look."""
    part.uv = part.points[..., :2].copy()
    return part
