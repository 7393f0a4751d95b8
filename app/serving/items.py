"""The products of one release: row i here is row i of its index."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

_SAMPLED = 400  # products that example queries are drawn from
_CHIP_KINDS = ("color_type", "attributes", "type", "title")


class Product(BaseModel, frozen=True):
    """One product as a visitor sees it."""

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
    """Read-only table of a release's products, held as Arrow columns; a row becomes a Product when it is shown.

    Products taken down stay in the table, as their rows stay in the index, but no method returns them.
    """

    def __init__(
        self,
        table: pa.Table,
        rows: Mapping[str, int],
        sample: list[dict[str, Any]],
        removed: Mapping[str, datetime] = MappingProxyType({}),
    ) -> None:
        self._table, self._rows, self._sample, self._removed = table, rows, sample, removed
        self._hidden = [rows[item_id] for item_id in removed if item_id in rows]
        self.sample_queries = _short_queries([row for row in sample if row["item_id"] not in removed])

    @classmethod
    def open(cls, path: Path) -> "Items":
        """Read ``items.parquet`` of an index."""
        with pq.ParquetFile(path) as file:
            # one chunk: taking ten rows of a hundred chunks costs ten times as much
            table = file.read(columns=list(Product.model_fields)).combine_chunks()
            columns = ["item_id", "captions", "product_type"]
            some = file.read_row_group(0, columns=columns) if file.metadata.num_rows else table.select([])
        # row by id: a million products cost about 100 MB
        rows = {item_id: row for row, item_id in enumerate(_values(table, "item_id"))}
        drawn = random.Random(some.num_rows).sample(range(some.num_rows), min(some.num_rows, _SAMPLED))
        return cls(table, rows, some.take(drawn).to_pylist())

    def without(self, removed: Mapping[str, datetime]) -> "Items":
        """The same products except those taken down: id -> when. Shares the table with this one."""
        return Items(self._table, self._rows, self._sample, removed)

    def __len__(self) -> int:
        return self.rows - len(self._hidden)

    @property
    def rows(self) -> int:
        """Rows of the table and of the index, also those of products taken down."""
        return int(self._table.num_rows)

    def allowed(self) -> np.ndarray | None:
        """(rows,) bool: which rows may be found; None where all may."""
        if not self._hidden:
            return None
        allowed = np.ones(self.rows, dtype=np.bool_)
        allowed[self._hidden] = False
        return allowed

    @property
    def removed(self) -> Mapping[str, datetime]:
        """Products taken down, by id, with when."""
        return self._removed

    def removed_at(self, item_id: str) -> datetime | None:
        """When the product was taken down, None where it was not. It may have left the catalogue since."""
        return self._removed.get(item_id)

    def row_of(self, item_id: str) -> int | None:
        """Row of the product, or None where this release shows none of that id."""
        return None if item_id in self._removed else self._rows.get(item_id)

    def product(self, row: int) -> Product:
        """Product at ``row``."""
        return self.products([row])[0]

    def products(self, rows: Sequence[int] | np.ndarray) -> list[Product]:
        """Products at ``rows``, in their order."""
        return [Product(**row) for row in self._table.take(pa.array(rows, pa.int64())).to_pylist()]

    def image_of(self, item_id: str) -> str | None:
        """Hash of the product's image, or None."""
        row = self.row_of(item_id)
        return None if row is None else self._table["image_sha256"][row].as_py()

    def images_not_in(self, other: "Items") -> dict[str, str]:
        """item_id -> image hash of the products that ``other`` lacks or shows with another image."""
        return {} if self._table is other._table else dict(self._images() - other._images())

    def _images(self) -> set[tuple[str, str]]:
        return set(zip(_values(self._table, "item_id"), _values(self._table, "image_sha256"), strict=True))


def _values(table: pa.Table, column: str) -> Iterator[str]:
    # in batches: one to_pylist() of a million strings holds the GIL, and so every query, for half a second
    for batch in table.select([column]).to_batches(max_chunksize=10_000):
        yield from batch.column(0).to_pylist()


def _short_queries(sample: list[dict[str, Any]], wanted: int = 8) -> tuple[str, ...]:
    """Short queries of different product types that this catalogue can answer; the same for the same catalogue."""
    found: dict[str, str] = {}
    for row in sample:
        captions = dict(row["captions"])
        kinds = [kind for kind in _CHIP_KINDS if 3 <= len(captions.get(kind, "")) <= 36]
        if kinds and row["product_type"] not in found:
            found[row["product_type"]] = captions[kinds[len(found) % 2] if len(kinds) > 1 else kinds[0]]
    return tuple(dict.fromkeys(found.values()))[:wanted]
