"""The short texts a product may be searched by, made from what the shop says of it."""

import re
from collections.abc import Sequence
from functools import lru_cache

import pyarrow as pa

from tasks.catalog.cells import each, each_row
from tasks.catalog.maps import map_array
from tasks.catalog.text import first_sentence

_CAPTION_CHARACTERS = 300
_BULLET_WORDS = (3, 24)
_SPOKEN = ("color", "pattern", "material")
#: Values that a colour, pattern or material may have without saying anything an image shows.
_EMPTY_VALUES = {"other", "various", "assorted", "multiple", "unknown", "no color", "not applicable", "see description"}
_PLAIN_PATTERNS = {"solid", "plain", "solid color", "solid colour", "none", "no pattern", "uni", "unifarben"}


def captions_of(listings: pa.Table) -> pa.MapArray:
    """Caption kind -> text of each listing (LISTINGS), in the order of CAPTION_KINDS; a kind is absent without words.

    title                 as the shop has it
    title_without_brand   only where the title names the brand
    attributes            "blue striped cotton mug": needs a pattern or a material
    color_type            "blue mug"
    type                  "mug"
    bullet                the first short bullet of the description, else its first sentence
    """
    columns = {name: listings[name].to_pylist() for name in ("title", "brand", "product_type", "description", *_SPOKEN)}
    types = each(_lower, columns["product_type"])
    unspoken = listings["unspoken"].to_pylist()
    color, pattern, material = (each(_attribute, _without(columns[name], name, unspoken)) for name in _SPOKEN)
    pattern = ["" if found in _PLAIN_PATTERNS else found for found in pattern]
    captions = {
        "title": each(_cut, columns["title"]),
        "title_without_brand": list(map(without_brand, columns["title"], columns["brand"])),
        "attributes": each_row(_attributes, color, pattern, material, types),
        "color_type": each_row(lambda name, kind: _joined(name, kind) if name else "", color, types),
        "type": types,
        "bullet": each(bullet_of, columns["description"]),
    }
    return map_array(captions, len(listings))


def _without(cells: Sequence[str], field: str, unspoken: Sequence[Sequence[str]]) -> list[str]:
    return ["" if others and field in others else cell for cell, others in zip(cells, unspoken, strict=True)]


def _attributes(color: str, pattern: str, material: str, product_type: str) -> str:
    return _joined(color, pattern, material, product_type) if pattern or material else ""


def _lower(text: str) -> str:
    return text if text.isupper() and len(text) <= 3 else text.lower()  # "TV"


def _attribute(value: str) -> str:
    """First of several values, in lower case: "Nylon, Polyester" -> "nylon". "" for what no image shows."""
    first = re.split(r"\s*(?:[,;|/]|\s-\s)\s*", value.strip(), maxsplit=1)[0].lower()
    first = re.sub(r"^\d+(?:[.,]\d+)?\s*%\s*", "", first)
    return "" if first in _EMPTY_VALUES or len(first) > 40 else first


def _joined(*parts: str) -> str:
    """Words of ``parts`` in order, each once: a "leather" "leather boot" is a leather boot. "" without a type."""
    if not parts[-1]:
        return ""
    said = set(parts[-1].split())
    kept: list[str] = []
    for part in parts[:-1]:
        if part and not set(part.split()) <= said:
            kept.append(part)
            said.update(part.split())
    return " ".join([*kept, parts[-1]])


def without_brand(title: str, brand: str) -> str:
    """The title without its brand and the marks around it; "" where it does not name the brand or says nothing else."""
    if not brand:
        return ""
    rest, count = _naming(brand).subn(" ", title)
    if not count:
        return ""
    rest = re.sub(r"\(\s*\)|\[\s*\]", " ", rest)
    rest = re.sub(r"\s+", " ", rest).replace(" ,", ",").strip(" -–—|:,;/•")
    return _cut(rest) if any(map(str.isalpha, rest)) else ""


@lru_cache(maxsize=4096)
def _naming(brand: str) -> re.Pattern[str]:
    return re.compile(
        r"(?:\bamazon brand\s*[-–—:]\s*)?(?:\s*\b(?:by|von|par|de|di)\s+)?"
        rf"(?<!\w){re.escape(brand)}(?!\w)(?:['’]s\b|[®™])*",
        re.I,
    )


def bullet_of(description: str) -> str:
    """The first piece of a description that is neither a word nor a paragraph."""
    pieces = [piece.strip(" -–—:;,•*") for piece in re.split(r"[•\n]|\s\*\s", description)]
    pieces = [piece for piece in pieces if piece]
    fewest, most = _BULLET_WORDS
    for piece in pieces:
        sentence = first_sentence(piece)
        if fewest <= len(sentence.split()) <= most:
            return _cut(sentence)
    if not pieces:
        return ""
    sentence = " ".join(first_sentence(pieces[0]).split()[:most])
    return _cut(sentence) if len(sentence) > 12 else ""


def _cut(text: str) -> str:
    """At most 300 characters, cut between words."""
    if len(text) <= _CAPTION_CHARACTERS:
        return text
    return text[: _CAPTION_CHARACTERS + 1].rsplit(" ", 1)[0][:_CAPTION_CHARACTERS].rstrip(" ,;-")
