"""Images on products: art prints, clock dials, watch faces and what a mirror shows."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from .arrays import Array

RGB = tuple[int, int, int]
_SIZE = 160
_ROMAN = ("XII", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI")
_ACCENTS: tuple[RGB, ...] = (
    (224, 122, 95),
    (61, 64, 91),
    (129, 178, 154),
    (242, 204, 143),
    (38, 70, 83),
    (231, 111, 81),
    (120, 80, 140),
)


def _array(image: Image.Image) -> Array:
    return np.asarray(image.resize((_SIZE // 2, _SIZE // 2), Image.Resampling.LANCZOS), np.float32) / 255


def _palette(main: RGB, rng: np.random.Generator) -> list[RGB]:
    """The product's colour first, then three accents."""
    picked = [_ACCENTS[i] for i in rng.permutation(len(_ACCENTS))[:3]]
    return [main, *picked]


def print_image(kind: str, main: RGB, rng: np.random.Generator) -> Array:
    """An art print (h, w, 3), 0..1, of one of the kinds of WALL_ART."""
    image = Image.new("RGB", (_SIZE, _SIZE), (246, 241, 232))
    pen = ImageDraw.Draw(image)
    painter = {
        "geometricprint": _geometric,
        "botanical": _botanical,
        "landscape": _landscape,
        "abstract": _circles,
        "lineart": _sunset,
    }[kind]
    painter(pen, _palette(main, rng), rng)
    return _array(image)


def _geometric(pen: ImageDraw.ImageDraw, colors: list[RGB], rng: np.random.Generator) -> None:
    n = int(rng.integers(3, 5))
    side = _SIZE / n
    for row in range(n):
        for column in range(n):
            x, y, color = column * side, row * side, colors[int(rng.integers(4))]
            corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
            if rng.random() < 0.5:
                skip = int(rng.integers(4))
                pen.polygon([c for i, c in enumerate(corners) if i != skip], fill=color)
            else:
                pen.rectangle([x, y, x + side, y + side], fill=colors[int(rng.integers(4))])


def _botanical(pen: ImageDraw.ImageDraw, colors: list[RGB], rng: np.random.Generator) -> None:
    green = (58, 104, 62)
    pen.line([(80, 152), (80, 14)], fill=green, width=4)
    for i in range(7):
        y, long = 132 - i * 17, 50 - abs(i - 2) * 5
        for side in (-1, 1):
            tip = (80 + side * long, y - 26)
            pen.polygon(
                [(80, y), (80 + side * long * 0.45, y - 26), tip, (80 + side * long * 0.6, y - 4)],
                fill=green if (i + side) % 3 else colors[0],
            )


