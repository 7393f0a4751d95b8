"""Category paths, the class made of their first levels, and product types as people say them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from tasks.catalog.cells import as_text, parsed
from tasks.catalog.text import word

UNKNOWN = "uncategorised"

#: Levels of Amazon's browse tree that say nothing about the product, in the languages of its marketplaces.
_GENERIC_LEVELS = {
    "categories", "all categories", "departments", "all departments", "products", "all products", "subjects", "root",
    "styles", "refinements", "browse", "arborist merchandising root", "kategorien", "catégories", "categorías",
    "categorie", "categorieën", "categorias", "kategorier", "kategorie", "kategoriler", "カテゴリー別", "カテゴリー",
    "departamentos", "produkte", "produits", "prodotti", "productos", "abteilungen", "rayons", "default category",
    "root catalog",
}  # fmt: skip
#: A path through one of these leads to a campaign or a shop front, not to a kind of product.
_SHOP_FRONTS = {
    "self service", "featured", "featured categories", "stores", "custom stores", "special features stores",
    "custom brands", "brands", "amazon brands", "our brands", "deals", "outlet", "specialty stores", "promotions",
    "special features", "home page", "merchandising",
}  # fmt: skip
_OPAQUE = re.compile(r"^(?:[0-9a-f]{8}-[0-9a-f-]{20,}|[0-9a-f]{16,}(?:_\d+)?|[\d_.-]+)$", re.IGNORECASE)

#: Amazon's names for types that their words would not give.
_TYPE_WORDS = {
    "CELLULAR_PHONE_CASE": "phone case", "CELLULAR_PHONE": "phone", "DRINKING_CUP": "cup", "STOOL_SEATING": "stool",
    "FINEEARRING": "earrings", "FINERING": "ring", "FINENECKLACEBRACELETANKLET": "necklace or bracelet",
    "FINEOTHER": "jewelry", "FASHIONEARRING": "earrings", "FASHIONRING": "ring", "FASHIONOTHER": "jewelry",
    "FASHIONNECKLACEBRACELETANKLET": "necklace or bracelet", "BISS": "industrial supply", "GROCERY": "grocery",
    "LEGUME": "beans", "HOME_BED_AND_BATH": "bed and bath", "HOME_FURNITURE_AND_DECOR": "home decor",
    "TECHNICAL_SPORT_SHOE": "sports shoe", "NUTRITIONAL_SUPPLEMENT": "supplement", "SUNGLASSES": "sunglasses",
    "ELECTRONIC_CABLE": "cable", "HARDWARE_HANDLE": "handle", "FLAT_SCREEN_DISPLAY_MOUNT": "tv mount",
}  # fmt: skip

_LEVEL_MARK = re.compile(r"[>/›»→]")
_PATH_MARK = re.compile(r"\s*[,;|\n]\s*")

_ALWAYS_PLURAL = {
    "pants", "shorts", "jeans", "leggings", "tights", "trousers", "glasses", "sunglasses", "headphones", "earphones",
    "scissors", "clothes", "pajamas", "pyjamas", "overalls", "briefs", "series", "species", "electronics", "goggles",
    "binoculars", "beans", "earrings", "shoes", "boots", "sandals", "sneakers", "slippers", "socks", "gloves",
    "curtains", "sheets", "decals", "news", "cosmetics", "athletics",
}  # fmt: skip


def split_category(value: object, roots: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Levels of a category cell: "Men/Tops/Hoodies", "Men > Tops", "Men|Tops", a list, a list as JSON or Python text.

    Of several whole paths in one cell, each of which begins with one of ``roots`` (see `category_roots`), the deepest
    counts; of a list of lists the first.
    """
    value = parsed(value)
    if isinstance(value, (list, tuple)):
        inner = next((entry for entry in value if isinstance(entry, (list, tuple)) and entry), None)
        if inner is not None:
            return split_category(inner)
        texts = [as_text(entry) for entry in value]
        whole = next((text for text in texts if len(_levels(text)) > 1), "")
        return _levels(whole) if whole else _clean_levels(texts)
    return _deepest(as_text(value), roots)


def category_roots(values: Iterable[object]) -> frozenset[str]:
    """First levels of a column's paths, which tell where the next path of a cell begins."""
    texts = {as_text(value) for value in values}
    return frozenset(_first_level(text) for text in texts if _LEVEL_MARK.search(text))


