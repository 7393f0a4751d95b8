"""A made-up shop of any size, and vectors shaped like CLIP's, for benchmarks that need size rather than sense."""

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

COLORS = ("black", "white", "red", "blue", "green", "grey", "yellow", "brown")
MATERIALS = ("cotton", "oak", "steel", "leather", "ceramic", "linen", "glass", "wool")
TYPES = ("mug", "chair", "lamp", "shirt", "boot", "bag", "vase", "sofa", "clock", "rug", "hat", "desk")
COLUMNS = ("id", "title", "image", "brand", "category", "product_type", "color", "material", "price", "description",
           "season", "warehouse", "rating")  # fmt: skip

_BLOCK = 32_768  # vectors made at once


def image_of(number: int) -> str:
    """Where the image of row ``number`` lies, relative to the table."""
    return f"images/{number % 256:02x}/{number:07}.jpg"


def listing(number: int) -> dict[str, Any]:
    """Row ``number`` of the shop; its image lies at ``image``. Three in a row are one design in three colours."""
    design = number // 3
    kind, material = TYPES[design % len(TYPES)], MATERIALS[design % 7]
    color, brand = COLORS[number % len(COLORS)], f"Brand {_word(design % 97)}"
    return {
        "id": f"{number:07}",
        "title": f"{brand} {_word(design)} {material} {kind}, {color}",
        "image": image_of(number),
        "brand": brand,
        "category": f"Home/{material}/{kind}s",
        "product_type": kind,
        "color": color,
        "material": material,
        "price": f"{5 + number % 400}.90",
        "description": f"A {color} {kind} of {material}, made to last. Washed by hand it keeps its colour for years.",
        "season": ("spring", "autumn")[number % 2],
        "warehouse": f"W{number % 40}",
        "rating": f"{1 + number % 5}",
    }


def write_table(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """The shop's table, as a csv file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def draw(number: int, side: int = 256) -> bytes:
    """A JPEG that no other ``number`` has: a few shapes on a soft background."""
    rng = np.random.default_rng(number)
    corners = rng.integers(120, 256, (2, 2, 3), dtype=np.uint8)
    image = Image.fromarray(corners).resize((side, side), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, width, height = (int(value) for value in rng.integers(0, side // 2, 4))
        paint = tuple(int(value) for value in rng.integers(0, 256, 3))
        (pen.ellipse if rng.random() < 0.5 else pen.rectangle)((x, y, x + width + 8, y + height + 8), fill=paint)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def photograph(number: int, sides: tuple[int, int] = (500, 1500)) -> bytes:
    """A JPEG that no other ``number`` has, as large and as costly to decode as a shop's own: a bit to a pixel."""
    rng = np.random.default_rng(number)
    width, height = (int(side) for side in rng.integers(*sides, 2))
    ground = Image.fromarray(rng.integers(90, 256, (5, 5, 3), dtype=np.uint8))
    pixels = np.array(ground.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    y, x = np.ogrid[:height, :width]
    product = (2 * x / width - 1) ** 2 + (2 * y / height - 1) ** 2 < 0.6
    grain = 10 * rng.standard_normal((height, width, 1), dtype=np.float32)  # as of cloth
    pixels += product[..., None] * (grain + rng.integers(-90, 30, 3))
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=85)
    return out.getvalue()


def placeholder(path: Path, at: float) -> None:
    """A file of one byte, last written ``at``: stands for an image that nobody is to read."""
    path.write_bytes(b"x")
    os.utime(path, (at, at))


def placeholder_sha256(number: int) -> str:
    """The hash that the stand-in of image ``number`` claims."""
    return hashlib.sha256(b"picture %d" % number).hexdigest()


def clip_like(count: int, dim: int, seed: int = 0, side: str = "image") -> np.ndarray:
    """float32 (count, dim), L2-normalised: rows of ``count`` things as CLIP's ``side`` ("image" or "text") sees them.

    What CLIP's vectors have and plain noise lacks: both sides lie in narrow cones of their own (the modality gap: mean
    cosine about .5 within a side, about .1 across), things come in clusters of unequal size, the spectrum decays, and
    row i of one side is nearer to row i of the other than to most.
    """
    return np.concatenate(list(clip_like_blocks(count, dim, seed, side)))


def clip_like_blocks(count: int, dim: int, seed: int = 0, side: str = "image") -> Iterator[np.ndarray]:
    """What `clip_like` gives, a block of rows after another: for more than memory holds."""
    shape, noise = np.random.default_rng(seed), np.random.default_rng([seed, 1 + (side == "text")])
    cones = _unit(shape.standard_normal((2, dim)))
    cones[1] = _unit(cones[1] + 0.3 * cones[0])
    clusters = max(2, int(np.sqrt(count)))
    spectrum = (1 + np.arange(dim)) ** -0.4
    centers = shape.standard_normal((clusters, dim)) * spectrum
    sizes = 1 / (1 + np.arange(clusters))
    all_members = shape.choice(clusters, size=count, p=sizes / sizes.sum())
    for start in range(0, count, _BLOCK):
        members = all_members[start : start + _BLOCK]
        things = centers[members] + 0.7 * shape.standard_normal((len(members), dim)) * spectrum
        strength = 1.0 if side == "text" else 0.2
        seen = _unit(things + strength * noise.standard_normal(things.shape) * spectrum)
        yield _unit(cones[int(side == "text")] + seen).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _word(number: int) -> str:
    """A word of syllables, another for each number."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    word = ""
    while True:
        number, rest = divmod(number, len(syllables))
        word += syllables[rest]
        if not number:
            return word.capitalize()
