"""The listing of a product as ABO writes it: language-tagged values, messy titles, fields that may be missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .designs import Product, item_id, token
from .product_types import TYPE_BY_NAME
from .translations import COLOR_WORDS, LANGUAGES, MATERIAL_WORDS, NOUNS, PATTERN_WORDS
from .vocabulary import COLORS, MATERIALS

Listing = dict[str, Any]
_STUFFING = (
    "Home Decor Gift",
    "for Women Men",
    "Best Seller",
    "New 2020",
    "Living Room Bedroom Office",
    "Gift Idea",
    "Everyday Essential",
    "Free Returns",
    "Premium Quality",
    "Holiday Present",
)
_ENGLISH = (
    ("en_US", "amazon.com", "US"),
    ("en_GB", "amazon.co.uk", "GB"),
    ("en_IN", "amazon.in", "IN"),
    ("en_CA", "amazon.ca", "CA"),
)
_NATIVE = {
    "de_DE": ("amazon.de", "DE"),
    "es_ES": ("amazon.es", "ES"),
    "fr_FR": ("amazon.fr", "FR"),
    "it_IT": ("amazon.it", "IT"),
    "ja_JP": ("amazon.co.jp", "JP"),
}
_TEXT, _LOCALE = 11, 12


def _chance(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)


def _color_words(product: Product) -> str:
    """The colour in words: "Navy", or "Navy and White" for a pattern of two."""
    return f"{product.color} and {product.second_color}" if product.second_color else product.color


def _words(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _extras(product: Product) -> list[str]:
    """The phrases that follow the noun: features and the trim, as "with brass legs"."""
    words = list(product.features)
    if product.trim:
        words.append(f"{product.trim} {product.trim_part}")
    return words


def english_title(product: Product, rng: np.random.Generator) -> str:
    """A title in English; `rng` decides the order and the mess, so colours of one design read alike."""
    color = _color_words(product)
    style = product.style if _chance(rng, 0.3) else ""
    noun = product.noun.title() if _chance(rng, 0.75) else product.noun
    extras = _extras(product)
    with_words = ("with " + " and ".join(extras)) if extras else ""
    if _chance(rng, 0.5):
        with_words = with_words.title().replace("With", "with").replace("And", "and")
    model = product.model_name if _chance(rng, 0.35) else ""
    pattern, material = product.pattern.title(), product.material
    whole = _words(model, style, pattern, material, noun, with_words)
    text = (
        f"{whole}, {color}",
        f"{color} {whole}",
        f"{_words(model, style, noun, with_words)} - {_words(pattern, material)}, {color}",
        f"{_words(noun, with_words)}, {', '.join(filter(None, [pattern, material, color, style]))}",
        f"{color} {whole} ({color})",
    )[int(rng.integers(5))]
    if product.size and _chance(rng, 0.45):
        text += f", {product.size}" if _chance(rng, 0.6) else f" ({product.size})"
    if _chance(rng, 0.12):
        text += f" | {_STUFFING[int(rng.integers(len(_STUFFING)))]}"
    place = rng.random()
    return f"{product.brand} {text}" if place < 0.6 else f"{text} by {product.brand}" if place < 0.75 else text


def native_title(product: Product, language: str, rng: np.random.Generator) -> str:
    """A title in another language; the name of the shape stays English, as machine-made listings leave it."""
    lang = language[:2]
    noun = NOUNS[product.type][lang]
    material = MATERIAL_WORDS[MATERIALS[product.material].family][lang]
    color = COLOR_WORDS[COLORS[product.color][0]][lang]
    pattern = PATTERN_WORDS[product.pattern][lang] if product.pattern else ""
    tail = ", ".join(filter(None, [material, pattern, f"{color} ({product.color})", product.trim]))
    text = f"{noun} {product.noun.title()}, {tail}"
    if product.size and _chance(rng, 0.4):
        text += f", {product.size}"
    return f"{product.brand} {text}" if _chance(rng, 0.7) else f"{text} - {product.brand}"


def _bullets(product: Product, rng: np.random.Generator) -> list[str]:
    """Short attribute phrases, as sellers write them."""
    color, noun = product.color.lower(), product.noun
    lines = [
        _words(color, product.pattern, noun),
        f"{product.material} {noun}",
        _words(COLORS[product.color][0].lower(), product.pattern, product.type.replace("_", " ").lower()),
        f"Made of {product.material.lower()} in {_color_words(product).lower()}",
        f"{product.style} style",
    ]
    lines += [f"{noun} with {extra}" for extra in _extras(product)]
    order = rng.permutation(len(lines))
    return [lines[i] for i in order[: int(rng.integers(0, 6))]]


def _tagged(language: str, values: list[str]) -> list[dict[str, str]]:
    return [{"language_tag": language, "value": value} for value in values]


def _nodes(product: Product, rng: np.random.Generator) -> list[dict[str, Any]]:
    """The category path; a few are odd (two paths, a bare root) as in ABO."""
    path = TYPE_BY_NAME[product.type].node
    number = 10_000_000 + int(token(6, path), 16)
    node = {"node_id": number, "node_name": f"/Categories/{path}"}
    roll = rng.random()
    if roll < 0.02:
        return [{"node_id": number + 1, "node_name": "/Categories"}, node]
    if roll < 0.05:
        return [node, {"node_id": number + 2, "node_name": "/Featured/Stores/" + product.brand}]
    return [node]


def listing_of(product: Product, text_revision: int, image_ids: list[str]) -> Listing:
    """The listing of `product`; the first of `image_ids` is its main image."""
    rng = product.rng(_TEXT, text_revision)
    locale = product.rng(_LOCALE)
    language, domain, country = _ENGLISH[int(locale.choice(4, p=[0.66, 0.16, 0.12, 0.06]))]
    titles = _tagged(language, [english_title(product, rng)])
    if _chance(locale, 0.13):
        native = LANGUAGES[int(locale.integers(len(LANGUAGES)))]
        title = _tagged(native, [native_title(product, native, rng)])
        titles = title + titles if _chance(locale, 0.5) else title
        language, (domain, country) = native, _NATIVE[native]
    if text_revision:  # an edit must always be visible in the text
        titles[0]["value"] += f" v{text_revision + 1}"
    listing: Listing = {
        "item_id": item_id(product),
        "domain_name": domain,
        "marketplace": "Amazon",
        "country": country,
        "brand": _tagged(language, [product.brand]),
        "item_name": titles,
        "product_type": [{"value": product.type}],
        "main_image_id": image_ids[0],
        "model_name": _tagged(language, [product.model_name]),
        "model_number": [{"value": product.model_number}],
        "node": _nodes(product, rng),
    }
    _add_optional(listing, product, language, rng)
    if image_ids[1:]:
        listing["other_image_id"] = image_ids[1:]
    return listing


def _add_optional(listing: Listing, product: Product, language: str, rng: np.random.Generator) -> None:
    """The fields that real listings leave out now and then."""
    english = language if language.startswith("en") else "en_US"
    color = _tagged(language, [product.color])[0] | {"standardized_values": [COLORS[product.color][0]]}
    words = filter(None, [product.noun, product.color, product.material, product.pattern, product.style])
    optional: Listing = {
        "color": [color],
        "material": _tagged(english, [product.material]),
        "style": _tagged(english, [product.style]),
        "bullet_point": _tagged(english, _bullets(product, rng)),
        "item_keywords": _tagged(english, list(words)),
        "item_weight": [{"unit": "pounds", "value": round(float(rng.uniform(0.2, 60)), 2)}],
        "item_dimensions": {
            side: {"unit": "inches", "value": round(float(rng.uniform(3, 80)), 1)}
            for side in ("height", "length", "width")
        },
    }
    if product.pattern:
        optional["pattern"] = _tagged(english, [product.pattern.title()])
    shares = {
        "color": 0.94,
        "material": 0.8,
        "style": 0.55,
        "bullet_point": 0.9,
        "item_keywords": 0.8,
        "item_weight": 0.6,
        "item_dimensions": 0.5,
        "pattern": 0.9,
    }
    for field, value in optional.items():
        if _chance(rng, shares[field]) and value:
            listing[field] = value
    if _chance(rng, 0.015):
        del listing["node"]
