"""Shoes, boots and sandals, toes to the left."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .designs import Product
from .mesh import Scene, sheet

Rng = np.random.Generator
Array = NDArray[np.float32]
_AT = (0, 0.04, 0.12, 0.3, 0.5, 0.72, 0.9, 0.97, 1.0)  # along the foot, toe to heel
_HALF = (0.0, 0.065, 0.125, 0.165, 0.14, 0.115, 0.115, 0.085, 0.0)  # half width there


def _half(t: Array) -> Array:
    return np.interp(t, _AT, _HALF)


def _sole(s: Scene, thick: float, lift: Callable[[Array], Array], slot: str, grow: float = 0.012, z: float = 0.0, top: float = 0.0) -> None:
    """A foot-shaped slab whose upper side follows `lift` + top."""
    t = np.concatenate([np.linspace(0, 1, 17), np.linspace(1, 0, 17)])
    side = np.concatenate([np.ones(17), -np.ones(17)])
    width = np.maximum(_half(t), 0.0) + grow * (t > 0.0) * (t < 1.0)
    x, zz = t * 1.0 - 0.5, side * width
    rings = [np.stack([x, lift(t) + y, zz], -1) for y in (top - thick, top - thick * 0.1, top)]
    s.loft(np.stack(rings), slot).move(z=z)


class _Upper:
    """The closed upper of a shoe as a function of place: t toe to heel, a from 0 (near side) over the top to 1 (far side)."""

    def __init__(self, heights: Array, base: float, lift: Callable[[Array], Array], boxy: float = 0.8) -> None:
        self.heights, self.base, self.lift, self.boxy = heights, base, lift, boxy

    def at(self, t: Array, a: Array, off: float = 0.0) -> Array:
        """Points of the surface, `off` outside of it."""
        angle = a * np.pi
        width, height = _half(t) + off, np.interp(t, _AT, self.heights) + off
        cos, sin = np.cos(angle), np.sin(angle)
        z = width * np.sign(cos) * np.abs(cos) ** self.boxy
        y = self.base + self.lift(t) + height * np.abs(sin) ** 0.85
        return np.stack([t - 0.5, y, z], -1)

    def patch(self, s: Scene, slot: str, t: tuple[float, float], a: tuple[float, float], off: float = 0.004, n: tuple[int, int] = (8, 12),
              slant: float = 0.0) -> None:
        """A piece of the surface, for toe caps, stripes and the like."""
        tt, aa = np.meshgrid(np.linspace(*t, n[0]), np.linspace(*a, n[1]), indexing="ij")
        s.add(sheet(self.at(tt + slant * (aa - 0.5), aa, off), slot))


def _flat(t: Array) -> Array:
    """A sole that lies on the ground, the toe a little up."""
    return 0.03 * np.clip(0.18 - np.asarray(t), 0, 1) / 0.18


def _raised(heel: float) -> Callable[[Array], Array]:
    def lift(t: Array) -> Array:
        u = np.clip((np.asarray(t) - 0.3) / 0.5, 0, 1)
        return heel * u * u * (3 - 2 * u)
    return lift


def _laces(s: Scene, upper: _Upper, start: float, end: float, n: int, slot: str = "lace") -> None:
    for t in np.linspace(start, end, n):
        a = np.linspace(0.36, 0.64, 7)
        s.tube(upper.at(np.full(7, t) + 0.02 * np.sin(a * 9), a, 0.012).tolist(), 0.011, slot, n=6)


_LOW = np.float32([0.02, 0.09, 0.12, 0.16, 0.25, 0.22, 0.25, 0.24, 0.2])
_HIGH = np.float32([0.02, 0.09, 0.13, 0.18, 0.32, 0.46, 0.48, 0.46, 0.4])


def shoe(s: Scene, p: Product, rng: Rng) -> None:
    """Running shoes, loafers, oxfords, high tops, slip-ons and pumps; the sole takes the trim."""
    s.yaw, s.pitch, s.fill, s.pattern_scale = float(rng.uniform(14, 32)), 17, 0.9, 1.1
    if p.shape == "pump":
        _pump(s, p, rng)
        return
    thick = {"running": rng.uniform(0.08, 0.11), "hightop": 0.06, "slipon": 0.06}.get(p.shape, 0.035)
    heights = _HIGH if p.shape == "hightop" else _LOW * (0.88 if p.shape in ("loafer", "slipon") else 1.0)
    upper = _Upper(heights, thick, _flat)
    _sole(s, thick, _flat, "trim", grow=0.018 if thick > 0.05 else 0.012, top=thick)
    t, a = np.meshgrid(np.linspace(0, 1, 30), np.linspace(0, 1, 19), indexing="ij")
    s.add(sheet(upper.at(t, a)))
    collar = {"hightop": (0.66, 0.97), "loafer": (0.46, 0.95), "slipon": (0.52, 0.95)}.get(p.shape, (0.58, 0.96))
    _opening(s, upper, *collar)
    if p.shape in ("loafer", "oxford"):
        s.box((0.38, thick * 0.5 - 0.012, 0), (0.22, thick, 0.2), "dark", r=0.01)
    if p.shape == "loafer":
        upper.patch(s, "shadow", (0.34, 0.43), (0.1, 0.9), 0.01)
        upper.patch(s, "gold", (0.37, 0.4), (0.4, 0.6), 0.018)
        upper.patch(s, "shadow", (0.14, 0.155), (0.22, 0.78), 0.006)
    if p.shape in ("running", "hightop", "oxford"):
        end = collar[0] - 0.02
        upper.patch(s, "shadow", (0.33, end), (0.42, 0.58), 0.006)
        _laces(s, upper, 0.34, end - 0.01, 4 if p.shape != "hightop" else 6, "lace" if p.shape != "oxford" else "dark")
    if p.shape == "oxford":
        upper.patch(s, "shadow", (0.235, 0.247), (0.05, 0.95), 0.005)
        upper.patch(s, "shadow", (0.62, 0.632), (0.02, 0.34), 0.005, slant=0.2)
    if p.shape == "running":
        upper.patch(s, "plain", (0.9, 0.985), (0.03, 0.97), 0.008)
    if p.shape == "slipon":
        for side in ((0.16, 0.36), (0.64, 0.84)):
            upper.patch(s, "dark", (0.44, 0.52), side, 0.005)
    if "contrast stripe" in p.features:
        for shift in (0.0, 0.08, 0.16) if p.shape in ("running", "hightop") else (0.04,):
            for side in ((0.03, 0.3), (0.97, 0.7)):
                upper.patch(s, "second", (0.45 + shift, 0.49 + shift), side, 0.007, slant=0.25 if side[0] < 0.5 else -0.25)
    if "toe cap" in p.features:
        upper.patch(s, "trim", (0.0, 0.17), (0.0, 1.0), 0.006)


def _opening(s: Scene, upper: _Upper, start: float, end: float) -> None:
    """The dark inside of the shoe and its padded edge, laid over the top of the upper."""
    angle = np.linspace(0, 2 * np.pi, 29)
    t = (start + end) / 2 + (end - start) / 2 * np.cos(angle)
    a = 0.5 + 0.25 * np.sin(angle)
    edge = upper.at(t, a, 0.006)
    middle = edge.mean(0) + np.float32([0, -0.05, 0])
    s.add(sheet(np.stack([edge, edge * 0.5 + middle * 0.5, np.broadcast_to(middle, edge.shape)]), "dark"))
    s.tube(edge.tolist(), 0.016, "plain", n=8)


def _pump(s: Scene, p: Product, rng: Rng) -> None:
    heel = rng.uniform(0.26, 0.4)
    lift = _raised(heel)
    _sole(s, 0.02, lift, "trim", grow=0.004, top=0.025)
    _sole(s, 0.006, lift, "skin", grow=-0.012, top=0.032)
    sides = np.float32([0.02, 0.08, 0.1, 0.08, 0.075, 0.1, 0.16, 0.17, 0.16])
    upper = _Upper(sides, 0.025, lift, boxy=0.6)
    t, a = np.meshgrid(np.linspace(0, 0.28, 12), np.linspace(0, 1, 19), indexing="ij")
    s.add(sheet(upper.at(t, a)))
    t = np.linspace(0.27, 1, 22)
    for side in (-1, 1):
        low = np.stack([t - 0.5, 0.025 + lift(t), side * _half(t)], -1)
        high = low + np.stack([0 * t, np.interp(t, _AT, sides), -side * 0.012 * np.ones_like(t)], -1)
        s.add(sheet(np.stack([low, (low + high) / 2 + np.float32([0, 0, side * 0.006]), high])))
    s.tube([(0.4, heel + 0.04, 0), (0.43, heel * 0.6, 0), (0.43, 0, 0)], [0.075, 0.035, 0.024], "trim", smooth=True)
    if "contrast stripe" in p.features:
        upper.patch(s, "second", (0.2, 0.26), (0.0, 1.0), 0.006)
    if "toe cap" in p.features:
        upper.patch(s, "trim", (0.0, 0.13), (0.0, 1.0), 0.006)
    s.pitch = 14


def boot(s: Scene, p: Product, rng: Rng) -> None:
    """Boots: a closed foot and a shaft."""
    s.yaw, s.pitch, s.fill = float(rng.uniform(16, 34)), 11, 0.9
    thick = {"combat": 0.09, "rain": 0.06}.get(p.shape, 0.05)
    top = {"knee": rng.uniform(0.95, 1.1), "rain": 0.78, "ankle": 0.5, "chelsea": 0.55, "combat": 0.66}[p.shape]
    heel = 0.07 if p.shape in ("ankle", "knee") else 0.0
    lift = _raised(heel)
    upper = _Upper(np.float32([0.02, 0.1, 0.14, 0.19, 0.3, 0.34, 0.32, 0.3, 0.24]), thick, lift)
    _sole(s, thick, lift, "trim", grow=0.02, top=thick)
    t, a = np.meshgrid(np.linspace(0, 1, 30), np.linspace(0, 1, 19), indexing="ij")
    s.add(sheet(upper.at(t, a)))
    s.box((0.38, (thick + heel) / 2, 0), (0.23, thick + heel, 0.22), "trim", r=0.01)
    back = thick + heel
    rows, wide = np.linspace(0, 1, 8), 1.15 if p.shape in ("rain", "knee") else 1.0
    rings = []
    for v in rows:
        y = back + 0.1 + v * (top - 0.1)
        rx = np.interp(v, [0, 0.3, 0.7, 1], [0.2, 0.155, 0.155 * wide, 0.165 * wide])
        rz = np.interp(v, [0, 0.3, 0.7, 1], [0.115, 0.115, 0.13 * wide, 0.145 * wide])
        angle = np.linspace(0, 2 * np.pi, 29)
        rings.append(np.stack([0.31 - 0.01 * v + rx * np.cos(angle), np.full(29, y) + 0.02 * v * np.cos(angle + np.pi), rz * np.sin(angle)], -1))
    s.loft(np.stack(rings), caps=False)
    rim = rings[-1]
    middle = rim.mean(0)
    s.add(sheet(np.stack([rim * 0.93 + middle * 0.07, rim * 0.85 + middle * 0.15 - [0, 0.12, 0], np.broadcast_to(middle - [0, 0.2, 0], rim.shape)]), "dark"))
    s.tube(rim.tolist(), 0.012, "plain" if p.shape != "rain" else "trim", n=6)
    _boot_details(s, p, upper, rings, back)


def _boot_details(s: Scene, p: Product, upper: _Upper, rings: list[Array], back: float) -> None:
    """Laces, elastic, straps and cuffs."""
    if p.shape == "combat":
        for row in rings[1:]:
            front = row.min(0)
            s.tube([(front[0] + 0.02, front[1] + 0.02, 0.07), (front[0] - 0.012, front[1] + 0.03, 0), (front[0] + 0.02, front[1] + 0.02, -0.07)], 0.012, "lace", n=6)
        _laces(s, upper, 0.34, 0.48, 3)
        upper.patch(s, "shadow", (0.17, 0.182), (0.05, 0.95), 0.005)
    if p.shape == "chelsea":
        for side in (-1, 1):
            points = [[(0.31 + dx, back + y, side * (0.128 + 0.012 * y)) for y in np.linspace(0.16, 0.56, 5)] for dx in (-0.055, 0, 0.055)]
            grid = np.float32(points)
            grid[[0, 2], :, 2] -= side * 0.006
            grid[[0, 2], 0, 0] *= np.float32([1.1, 0.9])
            s.add(sheet(grid, "dark"))
    if p.shape == "rain":
        s.tube((rings[-2] + (rings[-2] - rings[-2].mean(0)) * 0.02).tolist(), 0.016, "trim", n=6)
    if "buckle strap" in p.features:
        row = rings[2]
        wide = row + (row - row.mean(0)) * 0.06
        s.tube(wide.tolist(), 0.03, "dark", n=8, flat=0.4, up=(0, 0, 1))
        s.box((0.26, float(row[:, 1].mean()), 0.132), (0.075, 0.075, 0.015), "gold", r=0.006)
    if "fur cuff" in p.features:
        for y in (0.0, -0.06):
            grown = rings[-1] + (rings[-1] - rings[-1].mean(0)) * 0.06 + np.float32([0, y, 0])
            s.tube(grown.tolist(), 0.042, "fluff", n=9)


def sandal(s: Scene, p: Product, rng: Rng) -> None:
    """Sandals, a pair where they are flat; the sole takes the trim."""
    s.yaw, s.pitch, s.fill = float(rng.uniform(22, 40)), 36, 0.92
    if p.shape in ("flipflop", "slide"):
        for z in (-0.2, 0.2):
            _sandal(s, p, rng, z, _flat, 0.05)
    elif p.shape == "wedge":
        lift = _raised(0.22)
        _wedge_fill(s, lift)
        _sandal(s, p, rng, 0.0, lift, 0.03)
        s.pitch = 20
    else:
        _sandal(s, p, rng, 0.0, _flat, 0.035)
        s.pitch = 24


def _wedge_fill(s: Scene, lift: Callable[[Array], Array]) -> None:
    t = np.concatenate([np.linspace(0, 1, 17), np.linspace(1, 0, 17)])
    side = np.concatenate([np.ones(17), -np.ones(17)])
    rings = [np.stack([t - 0.5, share * (lift(t) + 0.02), side * _half(t)], -1) for share in (0.0, 0.5, 1.0)]
    s.loft(np.stack(rings), "trim")


def _strap(s: Scene, t: float, z: float, lift: Callable[[Array], Array], high: float, wide: float, slant: float = 0.0, slot: str = "main") -> None:
    a = np.linspace(0, np.pi, 11)
    half = float(_half(np.float32(t)))
    tt = t + slant * np.cos(a)
    path = np.stack([tt - 0.5, 0.05 + lift(tt) + high * np.sin(a) ** 0.8, z + half * np.cos(a)], -1)
    grid = np.stack([path + np.float32([d, 0, 0]) * wide for d in (-0.5, -0.25, 0.25, 0.5)])
    grid[[0, 3], :, 1] -= 0.008
    s.add(sheet(grid, slot))


def _sandal(s: Scene, p: Product, rng: Rng, z: float, lift: Callable[[Array], Array], thick: float) -> None:
    top = thick + 0.02
    _sole(s, thick, lift, "trim", z=z, top=top)
    _sole(s, 0.008, lift, "plain" if p.shape != "flipflop" else "main", grow=-0.012, z=z, top=top + 0.008)
    if p.shape == "flipflop":
        for side in (-1, 1):
            s.tube([(-0.27, top, z), (-0.2, top + 0.075, z + side * 0.035), (0.0, top + 0.05, z + side * 0.125)], [0.02, 0.03, 0.022], "second" if p.pattern else "plain",
                   flat=0.6, smooth=True)
    elif p.shape == "slide":
        _strap(s, 0.34, z, lift, 0.13, 0.26)
    else:
        for t, slant in ((0.2, 0.03), (0.31, -0.05), (0.42, 0.05)):
            _strap(s, t, z, lift, 0.11, 0.05, slant)
        y = 0.05 + float(lift(np.float32(0.85)))
        angle = np.linspace(0, 2 * np.pi, 25)
        loop = np.stack([0.3 + 0.16 * np.cos(angle), y + 0.17 + 0.05 * np.cos(angle + np.pi), z + 0.1 * np.sin(angle)], -1)
        s.add(sheet(np.stack([loop, loop + np.float32([0, 0.045, 0])])))
        for side in (-1, 1):
            s.tube([(0.36, y, z + side * 0.1), (0.36, y + 0.19, z + side * 0.095)], 0.022, flat=0.4, up=(0, 0, 1))
    if "buckle strap" in p.features:
        if p.shape in ("flipflop", "slide"):
            _strap(s, 0.56, z, lift, 0.135, 0.08, slot="plain")
            s.box((0.06, 0.12, z + 0.115), (0.06, 0.06, 0.02), "gold", r=0.006)
        else:
            s.box((0.2, 0.05 + float(lift(np.float32(0.85))) + 0.22, z + 0.075), (0.065, 0.07, 0.02), "gold", r=0.006)
