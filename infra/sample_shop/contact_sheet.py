"""A labelled sheet of random products, to judge the shop by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .designs import Product
from .render import render
from .shop import shop_on

_TILE, _LABEL = 128, 20


def write_contact_sheet(path: Path, items: int, seed: int, day: int, columns: int = 10, rows: int = 10) -> None:
    """Draw `columns` x `rows` random products of the shop into the image file `path`."""
    entries, _ = shop_on(day, items, seed)
    order = np.random.default_rng([seed, 103]).permutation(len(entries))[: columns * rows]
    draw_sheet(path, [entries[i].product for i in order], columns)


def draw_sheet(path: Path, products: list[Product], columns: int = 10) -> None:
    """Draw the main images of `products` with a line of text below each."""
    rows = -(-len(products) // columns)
    sheet = Image.new("RGB", (columns * _TILE, rows * (_TILE + _LABEL)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, product in enumerate(products):
        x, y = i % columns * _TILE, i // columns * (_TILE + _LABEL)
        sheet.paste(Image.fromarray(render(product, 0, 0, _TILE)), (x, y))
        name = f"{product.type[:10]} {product.shape}"
        pen.text((x + 2, y + _TILE), name, fill="black", font_size=9)
        detail = " ".join(filter(None, [product.color, product.material, product.pattern, product.trim]))
        pen.text((x + 2, y + _TILE + 9), detail[:30], fill="#555555", font_size=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
