"""Which function shapes which product type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import shapes_bags as bags
from . import shapes_bedroom as bedroom
from . import shapes_boots as boots
from . import shapes_clothing as clothing
from . import shapes_flat as flat
from . import shapes_footwear as footwear
from . import shapes_gadgets as gadgets
from . import shapes_lights as lights
from . import shapes_pots as pots
from . import shapes_seating as seating
from . import shapes_storage as storage
from . import shapes_vessels as vessels
from .designs import Product
from .mesh import Scene

Shape = Callable[[Scene, Product, np.random.Generator], None]
_FORM = 41  # purpose number of the design's own proportions

SHAPES: dict[str, Shape] = {
    "CELLULAR_PHONE_CASE": flat.phone_case,
    "SHOES": footwear.shoe,
    "CHAIR": seating.chair,
    "SOFA": seating.sofa,
    "TABLE": storage.table,
    "HANDBAG": bags.handbag,
    "RUG": flat.rug,
    "DRINKING_CUP": vessels.cup,
    "LAMP": lights.lamp,
    "PILLOW": flat.pillow,
    "SHIRT": clothing.shirt,
    "BOOT": boots.boot,
    "VASE": vessels.vase,
    "HAT": clothing.hat,
    "BACKPACK": bags.backpack,
    "SANDAL": boots.sandal,
    "WALL_ART": flat.wall_art,
    "CLOCK": flat.clock,
    "OTTOMAN": bedroom.ottoman,
    "STOOL_SEATING": bedroom.stool,
    "BED": bedroom.bed,
    "SUITCASE": bags.suitcase,
    "CABINET": storage.cabinet,
    "LIGHT_FIXTURE": lights.light_fixture,
    "WATCH": gadgets.watch,
    "SUNGLASSES": gadgets.sunglasses,
    "HEADPHONES": gadgets.headphones,
    "COOKWARE": pots.cookware,
    "BOTTLE": vessels.bottle,
    "MIRROR": flat.mirror,
    "PLANTER": pots.planter,
    "SHELF": storage.shelf,
    "BASKET": pots.basket,
    "UMBRELLA": gadgets.umbrella,
}


def build_scene(product: Product) -> Scene:
    """The geometry of a product; colours of one design share it."""
    scene = Scene()
    source = product.copy_of or product.key  # a copied listing shows the very same thing
    rng = np.random.default_rng([product.seed, *source, _FORM])
    SHAPES[product.type](scene, product, rng)
    return scene
