"""Blocks of a shop's table as listings: what each cell means, and which rows are refused."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from numbers import Real
from typing import Any

import pyarrow as pa

from tasks.catalog import text
from tasks.catalog.categories import category_roots, class_of, split_category, type_from_category, type_words
from tasks.catalog.cells import Source, as_text, each, each_row
from tasks.catalog.column_report import ColumnReport
from tasks.catalog.config import REQUIRED_FIELDS
from tasks.catalog.listing import LISTINGS, Reject
from tasks.catalog.locations import Base, OutsideShop, images_of
from tasks.catalog.maps import map_array
from tasks.catalog.prices import PriceStyle
from tasks.catalog.tables.rows import Block, EmbeddedImage

ATTRIBUTE_CHARACTERS = 2_000
Cells = Mapping[str, Sequence[Any]]  # by our field
Texts = Mapping[str, Sequence[str]]


class BlockReader:
    """Turns the blocks of one table into listings, one after another; remembers the ids it has seen.

    ``columns``: our field -> where it is; ``extra``: columns that become attributes. What a price's marks mean and
    where category paths begin is decided by ``sample``.
    """

    def __init__(
        self, columns: Mapping[str, Source], extra: Sequence[str], base: Base, category_level: int, sample: Block
    ) -> None:
        self._columns, self._extra, self._base, self._category_level = columns, sorted(extra), base, category_level
        self._first_row: dict[str, int] = {}
        self._roots = category_roots(self._sampled("category", sample))
        self._prices = PriceStyle.of(as_text(cell) for cell in self._sampled("price", sample))
        self.report = ColumnReport(columns)
        self.counts = {"prices_not_understood": 0, "prices_ambiguous": self._prices.ambiguous}
        self.embedded: dict[str, EmbeddedImage] = {}
        self.rejects: list[Reject] = []

    def _sampled(self, field: str, sample: Block) -> list[Any]:
        cells = self._columns[field].cells(sample) if field in self._columns else []
        return [cell for cell in cells if not isinstance(cell, Real)]

    def read(self, block: Block) -> pa.Table:
        """The rows that can be used (LISTINGS). The others are added to ``rejects``."""
        places, ids, titles, images = self._accepted(block)
        return self._listings(block.at(places), ids, titles, images)

    def _accepted(self, block: Block) -> tuple[list[int], list[str], list[str], list[list[str]]]:
        """Places of the rows that can be used, their ids and titles, and where their images are."""
        texts = {field: each(as_text, self._columns[field].cells(block)) for field in REQUIRED_FIELDS}
        ids, titles = each(text.identifier, texts["item_id"]), each(text.title, texts["title"])
        named = [each(_images, cells) for cells in self._columns["image"].all_cells(block)]
        images = named[0] if len(named) == 1 else [list(chain(*row)) for row in zip(*named, strict=True)]
        places, located = [], []
        for at, (item_id, title, found) in enumerate(zip(ids, titles, images, strict=True)):
            reason, detail = self._fault(block, at, {field: texts[field][at] for field in texts}, item_id, title, found)
            if not reason:
                try:
                    located.append(self._located(found))
                    places.append(at)
                    self._first_row[item_id] = block.positions[at]
                    continue
                except OutsideShop as error:
                    reason, detail = "picture_outside_root", str(error)
            source = text.showable(block.sources[at])
            self.rejects.append(
                Reject(block.positions[at], text.showable(item_id), reason, text.showable(detail), source)
            )
        return places, [ids[at] for at in places], [titles[at] for at in places], located

    def _located(self, images: Sequence[str | EmbeddedImage]) -> list[str]:
        """Places of the images; of several only the first has to be within the shop."""
        located: list[str] = []
        outside: OutsideShop | None = None
        for image in images:
            if isinstance(image, EmbeddedImage):
                self.embedded[image.location] = image
                located.append(image.location)
                continue
            try:
                located.append(self._base.locate(image))
            except OutsideShop as error:
                outside = outside or error
        if outside and not located:
            raise outside
        return located

    def _fault(
        self, block: Block, at: int, texts: Mapping[str, str], item_id: str, title: str, images: Sequence[object]
    ) -> tuple[str, str]:
        if at in block.faults:
            return block.faults[at]
        for field in REQUIRED_FIELDS:
            if text.has_stray_bytes(texts[field]):
                return (
                    "not_utf8",
                    f"column {self._name(field)!r} holds bytes in another encoding (see the parameter encoding): "
                    f"{texts[field][:200]}",
                )
        if not (item_id and title and images):
            short = block.short.get(at, "")
            return ("malformed_row", short) if short else self._missing(block, at, item_id, title)
        if item_id in self._first_row:
            return "duplicate_id", f"row {self._first_row[item_id]} has the same id {item_id!r}"
        return "", ""

    def _missing(self, block: Block, at: int, item_id: str, title: str) -> tuple[str, str]:
        if not item_id:
            return "missing_id", f"column {self._name('item_id')!r} is {self._shown(block, at, 'item_id')!r}"
        if not title:
            return "missing_title", f"column {self._name('title')!r} is {self._shown(block, at, 'title')!r}"
        return "missing_picture", f"column {self._name('image')!r} is {self._shown(block, at, 'image')[:200]!r}"

    def _name(self, field: str) -> str:
        return self._columns[field].first

    def _shown(self, block: Block, at: int, field: str) -> str:
        return as_text(block.column(self._name(field))[at])

    def _listings(
        self, block: Block, ids: Sequence[str], titles: Sequence[str], images: Sequence[Sequence[str]]
    ) -> pa.Table:
        cells = {field: source.cells(block) for field, source in self._columns.items()}
        texts = {field: each(as_text, found) for field, found in cells.items()}
        self.report.add(texts)
        # what is no text in the file's encoding is left out of a field that a product may lack
        words = {field: each(_word, texts[field]) for field in texts if field not in REQUIRED_FIELDS}
        nothing = [""] * len(block.sources)
        own_types = words.get("product_type", nothing)
        paths = self._paths(cells, texts, own_types)
        types = _types(own_types, paths, titles)
        prices, not_understood = self._read_prices(cells.get("price", nothing), texts.get("price", nothing))
        attributes = self._attributes(block) | ({"price": not_understood} if any(not_understood) else {})
        columns: dict[str, Any] = {
            "row": block.positions,
            "source": [source if source.isascii() else text.showable(source) for source in block.sources],
            "item_id": ids,
            "title": titles,
            "images": images,
            "category": ["/".join(path) for path in paths],
            "product_type": types,
            "price": prices,
            "group": words.get("group_id", nothing),
            "design": nothing,
            "unspoken": [[]] * len(nothing),
            "category_l1": each_row(lambda path, kind: class_of(path, kind, self._category_level), paths, types),
            "color_name": attributes.get("color_name", nothing),
            "attributes": map_array(dict(sorted(attributes.items())), len(nothing)),
        }
        columns |= {
            name: words.get(name, nothing)
            for name in ("description", "brand", "color", "material", "pattern", "language")
        }
        return pa.table({name: columns[name] for name in LISTINGS.names}, schema=LISTINGS)

    def _paths(self, cells: Cells, texts: Texts, own_types: Sequence[str]) -> list[tuple[str, ...]]:
        """The category of each row; without one, its product type where that is a path."""
        nothing = [""] * len(own_types)
        readable = [
            "" if text.has_stray_bytes(found) else cell
            for cell, found in zip(cells.get("category", nothing), texts.get("category", nothing), strict=True)
        ]
        paths = each(lambda cell: split_category(cell, self._roots), readable)
        typed = each(_several_levels, cells.get("product_type", nothing))
        return [path or (kind if own else ()) for path, kind, own in zip(paths, typed, own_types, strict=True)]

    def _attributes(self, block: Block) -> dict[str, list[str]]:
        """Further columns as text. A cell that is none, or in another encoding, is left out."""
        return {name: each(_attribute, block.columns[name]) for name in self._extra if name in block.columns}

    def _read_prices(self, cells: Sequence[Any], texts: Sequence[str]) -> tuple[list[float | None], list[str]]:
        """The price of each row, and its text where that says something else."""
        of_text = each(self._prices.price, texts)
        prices = [_number(cell) if _is_number(cell) else price for cell, price in zip(cells, of_text, strict=True)]
        left = [
            "" if price is not None or _is_number(cell) else _word(found, ATTRIBUTE_CHARACTERS)
            for cell, found, price in zip(cells, texts, prices, strict=True)
        ]
        self.counts["prices_not_understood"] += sum(map(bool, left))
        return prices, left


def _images(cell: Any) -> list[str | EmbeddedImage]:
    """Images that a cell names in the file's encoding; of others nobody could ask the source."""
    return [one for one in images_of(cell) if isinstance(one, EmbeddedImage) or not text.has_stray_bytes(one)]


def _word(found: str, limit: int = text.TEXT_CHARACTERS) -> str:
    return "" if text.has_stray_bytes(found) else text.word(found, limit)


def _attribute(cell: Any) -> str:
    return _word(as_text(cell), ATTRIBUTE_CHARACTERS)


def _several_levels(cell: Any) -> tuple[str, ...]:
    levels = split_category(cell)
    return levels if len(levels) > 1 else ()


def _types(own: Sequence[str], paths: Sequence[tuple[str, ...]], titles: Sequence[str]) -> list[str]:
    """Product types as people say them; without one, from the category. A code is no word to search by."""
    return [
        kind or (type_from_category(path[-1], title) if path and not path[-1].isdigit() else "")
        for kind, path, title in zip(each(type_words, own), paths, titles, strict=True)
    ]


def _is_number(cell: Any) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, bool)


def _number(cell: Any) -> float | None:
    number = float(cell)
    return number if math.isfinite(number) and number >= 0 else None
