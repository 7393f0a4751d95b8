"""Rows of a product feed in XML: RSS and Atom as Google Merchant takes them, or any list of equal elements."""

import io
from collections import Counter
from typing import Any
from xml.etree import ElementTree

from tasks.catalog.tables.rows import RawRow, RawTable, blocks_of
from tasks.schema.errors import CatalogError

_ROWS = ("item", "entry", "product", "offer")  # of RSS, Atom, many shops, Yandex's YML


def read_xml(name: str, data: bytes) -> RawTable:
    """An .xml file. Raises CatalogError where it is none, or holds nothing that looks like a list of products."""
    if b"<!ENTITY" in data:  # entities may grow without end, or name other files; no feed needs one
        raise CatalogError(f"{name} declares entities, which are not read: write the feed without <!ENTITY ...>.")
    try:
        root = ElementTree.parse(io.BytesIO(data)).getroot()
    except ElementTree.ParseError as error:
        raise CatalogError(f"{name} cannot be read as XML ({error}).") from error
    counts = Counter(_local(element.tag) for element in root.iter() if len(element) > 1)
    tag = next((tag for tag in _ROWS if counts[tag]), counts.most_common(1)[0][0] if counts else "")
    elements = [element for element in root.iter() if _local(element.tag) == tag and len(element)]
    if not elements:
        raise CatalogError(f"{name} holds no list of products: expected elements like {', '.join(_ROWS)}.")
    rows = [RawRow(at, f"{name}#{at}", _values(element)) for at, element in enumerate(elements)]
    return RawTable(list(dict.fromkeys(column for row in rows for column in row.values)), blocks_of(rows))


def _values(element: ElementTree.Element) -> dict[str, Any]:
    """Attributes and children by their local name; what is there several times is a list."""
    values: dict[str, Any] = {_local(name): value for name, value in element.attrib.items()}
    for child in element:
        name, value = _local(child.tag), _value(child)
        if name in values:
            before = values[name]
            values[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            values[name] = value
    return values


def _value(element: ElementTree.Element) -> str:
    if not len(element):
        return (element.text or element.get("href") or "").strip()
    return " ".join(text.strip() for text in element.itertext() if text.strip())


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
