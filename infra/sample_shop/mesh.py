"""Geometry as grids of points: boxes, lathes, tubes, lofts and cut-outs, collected in a scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from .arrays import Array, Points, cross, differences, dot, rotate, rotation_about, smooth_path, unit, vec


@dataclass
class Part:
    """A stack of point grids: points, normals (k, nu, nv, 3), surface coordinates uv (k, nu, nv, 2), one slot."""

    points: Array
    normals: Array
    uv: Array
    slot: str
    solid: bool  # closed: its far side need not be drawn

    def move(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Part:
        """Shift in place."""
        self.points = self.points + vec([x, y, z])
        return self

    def turn(self, axis: str, degrees: float, about: Sequence[float] = (0, 0, 0)) -> Part:
        """Rotate in place about a point."""
        rotation, origin = rotation_about(axis, degrees), vec(about)
        self.points = rotate(self.points - origin, rotation) + origin
        self.normals = rotate(self.normals, rotation)
        return self

    def stretch(self, x: float = 1.0, y: float = 1.0, z: float = 1.0) -> Part:
        """Scale in place about the origin; normals follow."""
        factors = vec([x, y, z])
        self.points = self.points * factors
        self.normals = unit(self.normals / factors)
        return self

    def bend(self, function: Callable[[Array], Array]) -> Part:
        """Move every point by a function of points; normals are measured anew."""
        self.points = function(self.points).astype(np.float32)
        old = self.normals
        self.normals = _grid_normals(self.points)
        flip = (dot(self.normals, old) < 0)[..., None]
        self.normals = np.where(flip, -self.normals, self.normals)
        return self


@dataclass
class Scene:
    """What a shape function fills: parts, how the camera looks at them and what they stand on or hang from."""

    parts: list[Part] = field(default_factory=list)
    yaw: float = 30.0
    pitch: float = 18.0
    stage: str = "floor"  # "floor", "wall" (hangs, shadow behind) or "none"
    fill: float = 0.84  # share of the frame
    pattern_scale: float = 1.0
    paints: dict[str, Callable[[Array], Array]] = field(default_factory=dict)  # slot -> colours (n, 3) at uv (n, 2)

    def add(self, part: Part) -> Part:
        """Keep a part and hand it back, so that calls chain."""
        self.parts.append(part)
        return part

    def box(
        self, center: Sequence[float], size: Sequence[float], slot: str = "main", r: float = 0.02, bulge: float = 0.0
    ) -> Part:
        """A rounded box; see `box`."""
        return self.add(box(center, size, slot, r, bulge))

    def lathe(
        self, profile: Points, slot: str = "main", at: Sequence[float] = (0, 0, 0), n: int = 32, smooth: bool = False
    ) -> Part:
        """A surface of revolution about a vertical axis through `at`; see `lathe`."""
        return self.add(lathe(profile, slot, n, smooth).move(*at))

    def tube(
        self,
        path: Points,
        radius: float | Sequence[float],
        slot: str = "main",
        n: int = 10,
        flat: float = 1.0,
        smooth: bool = False,
        up: Sequence[float] = (0, 0, 1),
    ) -> Part:
        """A swept tube; see `tube`."""
        return self.add(tube(path, radius, slot, n, flat, smooth, up))

    def plate(
        self, outline: Points | Array, depth: float, slot: str = "main", bevel: float = 0.02, puff: float = 0.0
    ) -> Part:
        """A flat cut-out in the x-y plane, centred on z = 0; see `plate`."""
        return self.add(plate(outline, depth, slot, bevel, puff))

    def loft(self, sections: Array, slot: str = "main", caps: bool = True) -> Part:
        """A skin over closed cross-sections; see `loft`."""
        return self.add(loft(sections, slot, caps))

    def ball(self, center: Sequence[float], radius: float | Sequence[float], slot: str = "main", n: int = 18) -> Part:
        """A sphere or an ellipsoid."""
        angles = np.linspace(-np.pi / 2, np.pi / 2, max(6, n // 2 + 1))
        part = lathe(np.stack([np.cos(angles), np.sin(angles)], 1), slot, n, smooth=True)
        radii = (radius,) * 3 if isinstance(radius, (int, float)) else radius
        return self.add(part.stretch(*radii).move(*center))


def _grid_normals(points: Array) -> Array:
    """Normals of grids (k, nu, nv, 3) from differences; a closed direction wraps."""

    def slope(axis: int) -> Array:
        turned = np.swapaxes(points, 0, axis)
        inner = differences(turned)
        if len(turned) > 3 and np.abs(turned[0] - turned[-1]).max() < 1e-5:
            inner[0] = inner[-1] = (turned[1] - turned[-2]) / 2
        return np.swapaxes(inner, 0, axis)

    return unit(cross(slope(1), slope(2))).astype(np.float32)


def _arc_uv(points: Array) -> Array:
    """Surface coordinates in length units, measured along both directions of each grid."""
    step_u, step_v = points[:, :, 1:] - points[:, :, :-1], points[:, 1:] - points[:, :-1]
    across = np.sqrt(dot(step_u, step_u)).max(axis=1)
    along = np.sqrt(dot(step_v, step_v)).mean(axis=2)
    uv = np.zeros((*points.shape[:3], 2), np.float32)
    uv[:, :, 1:, 0] = np.cumsum(across, axis=1)[:, None, :]
    uv[:, 1:, :, 1] = np.cumsum(along, axis=1)[:, :, None]
    return uv


def box(
    center: Sequence[float], size: Sequence[float], slot: str = "main", r: float = 0.02, bulge: float = 0.0
) -> Part:
    """A box with edges rounded by `r`; `bulge` blows its faces out like a cushion."""
    half = vec(size) / 2
    r = float(min(r, half.min() * 0.98))
    inner = half - r
    steps = vec([-0.6, 0, 0.6]) if bulge else vec([])
    rounding = vec([0, 0.3, 1.0])
    coords = [np.concatenate([-h + r * rounding, (h - r) * steps, h - r * rounding[::-1]]) for h in half]
    points, normals, uvs = [], [], []
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        for sign in (1, -1):
            grid = np.zeros((len(coords[a]), len(coords[b]), 3), np.float32)
            grid[..., axis] = sign * half[axis]
            grid[..., a], grid[..., b] = coords[a][:, None], coords[b][None, :]
            core = np.clip(grid, -inner, inner)
            normal = unit(grid - core)
            surface = core + r * normal
            if bulge:
                swell = (1 - (grid[..., a] / half[a]) ** 2) * (1 - (grid[..., b] / half[b]) ** 2)
                surface[..., axis] += sign * bulge * swell
                normal = unit(normal + np.float32(0.9 * bulge / half.min()) * (surface / half) * swell[..., None])
            points.append(surface)
            normals.append(normal)
            horizontal, vertical = ((2, 1), (0, 2), (0, 1))[axis]
            uvs.append(np.stack([grid[..., horizontal], grid[..., vertical]], -1) + np.float32(axis * 0.37))
    return Part(np.stack(points) + vec(center), np.stack(normals), np.stack(uvs), slot, True)


def _creased(profile: Array) -> tuple[Array, Array]:
    """Segments (m, 2, 2) of a profile and the normal at each of their ends, shared where the bend is gentle."""
    step = np.diff(profile, axis=0)
    keep = np.abs(step).sum(1) > 1e-6
    ends = np.stack([profile[:-1], profile[1:]], 1)[keep]
    step = step[keep]
    normal = unit(np.stack([step[:, 1], -step[:, 0]], 1))
    normals = np.stack([normal, normal], 1)
    gentle = dot(normal[1:], normal[:-1]) > 0.72
    mean = unit(normal[1:] + normal[:-1])
    normals[1:, 0] = np.where(gentle[:, None], mean, normals[1:, 0])
    normals[:-1, 1] = np.where(gentle[:, None], mean, normals[:-1, 1])
    return ends.astype(np.float32), normals.astype(np.float32)


@cache
def _circle(n: int) -> tuple[Array, Array, Array]:
    """Angles of `n` steps once round, with their cosines and sines."""
    theta = np.linspace(0, 2 * np.pi, n + 1, dtype=np.float32)
    return theta, np.cos(theta), np.sin(theta)


def lathe(profile: Points | Array, slot: str = "main", n: int = 32, smooth: bool = False) -> Part:
    """Turn (radius, y) points, listed bottom to top outside, about the y axis."""
    curve = smooth_path(profile, 5) if smooth else np.asarray(profile, np.float32)
    ends, normals = _creased(curve)
    theta, cos, sin = _circle(n)
    radius, y = ends[..., 0, None], np.broadcast_to(ends[..., 1, None], (*ends.shape[:2], n + 1))
    points = np.stack([radius * cos, y, radius * sin], -1)
    nr, ny = normals[..., 0, None], np.broadcast_to(normals[..., 1, None], y.shape)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(ends, axis=1)[:, 0], axis=-1))]).astype(np.float32)
    v = np.broadcast_to(np.stack([length[:-1], length[1:]], 1)[..., None], y.shape)
    u = np.broadcast_to(theta * float(np.abs(curve[:, 0]).max()), y.shape)
    return Part(points, np.stack([nr * cos, ny, nr * sin], -1), np.stack([u, v], -1), slot, True)


def tube(
    path: Points,
    radius: float | Sequence[float],
    slot: str = "main",
    n: int = 10,
    flat: float = 1.0,
    smooth: bool = False,
    up: Sequence[float] = (0, 0, 1),
) -> Part:
    """Sweep a circle along a path; `flat` squeezes it along `up`, so 0.2 is a strap that faces `up`."""
    centers = smooth_path(path, 6) if smooth else np.asarray(path, np.float32)
    radii = np.interp(np.linspace(0, 1, len(centers)), np.linspace(0, 1, np.size(radius)), np.atleast_1d(radius))
    closed = bool(np.abs(centers[0] - centers[-1]).max() < 1e-5)
    tangent = differences(centers)
    if closed:
        tangent[0] = tangent[-1] = centers[1] - centers[-2]
    tangent = unit(tangent)
    hint = vec(up)
    across = cross(tangent, hint)
    weak = np.linalg.norm(across, axis=1) < 0.15  # the path runs along the hint
    across[weak] = cross(tangent[weak], vec([0.3, 1, 0.2]))
    across = unit(across)
    facing = cross(across, tangent)
    _, cos, sin = (values[None, :, None] for values in _circle(n))
    ring = across[:, None] * cos + facing[:, None] * sin * flat
    normals = unit(across[:, None] * cos * flat + facing[:, None] * sin)
    points = centers[:, None] + ring * radii[:, None, None]
    if not closed:  # end caps: the last rings again, drawn together to a point
        points = np.concatenate(
            [
                np.broadcast_to(centers[:1, None], points[:1].shape),
                points,
                np.broadcast_to(centers[-1:, None], points[:1].shape),
            ]
        )
        ends = np.broadcast_to(tangent[:, None], normals.shape)
        normals = np.concatenate([-ends[:1], normals, ends[-1:]])
    points = points[None].astype(np.float32)
    return Part(points, normals[None].astype(np.float32), _arc_uv(points), slot, True)


def loft(sections: Array, slot: str = "main", caps: bool = True) -> Part:
    """A skin over closed cross-sections (n, m, 3); the first point of each is repeated at its end."""
    rings = np.asarray(sections, np.float32)
    if caps:
        first, last = rings[:1].mean(1, keepdims=True), rings[-1:].mean(1, keepdims=True)
        rings = np.concatenate(
            [
                np.broadcast_to(first, rings[:1].shape),
                rings[:1] * 0.98 + first * 0.02,
                rings,
                rings[-1:] * 0.98 + last * 0.02,
                np.broadcast_to(last, rings[:1].shape),
            ]
        )
    points = rings[None]
    normals = _grid_normals(points)
    away = unit(points - rings.mean(axis=1)[None, :, None])
    if float(dot(normals, away).sum()) < 0:
        normals = -normals
    return Part(points, normals, _arc_uv(points), slot, True)


def sheet(points: Array, slot: str = "main") -> Part:
    """An open surface, seen from both sides, over a grid (nu, nv, 3)."""
    grid = np.asarray(points, np.float32)[None]
    return Part(grid, _grid_normals(grid), _arc_uv(grid), slot, False)


def plate(outline: Points | Array, depth: float, slot: str = "main", bevel: float = 0.02, puff: float = 0.0) -> Part:
    """A cut-out of an outline that can be seen from its middle; `puff` > 0 swells it like a cushion."""
    edge = np.asarray(outline, np.float32)
    edge = np.concatenate([edge, edge[:1]])
    middle = (edge[:-1].max(0) + edge[:-1].min(0)) / 2
    inset = bevel / max(float(np.abs(edge - middle).max()), 1e-6)
    rho = vec([0, 0.25, 0.5, 0.72, 0.87, 0.96, 1.0]) if puff else vec([0, 0.5, 1 - inset, 1 - inset * 0.3, 1])
    if puff:
        height = (depth / 2) * (0.06 + 0.94 * (1 - rho**2.2) ** puff)
    else:
        height = vec([depth / 2, depth / 2, depth / 2, depth / 2 - bevel * 0.3, max(depth / 2 - bevel, 0)])
    rho = np.concatenate([rho, rho[::-1]])
    height = np.concatenate([height, -height[::-1]])
    flat = middle + rho[:, None, None] * (edge - middle)
    points = np.concatenate([flat, np.broadcast_to(height[:, None, None], (*flat.shape[:2], 1))], -1)[None].astype(
        np.float32
    )
    normals = _grid_normals(points)
    if not puff:
        normals[0, :2], normals[0, -2:] = vec([0, 0, 1]), vec([0, 0, -1])
    toward = np.concatenate([flat - middle, np.broadcast_to(height[:, None, None], (*flat.shape[:2], 1))], -1)[None]
    normals = np.where((dot(normals, toward) < 0)[..., None], -normals, normals)
    return Part(points, normals.astype(np.float32), points[..., :2].copy(), slot, True)
