"""What the products of a release can be filtered and counted by: the shop's columns, each value stored once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from app.errors import BadRequest

#: Which rows, or which values: (n,) bool.
Mask = npt.NDArray[np.bool_]
#: Columns every catalogue has, in the order in which the page shows them.
TEXT_COLUMNS = ("category", "product_type", "brand", "color", "material", "pattern", "language")
PRICE = "price"
_ATTRIBUTE = "attributes."
_MOST_ATTRIBUTES = 32  # the most common ones: a column that few products have is no useful filter
_LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Column:
    """One text column: value ``values[codes[i]]`` in row i; "" where the shop gives none."""

    codes: npt.NDArray[np.int32]  # (n,)
    values: tuple[str, ...]

    @cached_property
    def numbers(self) -> np.ndarray:
        """(values,) float64: each value as a number, NaN where it is none."""
        return np.array([_number(value) for value in self.values], dtype=np.float64)

    @cached_property
    def known(self) -> int:
        """Rows with a value."""
        return int(self.rows_of(np.array([value != "" for value in self.values], dtype=np.bool_)).sum())

    def rows_of(self, chosen: Mask) -> Mask:
        """(n,) bool from (values,) bool."""
        return chosen[self.codes]


class Columns:
    """Filterable columns of one release, by name. Read-only, shared by all queries.

    A million products take 4 MB for each column.
    """

    def __init__(self, text: dict[str, Column], price: np.ndarray) -> None:
        self.text, self.price = text, price

    @classmethod
    def open(cls, path: Path) -> "Columns":
        """Read them from ``items.parquet`` of an index."""
        table = pq.read_table(path, columns=[*TEXT_COLUMNS, PRICE, "attributes"])
        text = {name: _encoded(table[name].combine_chunks()) for name in TEXT_COLUMNS}
        text |= _attributes(table["attributes"].combine_chunks())
        price = table[PRICE].combine_chunks().to_numpy(zero_copy_only=False).astype(np.float64)
        return cls({name: column for name, column in text.items() if any(column.values)}, price)

    @cached_property
    def price_range(self) -> tuple[float, float] | None:
        """Lowest and highest price, None where none is known."""
        known = self.price[~np.isnan(self.price)]
        return (float(known.min()), float(known.max())) if len(known) else None

    def names(self) -> list[str]:
        """Every column of this release that a filter may name."""
        return [*self.text, PRICE]

    def one_of(self, name: str, wanted: Iterable[str]) -> Mask:
        """(n,) bool: rows with one of the values; a category includes its subcategories. Raises BadRequest."""
        if name == PRICE:
            raise BadRequest(f"{PRICE} is a number: filter it by a range, e.g. {{'column': '{PRICE}', 'lte': 20}}.")
        column, values = self._column(name), set(wanted)
        if name == "category":
            chosen = [any(prefix in values for prefix in path_prefixes(value)) for value in column.values]
        else:
            chosen = [value in values for value in column.values]
        return column.rows_of(np.array(chosen, dtype=np.bool_))

    def between(self, name: str, holds: Callable[[np.ndarray], Mask]) -> Mask:
        """(n,) bool: rows whose number ``holds``. Raises BadRequest."""
        if name == PRICE:
            return holds(self.price)
        column = self._numeric(name)
        return column.rows_of(holds(column.numbers))

    def numbers(self, name: str, rows: np.ndarray) -> np.ndarray:
        """(rows,) float64: numbers of a column at ``rows``, NaN where there is none. Raises BadRequest."""
        if name == PRICE:
            return np.asarray(self.price[rows])
        column = self._numeric(name)
        return np.asarray(column.numbers[column.codes[rows]])

    def _numeric(self, name: str) -> Column:
        column = self._column(name)
        if np.isnan(column.numbers).all():
            raise BadRequest(f"{name} holds no numbers, so it has no range and no order. Filter it by 'in'.")
        return column

    def _column(self, name: str) -> Column:
        if name not in self.text:
            raise BadRequest(f"This release has no column {name[:80]!r}. It has: {', '.join(self.names())}.")
        return self.text[name]


def path_prefixes(path: str) -> list[str]:
    """A category and its parents: "Home/Kitchen/Mugs" -> "Home", "Home/Kitchen", itself."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _encoded(column: pa.Array) -> Column:
    encoded = column.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    return Column(codes, tuple(encoded.dictionary.to_pylist()))


def _attributes(maps: pa.MapArray) -> dict[str, Column]:
    """The most common further columns of the shop, as ``attributes.<name>``."""
    if not len(maps):
        return {}
    offsets = maps.offsets.to_numpy()
    inside = slice(int(offsets[0]), int(offsets[-1]))  # a slice of a longer array keeps all of its entries
    keys, texts = maps.keys[inside], maps.items[inside]
    owners = np.repeat(np.arange(len(maps)), np.diff(offsets))
    counted = sorted(pc.value_counts(keys).to_pylist(), key=lambda pair: (-pair["counts"], pair["values"]))
    common = [pair["values"] for pair in counted if pair["counts"] >= _LEAST_SHARE * len(maps)][:_MOST_ATTRIBUTES]
    found = {}
    for key in common:
        here = pc.equal(keys, key)
        column = np.zeros(len(maps), dtype=np.int32)
        said = pc.dictionary_encode(texts.filter(here))
        column[owners[here.to_numpy(zero_copy_only=False)]] = said.indices.to_numpy(zero_copy_only=False) + 1
        found[f"{_ATTRIBUTE}{key}"] = Column(column, ("", *said.dictionary.to_pylist()))
    return found


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return float("nan")