@lru_cache(maxsize=4096)
def _deepest(text: str, roots: frozenset[str]) -> tuple[str, ...]:
    text = text.replace("&gt;", ">")
    cuts = [
        mark
        for mark in _PATH_MARK.finditer(text)
        if _LEVEL_MARK.search(_PATH_MARK.split(text[mark.end() :])[0]) and _first_level(text[mark.end() :]) in roots
    ]
    starts, ends = [0, *(cut.end() for cut in cuts)], [*(cut.start() for cut in cuts), len(text)]
    return max((_levels(text[start:end]) for start, end in zip(starts, ends, strict=True)), key=len)


def _first_level(text: str) -> str:
    return _LEVEL_MARK.split(text.replace("&gt;", ">"), maxsplit=1)[0].strip().casefold()


@lru_cache(maxsize=4096)  # a shop has few categories, each thousands of times
def _levels(text: str) -> tuple[str, ...]:
    text = word(text.replace("&gt;", ">"))
    for mark in (r"\s*>+\s*|\s*[›»→]\s*", r"\s*\|\s*", r"\s*/\s*"):
        if re.search(mark, text):
            return _clean_levels(re.split(mark, text))
    return _clean_levels([text])


def _clean_levels(texts: Iterable[str]) -> tuple[str, ...]:
    levels = (word(text).replace("/", " ").strip() for text in texts)
    return tuple(level for level in levels if level and level.casefold() not in _GENERIC_LEVELS)


def node_path(nodes: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """Category path of an ABO listing: its first browse node that names kinds of products, () if none does."""
    for node in nodes:
        levels = [word(level) for level in str(node.get("node_name") or "").split("/")]
        levels = [level for level in levels if level]
        if any(level.casefold() in _SHOP_FRONTS for level in levels):
            continue
        meaningful = [level for level in levels if level.casefold() not in _GENERIC_LEVELS and not _OPAQUE.match(level)]
        if meaningful:
            return tuple(meaningful)
    return ()


def class_of(category: Sequence[str], product_type: str, levels: int) -> str:
    """The class of an item: the first ``levels`` of its path, else its type; never empty."""
    return "/".join(category[:levels]) or product_type or UNKNOWN


def type_words(name: str) -> str:
    """A product type as people say it: "CELLULAR_PHONE_CASE" -> "phone case", "Home > Dresses" -> "dress"."""
    known = _TYPE_WORDS.get(name.strip().upper())
    if known:
        return known
    levels = _levels(name)
    if not levels:
        return ""
    words = re.sub(r"[_\s]+", " ", levels[-1]).strip().lower()
    return singular(words) if len(levels) > 1 else words


def type_from_category(level: str, title: str) -> str:
    """Product type from the last category level: "Hoodies & Sweatshirts" -> "hoodie".

    Of several alternatives the one the title names; if it names none, all of them: "bra or tank".
    """
    alternatives = _alternatives(level)
    if len(alternatives) == 1:
        return alternatives[0]
    in_title = set(re.findall(r"\w+", title.lower()))
    for alternative in alternatives:
        last = alternative.split()[-1]
        if last in in_title or f"{last}s" in in_title or f"{last}es" in in_title:
            return alternative
    return " or ".join(alternatives[:3])


@lru_cache(maxsize=4096)
def _alternatives(level: str) -> list[str]:
    parts = re.split(r"\s*(?:&|,|\+|\band\b|\bund\b|\bet\b)\s*", level.lower())
    return [singular(part.strip()) for part in parts if part.strip()]


def singular(phrase: str) -> str:
    """``phrase`` with its last word in the singular, by the common English endings; pairs ("pants") stay."""
    head, _, last = phrase.rpartition(" ")
    return f"{head} {_singular_word(last)}".strip()


def _singular_word(noun: str) -> str:
    if noun in _ALWAYS_PLURAL or not noun.endswith("s") or noun.endswith(("ss", "us", "is")) or len(noun) < 4:
        return noun
    if noun in ("shelves", "knives", "scarves", "wolves", "leaves", "loaves"):
        return noun[:-3] + ("fe" if noun == "knives" else "f")
    if noun in ("hoodies", "movies", "cookies", "beanies", "selfies", "brownies", "ties", "pies"):
        return noun[:-1]
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    if noun.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return noun[:-2]
    return noun[:-1]
