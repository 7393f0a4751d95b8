"""A shop's own table as listings."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from numbers import Real
from typing import Any

from tasks.catalog import text
from tasks.catalog.categories import category_roots, split_category, type_from_category, type_words
from tasks.catalog.cells import Source, as_text
from tasks.catalog.column_report import ColumnReport
from tasks.catalog.columns import Columns, further_columns
from tasks.catalog.config import REQUIRED_FIELDS, CatalogConfig
from tasks.catalog.image_names import named_by_id
from tasks.catalog.listing import Listing, Reject, SourceRows
from tasks.catalog.locations import Base, OutsideShop, images_base, images_of
from tasks.catalog.prices import PriceStyle
from tasks.catalog.profiles import Profile, profile_of, signatures
from tasks.catalog.tables.open_table import open_table
from tasks.catalog.tables.rows import EmbeddedImage, RawRow, RawTable
from tasks.schema.errors import CatalogError
from tasks.schema.files import SourceFiles

ATTRIBUTE_CHARACTERS = 2_000
_SAMPLED = 20_000  # rows by which columns are judged


def read_table(config: CatalogConfig, files: SourceFiles) -> SourceRows:
    """Every row of the table as a listing or a reject; rows of one product are joined first.

    Raises CatalogError when the table as a whole cannot be read or a required column is missing.
    """
    table = open_table(config, files)
    profile = _profile(config, table)
    rows, folded = _joined(table, profile)
    sample = list(islice(rows, _SAMPLED))
    values = [row.values for row in sample if not row.reason]
    found = (
        list(dict.fromkeys([*table.columns, *(name for row in values for name in row)])) if profile else table.columns
    )
    columns = Columns(found, values)
    explicit = named_by_id(config, files, found, values) | config.columns
    matched = columns.matched(explicit, config.table or config.source, profile)
    extra = further_columns(found, matched, profile)
    reader = _RowReader(matched, extra, images_base(config, files.root), values)
    listings, rejects = reader.read_all(chain(sample, rows))
    count = len(listings) + len(rejects)
    facts: dict[str, object] = {
        "columns": {field: str(source) for field, source in matched.items()},
        "attributes": extra,
        "column_report": reader.report.rows(columns.suspicions),
        **({"export": profile.label, "folded_rows": folded} if profile else {}),
        **table.facts,
        **{name: number for name, number in reader.counts.items() if number},
    }
    return SourceRows(listings, rejects, count, facts, reader.embedded)


def _profile(config: CatalogConfig, table: RawTable) -> Profile | None:
    if config.format == "table":
        return None
    profile = profile_of(table.columns, config.format)
    if profile is None and config.format != "auto":
        raise CatalogError(
            f"{config.source} is not read as {config.format}, which has the columns {signatures(config.format)}. "
            f"Columns found: {list(table.columns)}. Leave format at auto, or say with columns which is which."
        )
    return profile


def _joined(table: RawTable, profile: Profile | None) -> tuple[Iterator[RawRow], dict[str, int]]:
    if profile is None or profile.families is None:
        return iter(table.rows), {}
    rows, folded = profile.families.joined(list(table.rows))
    return iter(rows), folded


class _RowReader:
    """Turns rows into listings one after another; remembers the ids it has seen."""

    def __init__(
        self, columns: Mapping[str, Source], extra: Sequence[str], base: Base, sample: Sequence[Mapping[str, Any]]
    ) -> None:
        self._columns, self._extra, self._base = columns, extra, base
        self._optional = [field for field in columns if field not in (*REQUIRED_FIELDS, "category", "price")]
        self._first_row: dict[str, int] = {}
        self._roots = category_roots(self._sampled("category", sample))
        self._prices = PriceStyle.of(as_text(value) for value in self._sampled("price", sample))
        self.report = ColumnReport(columns)
        self.counts = {"prices_not_understood": 0, "prices_ambiguous": self._prices.ambiguous}
        self.embedded: dict[str, EmbeddedImage] = {}

    def _sampled(self, field: str, sample: Sequence[Mapping[str, Any]]) -> Iterable[Any]:
        source = self._columns.get(field)
        return (value for row in sample if not isinstance(value := source.value(row), Real)) if source else ()

    def read_all(self, rows: Iterable[RawRow]) -> tuple[list[Listing], list[Reject]]:
        """Every row as a listing, or why it is refused."""
        listings, rejects = [], []
        for raw in rows:
            result = self._read(raw)
            if isinstance(result, Reject):
                rejects.append(result)
            else:
                listings.append(result)
        return listings, rejects

    def _read(self, raw: RawRow) -> Listing | Reject:
        values = {field: source.value(raw.values) for field, source in self._columns.items()}
        texts = {field: as_text(value) for field, value in values.items()}
        item_id = text.identifier(texts["item_id"])
        images = [image for value in self._columns["image"].values(raw.values) for image in images_of(value)]
        title = text.title(texts["title"])
        reason, detail = self._fault(raw, texts, item_id, title, images)
        located: list[str] = []
        if not reason:
            try:
                located = self._located(images)
            except OutsideShop as error:
                reason, detail = "picture_outside_root", str(error)
        if reason:
            return Reject(raw.row, text.showable(item_id), reason, text.showable(detail), text.showable(raw.source))
        self._first_row[item_id] = raw.row
        self.report.add(texts)
        return self._listing(raw, values, texts, (item_id, title), located)

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
        self, raw: RawRow, texts: Mapping[str, str], item_id: str, title: str, images: Sequence[object]
    ) -> tuple[str, str]:
        if raw.reason:
            return raw.reason, raw.detail
        for field in REQUIRED_FIELDS:
            if text.has_stray_bytes(texts[field]):
                return (
                    "not_utf8",
                    f"column {self._name(field)!r} holds bytes in another encoding (see the parameter encoding): "
                    f"{texts[field][:200]}",
                )
        missing = self._missing(raw, item_id, title, images)
        if missing[0]:
            return ("malformed_row", raw.short) if raw.short else missing
        if item_id in self._first_row:
            return "duplicate_id", f"row {self._first_row[item_id]} has the same id {item_id!r}"
        return "", ""

    def _missing(self, raw: RawRow, item_id: str, title: str, images: Sequence[object]) -> tuple[str, str]:
        if not item_id:
            return "missing_id", f"column {self._name('item_id')!r} is {self._shown(raw, 'item_id')!r}"
        if not title:
            return "missing_title", f"column {self._name('title')!r} is {self._shown(raw, 'title')!r}"
        if not images:
            return "missing_picture", f"column {self._name('image')!r} is {self._shown(raw, 'image')[:200]!r}"
        return "", ""

    def _name(self, field: str) -> str:
        return self._columns[field].first

    def _shown(self, raw: RawRow, field: str) -> str:
        return as_text(raw.values.get(self._name(field)))

    def _listing(
        self,
        raw: RawRow,
        values: Mapping[str, Any],
        texts: Mapping[str, str],
        named: tuple[str, str],
        images: Sequence[str],
    ) -> Listing:
        # what is no text in the file's encoding is left out of a field that a product may lack
        words = {
            field: "" if text.has_stray_bytes(texts[field]) else text.word(texts[field]) for field in self._optional
        }
        item_id, title = named
        category = split_category(values.get("category"), self._roots)
        own_type = words.get("product_type", "")
        if own_type and not category:
            levels = split_category(values["product_type"])
            category = levels if len(levels) > 1 else ()
        product_type = type_words(own_type)
        if not product_type and category and not category[-1].isdigit():  # a code is no word to search by
            product_type = type_from_category(category[-1], title)
        listing = Listing(
            row=raw.row,
            source=raw.source,
            item_id=item_id,
            title=title,
            image=images[0],
            further_images=tuple(images[1:]),
            category=category,
            product_type=product_type,
            group=words.get("group_id", ""),
            attributes=self._attributes(raw),
        )
        for name in ("description", "brand", "color", "material", "pattern", "language"):
            setattr(listing, name, words.get(name, ""))
        self._read_price(listing, values.get("price"), texts.get("price", ""))
        return listing

    def _attributes(self, raw: RawRow) -> dict[str, str]:
        """Further columns as text. A cell that is none, or in another encoding, is left out."""
        cells = ((name, as_text(raw.values.get(name))) for name in self._extra if name in raw.values)
        words = (
            (name, text.word(cell, ATTRIBUTE_CHARACTERS)) for name, cell in cells if not text.has_stray_bytes(cell)
        )
        return {name: cell for name, cell in words if cell}

    def _read_price(self, listing: Listing, value: Any, cell: str) -> None:
        if isinstance(value, Real) and not isinstance(value, bool):
            number = float(value)
            listing.price = number if math.isfinite(number) and number >= 0 else None
            return
        listing.price = self._prices.price(cell)
        if listing.price is None and text.word(cell):
            self.counts["prices_not_understood"] += 1
            listing.attributes["price"] = text.word(cell, ATTRIBUTE_CHARACTERS)
