"""What each material slot of a shape is made of, for a given product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .arrays import Array, vec
from .designs import Product
from .mesh import Scene
from .patterns import paint_pattern
from .textures import sample
from .vocabulary import COLORS, MATERIALS, TRIMS

# slots that look the same on every product: material, RGB
FIXED: dict[str, tuple[str, tuple[int, int, int]]] = {
    "dark": ("Plastic", (30, 30, 33)),
    "white": ("Plastic", (246, 246, 244)),
    "steel": ("Brass", (206, 210, 215)),
    "gold": ("Brass", (224, 180, 76)),
    "wood": ("Wood", (188, 142, 92)),
    "darkwood": ("Wood", (92, 60, 40)),
    "cream": ("Cotton", (243, 234, 214)),
    "linen": ("Linen", (236, 228, 210)),
    "glass": ("Glass", (172, 196, 210)),
    "mirror": ("Glass", (214, 226, 234)),
    "black glass": ("Glass", (26, 28, 34)),
    "leaf": ("Cotton", (52, 112, 56)),
    "lightleaf": ("Cotton", (104, 156, 74)),
    "soil": ("Wool", (62, 44, 34)),
    "bulb": ("Paper", (255, 242, 206)),
    "rubber": ("Rubber", (44, 44, 46)),
    "blossom": ("Cotton", (240, 170, 180)),
    "blossom2": ("Cotton", (246, 222, 140)),
    "book1": ("Paper", (168, 60, 52)),
    "book2": ("Paper", (52, 84, 118)),
    "book3": ("Paper", (206, 178, 116)),
    "mattress": ("Cotton", (240, 238, 232)),
    "skin": ("Cotton", (232, 196, 168)),
    "grey": ("Plastic", (120, 122, 126)),
    "lace": ("Cotton", (242, 240, 236)),
    "screw": ("Brass", (150, 152, 156)),
    "fluff": ("Faux Fur", (236, 226, 208)),
}


_TRIM_AS = {"trimcloth": "Linen", "trimpaint": "Plastic", "lens": "Glass"}  # the trim's colour on another material


@dataclass(frozen=True)
class Surface:
    """Colour and response to light of one slot; see `vocabulary.Material` for the numbers."""

    color: Array
    texture: str
    shine: float
    gloss: float
    mirror: float
    sheen: float = 0.0
    glow: bool = False
    pattern: str = ""
    second: Array | None = None
    scale: float = 1.0
    paint: Callable[[Array], Array] | None = None

    def albedo(self, uv: Array, extent: float, height: Array) -> Array:
        """Colours (n, 3) at raw surface coordinates; `extent` is the size of the product in the same unit."""
        if self.paint is not None:
            return self.paint(uv)
        unit_uv = uv / np.float32(extent)
        base = np.broadcast_to(self.color, (len(uv), 3))
        if self.pattern and self.second is not None:
            base = paint_pattern(self.pattern, unit_uv, height, self.color, self.second, self.scale)
        return base * sample(self.texture, unit_uv)[:, None]


def _color(rgb: tuple[int, int, int]) -> Array:
    return vec(rgb) / np.float32(255)


def trim_color(product: Product) -> tuple[int, int, int]:
    """The colour of the part that a title calls "with ... legs", "dial" and so on."""
    return TRIMS.get(product.trim, TRIMS["white"])[1]


def _made_of(material: str, rgb: Array) -> Surface:
    """A plain surface; white mirrors would burn out, dark ones would vanish, so both are drawn in a little."""
    look = MATERIALS[material]
    sheen = {"velvet": 0.55, "fur": 0.3, "suede": 0.12}.get(look.texture, 0.0)
    return Surface(
        np.clip(rgb, 0.045, 0.965).astype(np.float32), look.texture, look.shine, look.gloss, look.mirror, sheen
    )


def surface_of(slot: str, product: Product, scene: Scene) -> Surface:
    """The surface of a slot: "main", its shades, "trim", a fixed one, or one that the scene paints itself."""
    if slot in scene.paints:
        return replace(_made_of("Paper", _color((255, 255, 255))), paint=scene.paints[slot])
    own = _color(COLORS[product.color][1])
    second = _color(COLORS[product.second_color][1]) if product.second_color else None
    if slot == "main":
        return replace(
            _made_of(product.material, own), pattern=product.pattern, second=second, scale=scene.pattern_scale
        )
    if slot == "plain":
        return _made_of(product.material, own)
    if slot == "shadow":  # seams, linings and insides of the main material
        return _made_of(product.material, own * 0.6)
    if slot == "light":
        return _made_of(product.material, own * 0.72 + 0.28)
    if slot == "second":
        contrast = vec([0.95] * 3) if own.sum() < 1.9 else vec([0.13] * 3)
        return _made_of("Plastic", second if second is not None else contrast)
    if slot == "trim":
        return _made_of(TRIMS.get(product.trim, TRIMS["white"])[0], _color(trim_color(product)))
    if slot in _TRIM_AS:
        return _made_of(_TRIM_AS[slot], _color(trim_color(product)))
    material, rgb = FIXED[slot]
    made = _made_of(material, _color(rgb))
    return replace(made, glow=True) if slot == "bulb" else made
