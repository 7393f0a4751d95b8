"""Rows of a table before they are understood."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

#: Rows in a block. By the first block the columns are judged; a row takes two kilobytes while it is Python's.
BLOCK = 20_000


@dataclass(slots=True)
class RawRow:
    """One row: its values by column, or what is wrong with it.

    ``short``: the row ends before the header does; its last cells are empty. "" where it does not, else the fault
    that it is if a cell that every product needs is among the missing ones.
    """

    row: int
    source: str
    values: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""
    short: str = ""


class EmbeddedImage(NamedTuple):
    """An image whose bytes are in the table. ``location`` names it in the catalogue: ``embedded://table/row/column``."""

    location: str
    data: Callable[[], bytes]

    def version(self) -> str:
        """Changes whenever the bytes do."""
        return hashlib.sha256(self.data()).hexdigest()[:32]


def columns_of(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """Cells of rows by their columns' names; what a row has too many is left out, what it lacks is None."""
    width = len(names)
    whole = (row if len(row) == width else [*row[:width], *[None] * (width - len(row))] for row in rows)
    return joined_columns(names, [list(column) for column in zip(*whole, strict=True)])


def joined_columns(names: Sequence[str], columns: Sequence[list[Any]]) -> dict[str, list[Any]]:
    """Columns by their names; of two of one name, in each row the first that says something."""
    joined: dict[str, list[Any]] = {}
    for name, cells in zip(names, columns, strict=True):
        before = joined.get(name)
        if before is not None:
            cells = [
                new if old is None or (isinstance(old, str) and not old) else old
                for old, new in zip(before, cells, strict=True)
            ]
        joined[name] = cells
    return joined


@dataclass
class Block:
    """Some rows of a table by column: ``positions`` in the source, ``sources`` and ``columns`` are equally long.

    ``faults``: place in the block -> reason and detail; the cells of such a row may be anything. ``short``: place ->
    as `RawRow.short`.
    """

    positions: Sequence[int]
    sources: Sequence[str]
    columns: Mapping[str, list[Any]]
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)
    short: dict[int, str] = field(default_factory=dict)

    def column(self, name: str) -> list[Any]:
        """The cells of a column, None in each row where there is none of that name."""
        return self.columns[name] if name in self.columns else [None] * len(self.sources)

    def at(self, places: Sequence[int]) -> "Block":
        """The rows at these places alone, without what is wrong with them."""
        if len(places) == len(self.sources):
            return self
        columns = {name: [cells[at] for at in places] for name, cells in self.columns.items()}
        return Block([self.positions[at] for at in places], [self.sources[at] for at in places], columns)

    def whole(self) -> "Block":
        """The rows that have no fault."""
        return self.at([at for at in range(len(self.sources)) if at not in self.faults]) if self.faults else self

    def rows(self) -> Iterator[RawRow]:
        """Its rows one by one."""
        for at, source in enumerate(self.sources):
            values = {name: cells[at] for name, cells in self.columns.items()}
            yield RawRow(self.positions[at], source, values, *self.faults.get(at, ("", "")), self.short.get(at, ""))


def blocks_of(rows: Iterable[RawRow], size: int = BLOCK) -> Iterator[Block]:
    """Rows by column."""
    rows = iter(rows)
    while some := list(islice(rows, size)):
        names = dict.fromkeys(name for row in some for name in row.values)
        yield Block(
            [row.row for row in some],
            [row.source for row in some],
            {name: [row.values.get(name) for row in some] for name in names},
            {at: (row.reason, row.detail) for at, row in enumerate(some) if row.reason},
            {at: row.short for at, row in enumerate(some) if row.short},
        )


def one_block(blocks: Sequence[Block]) -> Block:
    """These blocks as one."""
    if len(blocks) == 1:
        return blocks[0]
    return next(
        blocks_of([row for block in blocks for row in block.rows()], sum(len(one.sources) for one in blocks)),
        Block([], [], {}),
    )


@dataclass(frozen=True)
class RawTable:
    """``columns`` in the table's order; ``blocks`` may be read once."""

    columns: Sequence[str]
    blocks: Iterable[Block]
    facts: Mapping[str, object] = field(default_factory=dict)
