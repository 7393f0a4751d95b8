"""Feet, and the shoes on them, toes to the left."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import Array, vec
from .designs import Product
from .mesh import Scene, sheet

Rng = np.random.Generator
ALONG = (0, 0.04, 0.12, 0.3, 0.5, 0.72, 0.9, 0.97, 1.0)  # along the foot, toe to heel
_HALF = (0.0, 0.065, 0.125, 0.165, 0.14, 0.115, 0.115, 0.085, 0.0)  # half width there


def half_width(t: Array) -> Array:
    """Half the width of the sole at ``t`` along it, from heel (0) to toe (1)."""
    return np.interp(t, ALONG, _HALF)


def sole(
    s: Scene,
    thick: float,
    lift: Callable[[Array], Array],
    slot: str,
    grow: float = 0.012,
    z: float = 0.0,
    top: float = 0.0,
) -> None:
    """A foot-shaped slab whose upper side follows `lift` + top."""
    t = np.concatenate([np.linspace(0, 1, 17), np.linspace(1, 0, 17)])
    side = np.concatenate([np.ones(17), -np.ones(17)])
    width = np.maximum(half_width(t), 0.0) + grow * (t > 0.0) * (t < 1.0)
    x, zz = t * 1.0 - 0.5, side * width
    rings = [np.stack([x, lift(t) + y, zz], -1) for y in (top - thick, top - thick * 0.1, top)]
    s.loft(np.stack(rings), slot).move(z=z)


class Upper:
    """The closed upper of a shoe as a function of place: t toe to heel, a 0..1 from the near side to the far one."""

    def __init__(self, heights: Array, base: float, lift: Callable[[Array], Array], boxy: float = 0.8) -> None:
        self.heights, self.base, self.lift, self.boxy = heights, base, lift, boxy

    def at(self, t: Array, a: Array, off: float = 0.0) -> Array:
        """Points of the surface, `off` outside of it."""
        angle = a * np.pi
        width, height = half_width(t) + off, np.interp(t, ALONG, self.heights) + off
        cos, sin = np.cos(angle), np.sin(angle)
        z = width * np.sign(cos) * np.abs(cos) ** self.boxy
        y = self.base + self.lift(t) + height * np.abs(sin) ** 0.85
        return np.stack([t - 0.5, y, z], -1)

    def patch(
        self,
        s: Scene,
        slot: str,
        t: tuple[float, float],
        a: tuple[float, float],
        off: float = 0.004,
        n: tuple[int, int] = (8, 12),
        slant: float = 0.0,
    ) -> None:
        """A piece of the surface, for toe caps, stripes and the like."""
        tt, aa = np.meshgrid(np.linspace(*t, n[0]), np.linspace(*a, n[1]), indexing="ij")
        s.add(sheet(self.at(tt + slant * (aa - 0.5), aa, off), slot))


def flat(t: Array) -> Array:
    """A sole that lies on the ground, the toe a little up."""
    return 0.03 * np.clip(0.18 - np.asarray(t), 0, 1) / 0.18


def raised(heel: float) -> Callable[[Array], Array]:
    """Height of the sole along it, under a heel so high."""

    def lift(t: Array) -> Array:
        u = np.clip((np.asarray(t) - 0.3) / 0.5, 0, 1)
        return heel * u * u * (3 - 2 * u)

    return lift


def laces(s: Scene, upper: Upper, start: float, end: float, n: int, slot: str = "lace") -> None:
    """Draw ``n`` laces across the upper, between ``start`` and ``end`` along it."""
    for t in np.linspace(start, end, n):
        a = np.linspace(0.36, 0.64, 7)
        s.tube(upper.at(np.full(7, t) + 0.02 * np.sin(a * 9), a, 0.012).tolist(), 0.011, slot, n=6)


_LOW = vec([0.02, 0.09, 0.12, 0.16, 0.25, 0.22, 0.25, 0.24, 0.2])
_HIGH = vec([0.02, 0.09, 0.13, 0.18, 0.32, 0.46, 0.48, 0.46, 0.4])


def shoe(s: Scene, p: Product, rng: Rng) -> None:
    """Running shoes, loafers, oxfords, high tops, slip-ons and pumps; the sole takes the trim."""
    s.yaw, s.pitch, s.fill, s.pattern_scale = float(rng.uniform(14, 32)), 17, 0.9, 1.1
    if p.shape == "pump":
        _pump(s, p, rng)
        return
    thick = {"running": rng.uniform(0.08, 0.11), "hightop": 0.06, "slipon": 0.06}.get(p.shape, 0.035)
    heights = _HIGH if p.shape == "hightop" else _LOW * (0.88 if p.shape in ("loafer", "slipon") else 1.0)
    upper = Upper(heights, thick, flat)
    sole(s, thick, flat, "trim", grow=0.018 if thick > 0.05 else 0.012, top=thick)
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
        laces(s, upper, 0.34, end - 0.01, 4 if p.shape != "hightop" else 6, "lace" if p.shape != "oxford" else "dark")
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
                upper.patch(
                    s, "second", (0.45 + shift, 0.49 + shift), side, 0.007, slant=0.25 if side[0] < 0.5 else -0.25
                )
    if "toe cap" in p.features:
        upper.patch(s, "trim", (0.0, 0.17), (0.0, 1.0), 0.006)


def _opening(s: Scene, upper: Upper, start: float, end: float) -> None:
    """The dark inside of the shoe and its padded edge, laid over the top of the upper."""
    angle = np.linspace(0, 2 * np.pi, 29)
    t = (start + end) / 2 + (end - start) / 2 * np.cos(angle)
    a = 0.5 + 0.25 * np.sin(angle)
    edge = upper.at(t, a, 0.006)
    middle = edge.mean(0) + vec([0, -0.05, 0])
    s.add(sheet(np.stack([edge, edge * 0.5 + middle * 0.5, np.broadcast_to(middle, edge.shape)]), "dark"))
    s.tube(edge.tolist(), 0.016, "plain", n=8)


def _pump(s: Scene, p: Product, rng: Rng) -> None:
    heel = rng.uniform(0.26, 0.4)
    lift = raised(heel)
    sole(s, 0.02, lift, "trim", grow=0.004, top=0.025)
    sole(s, 0.006, lift, "skin", grow=-0.012, top=0.032)
    sides = vec([0.02, 0.08, 0.1, 0.08, 0.075, 0.1, 0.16, 0.17, 0.16])
    upper = Upper(sides, 0.025, lift, boxy=0.6)
    t, a = np.meshgrid(np.linspace(0, 0.28, 12), np.linspace(0, 1, 19), indexing="ij")
    s.add(sheet(upper.at(t, a)))
    t = np.linspace(0.27, 1, 22)
    for side in (-1, 1):
        low = np.stack([t - 0.5, 0.025 + lift(t), side * half_width(t)], -1)
        high = low + np.stack([0 * t, np.interp(t, ALONG, sides), -side * 0.012 * np.ones_like(t)], -1)
        s.add(sheet(np.stack([low, (low + high) / 2 + vec([0, 0, side * 0.006]), high])))
    s.tube([(0.4, heel + 0.04, 0), (0.43, heel * 0.6, 0), (0.43, 0, 0)], [0.075, 0.035, 0.024], "trim", smooth=True)
    if "contrast stripe" in p.features:
        upper.patch(s, "second", (0.2, 0.26), (0.0, 1.0), 0.006)
    if "toe cap" in p.features:
        upper.patch(s, "trim", (0.0, 0.13), (0.0, 1.0), 0.006)
    s.pitch = 14
