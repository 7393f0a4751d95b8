"""Rows of a table before they are understood."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


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


def by_column(names: Iterable[str], cells: Iterable[Any]) -> dict[str, Any]:
    """Cells by their columns' names; of two columns of one name, the first that says something."""
    values: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=False):
        found = values.get(name)
        if found is None or found == "":
            values[name] = cell
    return values


@dataclass(frozen=True)
class RawTable:
    """``columns`` in the table's order; ``rows`` may be read once."""

    columns: Sequence[str]
    rows: Iterable[RawRow]
    facts: Mapping[str, object] = field(default_factory=dict)
