"""Tileable brightness textures, one for each kind of surface: wood grain, weave, knit, leather, marble and so on."""

from __future__ import annotations

from functools import cache

import numpy as np

from .arrays import Array

TILE = 128  # texels along each side
TILES_PER_UNIT = 1.45  # how often a tile repeats over the size of the product
Texture = Array


def _noise(seed: int, x_scale: float, y_scale: float) -> Texture:
    """Smooth tileable noise of unit spread; scales are the feature sizes in texels."""
    white = np.random.default_rng([seed, 77]).standard_normal((TILE, TILE))
    fy, fx = np.fft.fftfreq(TILE)[:, None], np.fft.fftfreq(TILE)[None, :]
    soft = np.fft.ifft2(np.fft.fft2(white) * np.exp(-((fx * x_scale) ** 2 + (fy * y_scale) ** 2) * 8)).real
    return (soft / max(float(soft.std()), 1e-9)).astype(np.float32)


def _emboss(height: Texture, strength: float) -> Texture:
    """Light falling from the upper left on a relief, around 1."""
    slope = height - np.roll(height, (1, 1), (0, 1))
    return 1 + strength * slope / max(float(slope.std()), 1e-9)


def _grid() -> tuple[Texture, Texture]:
    y, x = np.mgrid[0:TILE, 0:TILE].astype(np.float32)
    return x, y


def _wood() -> Texture:
    _, y = _grid()
    wave = np.sin(2 * np.pi * (y / 16) + 1.6 * _noise(1, 60, 10))
    return 1 + 0.10 * wave * (0.6 + 0.4 * _noise(2, 40, 8)) + 0.05 * _noise(3, 30, 1.2)


def _planks() -> Texture:
    _, y = _grid()
    board = np.floor(y / 32)
    tone = np.sin(board * 12.9) * 0.14
    return np.where(y % 32 < 2, 0.55, 1 + tone + 0.14 * _noise(4, 40, 2) + 0.06 * _noise(5, 3, 3)).astype(np.float32)


def _bamboo() -> Texture:
    x, y = _grid()
    return np.where(
        (x + 37 * np.floor(y / 16)) % 64 < 2,
        0.75,
        1 + 0.08 * np.sin(np.floor(y / 16) * 5) - 0.22 * (y % 16 < 1) + 0.04 * _noise(6, 30, 1.5),
    ).astype(np.float32)


def _weave(step: int, depth: float) -> Texture:
    x, y = _grid()
    over = ((x // step + y // step) % 2).astype(bool)
    bump = np.where(over, np.sin(np.pi * (x % step + 0.5) / step), np.sin(np.pi * (y % step + 0.5) / step))
    return (1 - depth + 2 * depth * bump + 0.03 * _noise(7, 3, 3)).astype(np.float32) - depth * 0.3


def _basket(step: int, depth: float) -> Texture:
    """Broad strands passing over and under each other."""
    x, y = _grid()
    column, row = x // step, y // (step / 2)
    over = (column + row) % 2
    bump = np.sin(np.pi * (x % step + 0.5) / step) * np.sin(np.pi * (y % (step / 2) + 0.5) / (step / 2))
    return (1 - depth + depth * 1.4 * bump * (0.55 + 0.45 * over) + 0.04 * _noise(8, 2, 2)).astype(np.float32)


def _knit() -> Texture:
    x, y = _grid()
    phase = (y + np.abs(x % 16 - 8) * 1.1) % 8
    return (0.72 + 0.36 * np.sin(np.pi * phase / 8) - 0.22 * (x % 16 < 1.5)).astype(np.float32)


def _denim() -> Texture:
    x, y = _grid()
    return (1 + 0.10 * np.sin(2 * np.pi * (x + y) / 8) + 0.04 * _noise(9, 2, 2)).astype(np.float32)


def _mesh() -> Texture:
    x, y = _grid()
    hole = (np.cos(2 * np.pi * x / 8) + np.cos(2 * np.pi * (y + 4 * ((x // 8) % 2)) / 8)) > 0.7
    return np.where(hole, 0.5, 1.05).astype(np.float32)


def _marble() -> Texture:
    vein = np.exp(-np.abs(_noise(10, 34, 26) + 0.3 * _noise(11, 10, 10)) * 9)
    fine = np.exp(-np.abs(_noise(12, 20, 30)) * 16)
    return (1.04 - 0.42 * vein - 0.2 * fine + 0.03 * _noise(13, 20, 20)).astype(np.float32)


def _speckle() -> Texture:
    return np.where(_noise(14, 1.6, 1.6) > 1.9, 0.6, 1 + 0.03 * _noise(15, 8, 8)).astype(np.float32)


def _cork() -> Texture:
    return np.where(_noise(16, 3, 3) > 1.2, 0.72, 1 + 0.09 * _noise(17, 2, 2)).astype(np.float32)


def _carbon() -> Texture:
    x, y = _grid()
    return np.where(((x // 8 + y // 8) % 2) > 0, 1.25 - 0.05 * (y % 8), 0.62 + 0.05 * (x % 8)).astype(np.float32)


def _hammered() -> Texture:
    return _emboss(np.abs(_noise(18, 9, 9)), 0.11)


@cache
def texture(name: str) -> Texture:
    """The brightness tile (TILE, TILE) of a texture, mean about 1."""
    makers = {
        "wood": _wood,
        "planks": _planks,
        "bamboo": _bamboo,
        "knit": _knit,
        "denim": _denim,
        "mesh": _mesh,
        "marble": _marble,
        "speckle": _speckle,
        "cork": _cork,
        "carbon": _carbon,
        "hammered": _hammered,
        "leather": lambda: _emboss(np.abs(_noise(20, 3.2, 3.2)), 0.055),
        "suede": lambda: 1 + 0.035 * _noise(21, 2, 2) + 0.05 * _noise(22, 14, 14),
        "velvet": lambda: 1 + 0.09 * _noise(23, 22, 22) + 0.02 * _noise(24, 1, 1),
        "weave": lambda: _weave(4, 0.09) + 0.025 * _noise(25, 1, 8),
        "cotton": lambda: 1 + 0.02 * _noise(26, 1, 1),
        "canvas": lambda: _weave(6, 0.12),
        "nylon": lambda: _weave(3, 0.05),
        "wool": lambda: 1 + 0.13 * _noise(27, 2.2, 2.2),
        "fur": lambda: 1 + 0.2 * _noise(28, 1.6, 9),
        "rattan": lambda: _basket(16, 0.36),
        "wicker": lambda: _basket(24, 0.46),
        "straw": lambda: _basket(10, 0.26),
        "jute": lambda: _weave(10, 0.22),
        "clay": lambda: 1 + 0.05 * _noise(29, 3, 1.4) + 0.05 * _noise(30, 24, 24),
        "concrete": lambda: 1 + 0.07 * _noise(31, 2, 2) + 0.07 * _noise(32, 18, 18),
        "brushed": lambda: 1 + 0.07 * _noise(33, 40, 1),
    }
    made = makers[name]() if name in makers else np.ones((TILE, TILE))
    return np.clip(made, 0.25, 1.5).astype(np.float32)


def sample(name: str, uv: Texture) -> Texture:
    """Brightness at surface coordinates (n, 2) given in product sizes."""
    if name == "smooth":
        return np.ones(len(uv), np.float32)
    tile = texture(name)
    texel = (uv * np.float32(TILE * TILES_PER_UNIT)).astype(np.int32) % TILE
    return tile[texel[:, 1], texel[:, 0]]
