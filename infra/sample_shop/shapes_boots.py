"""Boots and sandals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import Array, vec
from .designs import Product
from .mesh import Scene, sheet
from .shapes_footwear import Upper, flat, half_width, laces, raised, sole

Rng = np.random.Generator


def boot(s: Scene, p: Product, rng: Rng) -> None:
    """Boots: a closed foot and a shaft."""
    s.yaw, s.pitch, s.fill = float(rng.uniform(16, 34)), 11, 0.9
    thick = {"combat": 0.09, "rain": 0.06}.get(p.shape, 0.05)
    top = {"knee": rng.uniform(1.15, 1.3), "rain": 0.78, "ankle": 0.5, "chelsea": 0.55, "combat": 0.66}[p.shape]
    heel = 0.07 if p.shape in ("ankle", "knee") else 0.0
    lift = raised(heel)
    upper = Upper(vec([0.02, 0.1, 0.14, 0.19, 0.3, 0.34, 0.32, 0.3, 0.24]), thick, lift)
    sole(s, thick, lift, "trim", grow=0.02, top=thick)
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
        rings.append(
            np.stack(
                [
                    0.31 - 0.01 * v + rx * np.cos(angle),
                    np.full(29, y) + 0.02 * v * np.cos(angle + np.pi),
                    rz * np.sin(angle),
                ],
                -1,
            )
        )
    s.loft(np.stack(rings), caps=False)
    rim = rings[-1]
    middle = rim.mean(0)
    s.add(
        sheet(
            np.stack(
                [
                    rim * 0.93 + middle * 0.07,
                    rim * 0.85 + middle * 0.15 - [0, 0.12, 0],
                    np.broadcast_to(middle - [0, 0.2, 0], rim.shape),
                ]
            ),
            "dark",
        )
    )
    s.tube(rim.tolist(), 0.012, "plain" if p.shape != "rain" else "trim", n=6)
    _boot_details(s, p, upper, rings, back)


def _boot_details(s: Scene, p: Product, upper: Upper, rings: list[Array], back: float) -> None:
    """Laces, elastic, straps and cuffs."""
    if p.shape == "combat":
        for row in rings[1:]:
            front = row.min(0)
            s.tube(
                [
                    (front[0] + 0.02, front[1] + 0.02, 0.07),
                    (front[0] - 0.012, front[1] + 0.03, 0),
                    (front[0] + 0.02, front[1] + 0.02, -0.07),
                ],
                0.012,
                "lace",
                n=6,
            )
        laces(s, upper, 0.34, 0.48, 3)
        upper.patch(s, "shadow", (0.17, 0.182), (0.05, 0.95), 0.005)
    if p.shape == "chelsea":
        for side in (-1, 1):
            points = [
                [(0.31 + dx, back + y, side * (0.128 + 0.012 * y)) for y in np.linspace(0.16, 0.56, 5)]
                for dx in (-0.055, 0, 0.055)
            ]
            grid = vec(points)
            grid[[0, 2], :, 2] -= side * 0.006
            grid[[0, 2], 0, 0] *= vec([1.1, 0.9])
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
            grown = rings[-1] + (rings[-1] - rings[-1].mean(0)) * 0.06 + vec([0, y, 0])
            s.tube(grown.tolist(), 0.042, "fluff", n=9)


def sandal(s: Scene, p: Product, rng: Rng) -> None:
    """Sandals, a pair where they are flat; the sole takes the trim."""
    s.yaw, s.pitch, s.fill = float(rng.uniform(22, 40)), 36, 0.92
    if p.shape in ("flipflop", "slide"):
        for z in (-0.2, 0.2):
            _sandal(s, p, rng, z, flat, 0.05)
    elif p.shape == "wedge":
        lift = raised(0.22)
        _wedge_fill(s, lift)
        _sandal(s, p, rng, 0.0, lift, 0.03)
        s.pitch = 20
    else:
        _sandal(s, p, rng, 0.0, flat, 0.035)
        s.pitch = 24


def _wedge_fill(s: Scene, lift: Callable[[Array], Array]) -> None:
    t = np.concatenate([np.linspace(0, 1, 17), np.linspace(1, 0, 17)])
    side = np.concatenate([np.ones(17), -np.ones(17)])
    rings = [np.stack([t - 0.5, share * (lift(t) + 0.02), side * half_width(t)], -1) for share in (0.0, 0.5, 1.0)]
    s.loft(np.stack(rings), "trim")


def _strap(
    s: Scene,
    t: float,
    z: float,
    lift: Callable[[Array], Array],
    high: float,
    wide: float,
    slant: float = 0.0,
    slot: str = "main",
) -> None:
    a = np.linspace(0, np.pi, 11)
    half = float(half_width(vec(t)))
    tt = t + slant * np.cos(a)
    path = np.stack([tt - 0.5, 0.05 + lift(tt) + high * np.sin(a) ** 0.8, z + half * np.cos(a)], -1)
    grid = np.stack([path + vec([d, 0, 0]) * wide for d in (-0.5, -0.25, 0.25, 0.5)])
    grid[[0, 3], :, 1] -= 0.008
    s.add(sheet(grid, slot))


def _sandal(s: Scene, p: Product, rng: Rng, z: float, lift: Callable[[Array], Array], thick: float) -> None:
    top = thick + 0.02
    sole(s, thick, lift, "trim", z=z, top=top)
    sole(s, 0.008, lift, "plain" if p.shape != "flipflop" else "main", grow=-0.012, z=z, top=top + 0.008)
    if p.shape == "flipflop":
        for side in (-1, 1):
            s.tube(
                [(-0.27, top, z), (-0.2, top + 0.075, z + side * 0.035), (0.0, top + 0.05, z + side * 0.125)],
                [0.02, 0.03, 0.022],
                "second" if p.pattern else "plain",
                flat=0.6,
                smooth=True,
            )
    elif p.shape == "slide":
        _strap(s, 0.34, z, lift, 0.13, 0.26)
    else:
        for t, slant in ((0.2, 0.03), (0.31, -0.05), (0.42, 0.05)):
            _strap(s, t, z, lift, 0.11, 0.05, slant)
        y = 0.05 + float(lift(vec(0.85)))
        angle = np.linspace(0, 2 * np.pi, 25)
        loop = np.stack(
            [0.3 + 0.16 * np.cos(angle), y + 0.17 + 0.05 * np.cos(angle + np.pi), z + 0.1 * np.sin(angle)], -1
        )
        s.add(sheet(np.stack([loop, loop + vec([0, 0.045, 0])])))
        for side in (-1, 1):
            s.tube([(0.36, y, z + side * 0.1), (0.36, y + 0.19, z + side * 0.095)], 0.022, flat=0.4, up=(0, 0, 1))
    if "buckle strap" in p.features:
        if p.shape in ("flipflop", "slide"):
            _strap(s, 0.56, z, lift, 0.135, 0.08, slot="plain")
            s.box((0.06, 0.12, z + 0.115), (0.06, 0.06, 0.02), "gold", r=0.006)
        else:
            s.box((0.2, 0.05 + float(lift(vec(0.85))) + 0.22, z + 0.075), (0.065, 0.07, 0.02), "gold", r=0.006)