def _landscape(pen: ImageDraw.ImageDraw, colors: list[RGB], rng: np.random.Generator) -> None:
    for y in range(_SIZE):
        pen.line([(0, y), (_SIZE, y)], fill=(150 + y // 2, 190 + y // 4, 226))
    for layer in range(3):
        base, tone = 78 + layer * 26, 1 - 0.26 * layer
        points = [(x, base + (-1) ** i * rng.uniform(8, 26)) for i, x in enumerate(range(-20, 200, 32))]
        pen.polygon([*points, (_SIZE + 20, _SIZE), (-20, _SIZE)], fill=tuple(int(c * tone) for c in colors[0]))


def _circles(pen: ImageDraw.ImageDraw, colors: list[RGB], rng: np.random.Generator) -> None:
    for i in range(7):
        x, y, r = rng.uniform(20, 140), rng.uniform(20, 140), rng.uniform(14, 42)
        pen.ellipse(
            [x - r, y - r, x + r, y + r], fill=colors[i % 4] if i % 3 else None, outline=colors[(i + 1) % 4], width=4
        )
    pen.ellipse([50, 50, 116, 116], fill=colors[0])


def _sunset(pen: ImageDraw.ImageDraw, colors: list[RGB], rng: np.random.Generator) -> None:
    pen.rectangle([0, 0, _SIZE, _SIZE], fill=(250, 226, 196))
    pen.ellipse([42, 30, 118, 106], fill=(236, 112, 60))
    for i in range(4):
        y = 84 + i * 20
        pen.rectangle([0, y, _SIZE, y + 20], fill=tuple(int(c * (1 - 0.14 * i)) for c in colors[0]))
        pen.line([(10 * i, y + 6), (_SIZE - 18 * i, y + 6)], fill=(250, 226, 196), width=2)


def dial_image(ground: RGB, roman: bool, style: int, square: bool = False) -> Array:
    """A clock face (h, w, 3), 0..1: numerals, bars or dots on `ground`."""
    image = Image.new("RGB", (_SIZE, _SIZE), ground)
    pen = ImageDraw.Draw(image)
    ink = (246, 246, 246) if sum(ground) < 330 else (26, 26, 28)
    middle = _SIZE / 2
    for hour in range(60):
        angle = hour * np.pi / 30
        x, y = np.sin(angle), -np.cos(angle)
        stretch = min(1 / max(abs(x), abs(y)), 1.3) if square else 1.0
        if hour % 5:
            if style != 1:
                pen.point([(middle + x * 70 * stretch, middle + y * 70 * stretch)], fill=ink)
            continue
        inner, outer = (46 if style == 1 else 58) * stretch, 72 * stretch
        if roman or style == 0:
            text = _ROMAN[hour // 5] if roman else str(hour // 5 or 12)
            pen.text(
                (middle + x * 58 * stretch, middle + y * 58 * stretch),
                text,
                fill=ink,
                anchor="mm",
                font_size=19 if roman else 24,
            )
        elif style == 1:
            pen.line(
                [(middle + x * inner, middle + y * inner), (middle + x * outer, middle + y * outer)], fill=ink, width=6
            )
        else:
            r = 6 if hour % 15 == 0 else 4
            pen.ellipse(
                [
                    middle + x * 64 * stretch - r,
                    middle + y * 64 * stretch - r,
                    middle + x * 64 * stretch + r,
                    middle + y * 64 * stretch + r,
                ],
                fill=ink,
            )
    return _array(image)


def watch_image(ground: RGB, chronograph: bool, rng: np.random.Generator) -> Array:
    """A watch face with hands (h, w, 3), 0..1."""
    image = Image.new("RGB", (_SIZE, _SIZE), ground)
    pen = ImageDraw.Draw(image)
    ink = (246, 246, 246) if sum(ground) < 380 else (26, 26, 28)
    if chronograph:
        for x, y in ((54, 84), (106, 84), (80, 114)):
            pen.ellipse([x - 17, y - 17, x + 17, y + 17], outline=ink, width=4)
    for hour in range(12):
        x, y = np.sin(hour * np.pi / 6), -np.cos(hour * np.pi / 6)
        pen.line([(80 + x * 56, 80 + y * 56), (80 + x * 72, 80 + y * 72)], fill=ink, width=8 if hour % 3 == 0 else 5)
    for angle, long, wide in ((rng.uniform(0, 6.28), 34, 9), (rng.uniform(0, 6.28), 54, 6)):
        pen.line([(80, 80), (80 + np.sin(angle) * long, 80 - np.cos(angle) * long)], fill=ink, width=wide)
    return _array(image)


def digital_image(ground: RGB, rng: np.random.Generator) -> Array:
    """A digital watch display (h, w, 3), 0..1."""
    image = Image.new("RGB", (_SIZE, _SIZE), ground)
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle([14, 34, 146, 126], 10, fill=(168, 190, 160))
    pen.text(
        (80, 82),
        f"{int(rng.integers(1, 13))}:{int(rng.integers(10, 60))}",
        fill=(20, 26, 20),
        anchor="mm",
        font_size=52,
    )
    return _array(image)


def reflection(rng: np.random.Generator) -> Array:
    """What a mirror on a wall shows: a pale room with slanting light (h, w, 3), 0..1."""
    y, x = np.mgrid[0:96, 0:96].astype(np.float32) / 95
    shift = float(rng.uniform(-0.2, 0.2))
    streak = np.exp(-(((x + y - 0.85 - shift) / 0.09) ** 2)) + 0.7 * np.exp(-(((x + y - 1.12 - shift) / 0.045) ** 2))
    tone = 0.78 + 0.1 * (1 - y) + 0.16 * streak
    return np.clip(np.stack([tone * 0.93, tone * 0.98, tone * 1.02], -1), 0, 1).astype(np.float32)
