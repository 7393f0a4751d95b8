"""Which function shapes which product type."""

from __future__ import annotations

from .designs import Product
from .mesh import Scene


def build_scene(product: Product) -> Scene:
    """The geometry of a product."""
    scene = Scene()
    scene.lathe([(0, 0), (.35, 0), (.5, .3), (.3, .8), (.35, 1), (.3, 1), (.25, .8)], smooth=True)
    return scene
