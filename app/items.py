"""The products of one release: row i here is row i of its index."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

_CHIP_KINDS = ("color_type", "attributes", "type", "title")


class Product(BaseModel):
    """One product as a visitor sees it."""

    model_config = ConfigDict(frozen=True)

    item_id: str
    title: str
    brand: str
    category: str
    product_type: str
    color: str
    price: float | None
    image_sha256: str
    image_width: int
    image_height: int


class Items:
    """Read-only table of a release's products, held as Arrow columns; a row becomes a Product when it is shown."""

    def __init__(self, table: pa.Table, sample_queries: tuple[str, ...] = ()) -> None:
        self._table = table
        self.sample_queries = sample_queries
        # position by id: 1M products cost about 100 MB here, and a look-up is then one step
        self._rows = {item_id: row for row, item_id in enumerate(_values(table, "item_id"))}

    @classmethod
    def open(cls, path: Path) -> "Items":
        """Read ``items.parquet`` of an index."""
        with pq.ParquetFile(path) as file:
            table = file.read(columns=list(Product.model_fields))
            some = file.read_row_group(0, columns=["captions", "product_type"]) if file.metadata.num_rows else None
        return cls(table, _short_queries(some.to_pylist()) if some else ())

    def __len__(self) -> int:
        return self._table.num_rows

    def row_of(self, item_id: str) -> int | None:
        """Row of the product, or None where this release has none of that id."""
        return self._rows.get(item_id)

    def product(self, row: int) -> Product:
        """Product at ``row``."""
        return Product(**self._table.slice(row, 1).to_pylist()[0])

    def picture_of(self, item_id: str) -> str | None:
        """Hash of the product's picture, or None."""
        row = self._rows.get(item_id)
        return None if row is None else self._table["image_sha256"][row].as_py()

    def pictures_not_in(self, other: "Items") -> dict[str, str]:
        """item_id -> picture hash of the products that ``other`` lacks or shows with another picture."""
        return dict(self._pictures() - other._pictures())

    def _pictures(self) -> set[tuple[str, str]]:
        return set(zip(_values(self._table, "item_id"), _values(self._table, "image_sha256"), strict=True))


def _values(table: pa.Table, column: str) -> Iterator[str]:
    # in pieces: one to_pylist() of a million strings holds the interpreter for half a second, and every query with it
    for batch in table.select([column]).to_batches(max_chunksize=10_000):
        yield from batch.column(0).to_pylist()


def _short_queries(rows: list[dict[str, Any]], wanted: int = 8) -> tuple[str, ...]:
    """Short queries of different product types that this catalogue can answer; the same for the same catalogue."""
    draw = random.Random(len(rows))
    found: dict[str, str] = {}
    for row in draw.sample(rows, min(len(rows), 400)):
        captions = dict(row["captions"])
        kinds = [kind for kind in _CHIP_KINDS if 3 <= len(captions.get(kind, "")) <= 36]
        if kinds and row["product_type"] not in found:
            found[row["product_type"]] = captions[kinds[len(found) % 2] if len(kinds) > 1 else kinds[0]]
    return tuple(dict.fromkeys(found.values()))[:wanted]
