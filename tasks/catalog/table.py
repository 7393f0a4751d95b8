"""A shop's own table (csv, tsv, parquet, jsonl; gzipped or not) as listings."""

import gzip
import io
import json
import posixpath
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.catalog import delimited, text
from tasks.catalog.categories import split_category, type_from_category, type_words
from tasks.catalog.columns import match_columns
from tasks.catalog.config import CatalogConfig
from tasks.catalog.listing import Listing, Reject, SourceRows
from tasks.catalog.locations import Base, OutsideShop, first_image, images_base
from tasks.schema.errors import CatalogError
from tasks.schema.files import SourceFiles

ATTRIBUTE_CHARACTERS = 2_000


@dataclass(slots=True)
class RawRow:
    """One row before it is understood: its values by column, or what is wrong with it."""

    row: int
    source: str
    values: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""


def read_table(config: CatalogConfig, files: SourceFiles) -> SourceRows:
    """Every row of the table as a listing or a reject.

    Raises CatalogError when the table as a whole cannot be read or its columns are ambiguous.
    """
    name = config.table
    data = _unpacked(name, files.read(name))
    found, rows = _parse(name, data, config)
    columns = match_columns(found, config.columns, name)
    extra = [column for column in found if column and column not in columns.values()]
    reader = _RowReader(columns, extra, images_base(config, files.root))
    listings, rejects, count = [], [], 0
    for raw in rows:
        count += 1
        result = reader.read(raw)
        if isinstance(result, Reject):
            rejects.append(result)
        else:
            listings.append(result)
    facts: dict[str, object] = {"columns": columns, "attributes": extra}
    if reader.unread_prices:
        facts["prices_not_understood"] = reader.unread_prices
    return SourceRows(listings, rejects, count, facts)


