"""What one cell holds: text, or a list or an object that an export wrote as text."""

import ast
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from string import Formatter
from typing import Any, TypeVar

from tasks.catalog import text
from tasks.catalog.tables.rows import Block, EmbeddedImage

T = TypeVar("T")

_LONGEST_LITERAL = 200_000  # characters
_LONGEST_NOTHING = 12  # characters; what exports write where there is nothing is shorter
_BEGINNINGS = frozenset("[{a \t\n")
_TEXT_OF = ("name", "value", "title", "label", "text", "en", "en_US")  # what an object calls its text
#: numpy prints a list of strings without commas, which Python would read as one string.
_NUMPY_LIST = re.compile(r"""^\[\s*(?:(?:'[^']*'|"[^"]*")\s*)+\]$""")
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_ARRAY = re.compile(r"^array\((\[.*\])(?:,\s*dtype=\w+)?\)$", re.DOTALL)


def each(function: Callable[[Any], T], cells: Sequence[Any]) -> list[T]:
    """``function`` of each cell, of equal texts once. Other values may be equal and not the same: 1 and True."""
    of_text = {cell: function(cell) for cell in {cell for cell in cells if type(cell) is str}}
    return [of_text[cell] if type(cell) is str else function(cell) for cell in cells]


def each_row(function: Callable[..., T], *columns: Sequence[Any]) -> list[T]:
    """``function`` of the texts of each row, of equal ones once."""
    rows = list(zip(*columns, strict=True))
    of_row = {row: function(*row) for row in set(rows)}
    return [of_row[row] for row in rows]


def parsed(value: Any) -> Any:
    """The list or object that ``value`` spells as JSON, or as Python or numpy print it; any other value as it is."""
    if not isinstance(value, str) or value[:1] not in _BEGINNINGS or len(value) > _LONGEST_LITERAL:
        return value
    written = value.strip()
    if not written.startswith(("[", "{", "array(")):
        return value
    written = _ARRAY.sub(r"\1", written)
    with suppress(ValueError, RecursionError):
        return json.loads(written)
    if _NUMPY_LIST.match(written):
        return [one or other for one, other in _QUOTED.findall(written)]
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return ast.literal_eval(written)
    return value


def as_text(value: Any) -> str:
    """Text of any cell: a list's entries after commas, an object by its name or value."""
    if isinstance(value, str) and value[:1] not in _BEGINNINGS:  # nearly every cell
        return _unguarded(value) if value[:1] == "=" else value
    value = parsed(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(found for found in map(as_text, value) if found)
    if isinstance(value, dict):
        named = next((value[key] for key in _TEXT_OF if value.get(key)), None)
        return text.cell_text(value) if named is None else as_text(named)
    return "" if isinstance(value, EmbeddedImage) else _unguarded(text.cell_text(value))


def _unguarded(cell: str) -> str:
    """Without the guard that keeps Excel from reading digits as a number: ="00123"."""
    return cell[2:-1] if cell.startswith('="') and cell.endswith('"') else cell


def is_filled(value: Any) -> bool:
    """Whether a cell says something."""
    if isinstance(value, str) and len(value) > _LONGEST_NOTHING:
        return not value.isspace()
    if isinstance(value, (list, tuple)):
        return any(map(is_filled, value))
    return isinstance(value, (EmbeddedImage, dict)) or bool(text.word(text.cell_text(value), 200))


class Source:
    """Where a field's value is: one column, or several of which the first filled one counts, or a pattern of them.

    A pattern names columns in braces: ``images/{id}.jpg``, ``{article_id:.3}/{article_id}.jpg``.
    """

    def __init__(self, *columns: str) -> None:
        self.columns = columns
        self._only = columns[0] if len(columns) == 1 and not is_pattern(columns[0]) else ""

    def __str__(self) -> str:
        return " or ".join(self.columns)

    @property
    def first(self) -> str:
        """The column, or the pattern, that is looked at first."""
        return self.columns[0]

    @property
    def names(self) -> set[str]:
        """Every column that is read for it."""
        return {name for column in self.columns for name in (pattern_columns(column) or [column])}

    def cells(self, block: Block) -> list[Any]:
        """For each row the value of the column, or of the first filled one; None where there is none."""
        if self._only:
            return block.column(self._only)
        cells: list[Any] = [None] * len(block.sources)
        for column in reversed(self._columns(block)):
            filled = each(is_filled, column)
            cells = [new if is_new else old for new, is_new, old in zip(column, filled, cells, strict=True)]
        return cells

    def all_cells(self, block: Block) -> list[list[Any]]:
        """The cells of every column, one list for each."""
        return self._columns(block)

    def _columns(self, block: Block) -> list[list[Any]]:
        return [block.columns[name] if name in block.columns else _patterned(name, block) for name in self.columns]


def is_pattern(column: str) -> bool:
    """Whether a column's name is a pattern of columns."""
    return "{" in column and bool(pattern_columns(column))


def pattern_columns(pattern: str) -> list[str]:
    """Columns that a pattern names; [] where it is none, or asks for what text cannot be: ``{id:d}``."""
    try:
        parts = [(name, format("", form or "")) for _, name, form, _ in Formatter().parse(pattern) if name is not None]
    except ValueError:
        return []
    fields = [name for name, _ in parts]
    return [] if any(not name for name in fields) else fields


def _patterned(pattern: str, block: Block) -> list[Any]:
    """The pattern with its columns' text; "" in rows where one of them is empty, or it is no pattern."""
    if not is_pattern(pattern):
        return [""] * len(block.sources)
    parts = list(Formatter().parse(pattern))
    texts = [[found.strip() for found in each(as_text, block.column(name))] for _, name, _, _ in parts if name]
    return [_filled_in(parts, row) for row in zip(*texts, strict=True)]


def _filled_in(parts: Sequence[tuple[str, str | None, str | None, str | None]], found: Sequence[str]) -> str:
    if not all(found):
        return ""
    values = iter(found)
    return "".join(literal + (format(next(values), form or "") if name else "") for literal, name, form, _ in parts)
