"""What is for sale. A design is drawn from the seed and its own number alone: days and shop sizes never change it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from .product_types import TYPES, ProductType, trim_part
from .vocabulary import BRANDS, COLOR_POOLS, COLORS, MATERIALS, MODEL_WORDS, PATTERNS, STYLES

DesignKey = tuple[int, int]  # (day the design appeared, number within that day)
_WEIGHTS = np.array([kind.weight for kind in TYPES]) / sum(kind.weight for kind in TYPES)
_NEAR_EVERY, _IDENTICAL_EVERY = 80, 300
_PAINTED = ("DRINKING_CUP", "VASE", "PLANTER", "BOTTLE")  # types whose hard materials take a printed pattern
_PAINTS = (*PATTERNS, "striped", "striped", "polka dot", "floral")  # potters stripe more than they camouflage


@dataclass(frozen=True)
class Product:
    """One product: everything its image shows and its listing may say."""

    seed: int
    key: DesignKey
    member: int  # which colour of the design
    type: str
    shape: str
    noun: str
    color: str
    material: str
    pattern: str = ""
    second_color: str = ""
    trim_part: str = ""
    trim: str = ""
    features: tuple[str, ...] = ()
    size: str = ""
    style: str = ""
    brand: str = ""
    model_name: str = ""
    model_number: str = ""
    has_second_view: bool = False
    copy_of: DesignKey | None = None
    copy_mode: str = ""  # "near" or "identical"

    def rng(self, purpose: int, *extra: int) -> np.random.Generator:
        """Random numbers that depend on the design, a purpose number and `extra` only."""
        return np.random.default_rng([self.seed, *self.key, purpose, *extra])

    @property
    def uid(self) -> str:
        """Short text that names the product within its seed, as "0-17-1"."""
        return f"{self.key[0]}-{self.key[1]}-{self.member}"


def token(length: int, *parts: object) -> str:
    """A stable lower-case hexadecimal token made from `parts`."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:length]


def item_id(product: Product) -> str:
    """An id in Amazon's form: "B0" and eight capitals or digits."""
    number, text = int(token(14, product.seed, "item", product.uid), 16), ""
    for _ in range(8):
        number, digit = divmod(number, 36)
        text += "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit]
    return "B0" + text


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))] if options else ""


def _pattern(kind: ProductType, material: str, rng: np.random.Generator) -> str:
    """A pattern name or nothing; wood, metal and stone stay plain unless the type is one that is painted."""
    hard = MATERIALS[material].family in ("wood", "metal", "stone", "glass", "rattan")
    if rng.random() >= kind.patterned or (hard and kind.name not in (*_PAINTED, "RUG")):
        return ""
    return _pick(rng, _PAINTS if kind.name in _PAINTED else PATTERNS)


def _second_color(color: str, rng: np.random.Generator) -> str:
    """The other colour of a pattern: mostly white or black, whichever can be told from the first."""
    bright = sum(COLORS[color][1]) > 560
    if rng.random() < 0.55:
        return _pick(rng, ("Black", "Navy", "Charcoal")) if bright else "White"
    pool = [
        name
        for name, (std, rgb) in COLORS.items()
        if std != COLORS[color][0]
        and std != "Metallic"
        and sum(abs(a - b) for a, b in zip(rgb, COLORS[color][1], strict=True)) > 200
    ]
    return pool[int(rng.integers(len(pool)))]


def design(seed: int, key: DesignKey) -> list[Product]:
    """The products of one design, one for each colour it comes in."""
    rng = np.random.default_rng([seed, *key, 1])
    number = key[1]
    for mode, every, offset in (("near", _NEAR_EVERY, 17), ("identical", _IDENTICAL_EVERY, 25)):
        if key[0] == 0 and number % every == offset:
            return [_copy(seed, key, (0, number - 1 - int(rng.integers(min(number, 16)))), mode, rng)]
    kind = TYPES[int(rng.choice(len(TYPES), p=_WEIGHTS))]
    shape, noun = kind.variants[int(rng.integers(len(kind.variants)))]
    material = _pick(rng, kind.materials)
    pool = COLOR_POOLS[MATERIALS[material].pool]
    n_colors = 1 if rng.random() < 0.86 else int(rng.choice([2, 3, 4], p=[0.45, 0.35, 0.2]))
    colors = [pool[i] for i in rng.permutation(len(pool))[:n_colors]]
    pattern = _pattern(kind, material, rng)
    part = trim_part(kind, shape)
    first = Product(
        seed,
        key,
        0,
        kind.name,
        shape,
        noun,
        colors[0],
        material,
        pattern,
        second_color=_second_color(colors[0], rng) if pattern else "",
        trim_part=part,
        trim=_pick(rng, kind.trims if part else ()),
        features=tuple(f for f in kind.features if rng.random() < 0.36),
        size=_pick(rng, kind.sizes),
        style=_pick(rng, STYLES),
        brand=_pick(rng, BRANDS),
        model_name=_pick(rng, MODEL_WORDS),
        model_number=f"{token(2, seed, key).upper()}{int(rng.integers(100, 9999))}",
    )
    return [_member(first, i, color, rng) for i, color in enumerate(colors)]


def _member(first: Product, index: int, color: str, rng: np.random.Generator) -> Product:
    """The same design in another colour; the pattern's second colour moves away where the two would merge."""
    second = first.second_color
    if second and sum(abs(a - b) for a, b in zip(COLORS[color][1], COLORS[second][1], strict=True)) < 200:
        second = _second_color(color, rng)
    return replace(first, member=index, color=color, second_color=second, has_second_view=bool(rng.random() < 0.42))


def _copy(seed: int, key: DesignKey, source: DesignKey, mode: str, rng: np.random.Generator) -> Product:
    """Another seller's listing of a product that is already in the shop."""
    while any(source[1] % every == offset for every, offset in ((_NEAR_EVERY, 17), (_IDENTICAL_EVERY, 25))):
        source = (0, source[1] - 1)
    original = design(seed, source)[0]
    return replace(
        original,
        key=key,
        brand=_pick(rng, BRANDS),
        model_name=_pick(rng, MODEL_WORDS),
        model_number=token(6, seed, key).upper(),
        has_second_view=False,
        copy_of=source,
        copy_mode=mode,
    )