def _unpacked(name: str, data: bytes) -> bytes:
    if not name.lower().endswith(".gz"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise CatalogError(f"{name} is not a whole gzip file ({error}): copy it again from the shop.") from error


def _parse(name: str, data: bytes, config: CatalogConfig) -> tuple[list[str], Iterable[RawRow]]:
    """Column names and rows of the table, by the ending of its name."""
    if not data.strip():
        raise CatalogError(f"{name} is empty: expected a header and rows.")
    suffix = posixpath.splitext(name.lower().removesuffix(".gz"))[1]
    if suffix in (".parquet", ".pq"):
        return _parquet_rows(name, data)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _json_rows(name, data)
    return _delimited_rows(name, data, suffix, config)


def _delimited_rows(name: str, data: bytes, suffix: str, config: CatalogConfig) -> tuple[list[str], Iterator[RawRow]]:
    lines = delimited.physical_lines(_decoded(data, config.encoding))
    rows = delimited.records(lines, config.delimiter or delimited.sniff_delimiter(lines, suffix))
    header = next(rows, None)
    if header is None:
        raise CatalogError(f"{name} has no header.")
    names = [cell.strip() for cell in header.cells]
    stray = [text.showable(cell) for cell in names if text.has_stray_bytes(cell)]
    if stray:
        raise CatalogError(f"The header of {name} is not {config.encoding}: {stray}. Set the parameter encoding.")
    return list(dict.fromkeys(names)), (
        _delimited_row(index, f"{name}:{record.line}", record, names) for index, record in enumerate(rows)
    )


def _decoded(data: bytes, encoding: str) -> str:
    """Text of a csv file. Bytes outside the encoding stay visible as surrogates, so that only their row is refused."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.decode(encoding, "surrogateescape").removeprefix("\ufeff")


def _delimited_row(index: int, source: str, record: delimited.Record, names: Sequence[str]) -> RawRow:
    values: dict[str, Any] = {}
    for name, cell in zip(names, record.cells, strict=False):
        values.setdefault(name, cell)
    if record.fault:
        return RawRow(index, source, values, "malformed_row", record.fault)
    return RawRow(index, source, values)


def _json_rows(name: str, data: bytes) -> tuple[list[str], list[RawRow]]:
    """Rows of JSON lines, or of one JSON array of objects."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.lstrip().startswith(b"["):
        try:
            rows = [_json_row(at, f"{name}#{at}", entry) for at, entry in enumerate(json.loads(data))]
        except ValueError as error:
            raise CatalogError(f"{name} starts like a JSON array but is not one ({error}).") from error
    else:
        lines = [(at, line) for at, line in enumerate(data.split(b"\n"), 1) if line.strip()]
        rows = [_json_line(index, f"{name}:{at}", line) for index, (at, line) in enumerate(lines)]
    return list(dict.fromkeys(column for row in rows for column in row.values)), rows


def _json_line(index: int, source: str, line: bytes) -> RawRow:
    try:
        return _json_row(index, source, json.loads(line.decode("utf-8")))
    except UnicodeDecodeError as error:
        return RawRow(index, source, reason="not_utf8", detail=f"byte {error.object[error.start]:#04x} in the line")
    except (ValueError, RecursionError) as error:
        return RawRow(index, source, reason="malformed_row", detail=f"not JSON: {error}")


def _json_row(index: int, source: str, entry: Any) -> RawRow:
    if not isinstance(entry, dict):
        return RawRow(index, source, reason="malformed_row", detail=f"not a JSON object: {text.showable(repr(entry))}")
    return RawRow(index, source, entry)


def _parquet_rows(name: str, data: bytes) -> tuple[list[str], Iterator[RawRow]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        batches = list(file.iter_batches(batch_size=4096))
    except (pa.ArrowException, OSError) as error:
        raise CatalogError(f"{name} cannot be read as parquet ({error}).") from error
    return list(file.schema_arrow.names), _batch_rows(name, batches)


def _batch_rows(name: str, batches: Iterable[Any]) -> Iterator[RawRow]:
    index = 0
    for batch in batches:
        columns = {field: _column_values(batch.column(field)) for field in batch.schema.names}
        for at in range(batch.num_rows):
            yield RawRow(index, f"{name}#{index}", {field: values[at] for field, values in columns.items()})
            index += 1


def _column_values(column: Any) -> list[Any]:
    import pyarrow as pa

    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:  # arrow does not check its strings
        values = column.cast(pa.binary()).to_pylist()
    return values


class _RowReader:
    """Turns rows into listings one after another; remembers the ids it has seen."""

    def __init__(self, columns: Mapping[str, str], extra: Sequence[str], base: Base) -> None:
        self._columns = columns
        self._extra = extra
        self._base = base
        self._first_row: dict[str, int] = {}
        self.unread_prices = 0

    def read(self, raw: RawRow) -> Listing | Reject:
        """The row as a listing, or why it is refused."""
        item_id = text.word(self._text(raw, "item_id"))
        reason, detail = self._fault(raw, item_id)
        image = ""
        if not reason:
            try:
                image = self._base.locate(first_image(self._value(raw, "image")))
            except OutsideShop as error:
                reason, detail = "picture_outside_root", str(error)
        if reason:
            return Reject(raw.row, text.showable(item_id), reason, text.showable(detail), text.showable(raw.source))
        self._first_row[item_id] = raw.row
        return self._listing(raw, item_id, image)

    def _value(self, raw: RawRow, field: str) -> Any:
        column = self._columns.get(field)
        return raw.values.get(column) if column is not None else None

    def _text(self, raw: RawRow, field: str) -> str:
        value = self._value(raw, field)
        if isinstance(value, list):
            return ", ".join(text.cell_text(entry) for entry in value)
        return text.cell_text(value)

    def _fault(self, raw: RawRow, item_id: str) -> tuple[str, str]:
        if raw.reason:
            return raw.reason, raw.detail
        for column in (*self._columns.values(), *self._extra):
            cell = text.cell_text(raw.values.get(column))
            if text.has_stray_bytes(cell):
                return (
                    "not_utf8",
                    f"column {column!r} holds bytes in another encoding (see the parameter encoding): {cell[:200]}",
                )
        if not item_id:
            return "missing_id", f"column {self._columns['item_id']!r} is {self._text(raw, 'item_id')!r}"
        if not text.title(self._text(raw, "title")):
            return "missing_title", f"column {self._columns['title']!r} is {self._text(raw, 'title')!r}"
        if not first_image(self._value(raw, "image")):
            return "missing_picture", f"column {self._columns['image']!r} is {self._text(raw, 'image')[:200]!r}"
        if item_id in self._first_row:
            return "duplicate_id", f"row {self._first_row[item_id]} has the same id {item_id!r}"
        return "", ""

    def _listing(self, raw: RawRow, item_id: str, image: str) -> Listing:
        title = text.title(self._text(raw, "title"))
        category = split_category(self._value(raw, "category"))
        own_type = self._text(raw, "product_type")
        if own_type and not category:
            levels = split_category(self._value(raw, "product_type"))
            category = levels if len(levels) > 1 else ()
        product_type = type_words(text.word(own_type))
        if not product_type and category:
            product_type = type_from_category(category[-1], title)
        listing = Listing(
            row=raw.row,
            source=raw.source,
            item_id=item_id,
            title=title,
            image=image,
            category=category,
            product_type=product_type,
            group=text.word(self._text(raw, "group_id")),
            attributes=self._attributes(raw),
        )
        for name in ("description", "brand", "color", "material", "pattern", "language"):
            setattr(listing, name, text.word(self._text(raw, name)))
        self._read_price(listing, self._text(raw, "price"))
        return listing

    def _attributes(self, raw: RawRow) -> dict[str, str]:
        cells = {name: text.word(text.cell_text(raw.values.get(name)), ATTRIBUTE_CHARACTERS) for name in self._extra}
        return {name: cell for name, cell in cells.items() if cell}

    def _read_price(self, listing: Listing, cell: str) -> None:
        listing.price = text.price(cell)
        if listing.price is None and text.word(cell):
            self.unread_prices += 1
            listing.attributes["price"] = text.word(cell, ATTRIBUTE_CHARACTERS)
