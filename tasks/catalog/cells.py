"""What one cell holds: text, or a list or an object that an export wrote as text."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from string import Formatter
from typing import Any

from tasks.catalog import text
from tasks.catalog.tables.rows import EmbeddedImage

_LONGEST_LITERAL = 200_000  # characters
_LONGEST_NOTHING = 12  # characters; what exports write where there is nothing is shorter
_BEGINNINGS = frozenset("[{a \t\n")
_TEXT_OF = ("name", "value", "title", "label", "text", "en", "en_US")  # what an object calls its text
#: numpy prints a list of strings without commas, which Python would read as one string.
_NUMPY_LIST = re.compile(r"""^\[\s*(?:(?:'[^']*'|"[^"]*")\s*)+\]$""")
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_ARRAY = re.compile(r"^array\((\[.*\])(?:,\s*dtype=\w+)?\)$", re.DOTALL)


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

    def value(self, row: Mapping[str, Any]) -> Any:
        """The value of the column, or of the first filled one; None where there is none."""
        return row.get(self._only) if self._only else next(self.values(row), None)

    def values(self, row: Mapping[str, Any]) -> Iterator[Any]:
        """The values of all filled columns."""
        for column in self.columns:
            value = row[column] if column in row else _patterned(column, row)
            if is_filled(value):
                yield value


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


def _patterned(pattern: str, row: Mapping[str, Any]) -> str:
    """The pattern with its columns' text; "" where one of them is empty, or it is no pattern."""
    if not is_pattern(pattern):
        return ""
    pieces = []
    for literal, name, form, _ in Formatter().parse(pattern):
        pieces.append(literal)
        if name is not None:
            found = as_text(row.get(name)).strip()
            if not found:
                return ""
            pieces.append(format(found, form or ""))
    return "".join(pieces)
