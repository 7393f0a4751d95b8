"""Rows of a csv or tsv text, one fault at a time: a quote left open costs its own row, not the rest of the file."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from tasks.catalog import text
from tasks.catalog.tables.rows import BLOCK, Block, RawTable, columns_of
from tasks.schema.errors import CatalogError

DELIMITERS = (",", "\t", ";", "|")
_LONGEST_RECORD = 1_000  # physical lines one record may span
_LOOKED_AT = 20_000_000  # characters in which the way of writing quotes is looked for
_SEP_LINE = re.compile(r'^\ufeff?"?sep=(.)"?[,;|\t]*$', re.IGNORECASE)
_OPEN_QUOTE = "a quote is opened and not closed"
csv.field_size_limit(16 * 1024 * 1024)


class Record(NamedTuple):
    """Cells of one row and the 1-based line it starts on; ``fault`` says what is wrong with it, "" if nothing.

    ``short``: cells are missing at its end, and were added empty.
    """

    line: int
    cells: list[str]
    fault: str = ""
    short: str = ""


@dataclass(frozen=True)
class Dialect:
    """How a file is written. ``escape``: a backslash where a quote in a quoted cell has one before it, else ""."""

    delimiter: str
    escape: str = ""

    def reader(self, lines: list[str], strict: bool = True) -> Any:
        """csv's own reader of these lines."""
        return csv.reader(
            lines, delimiter=self.delimiter, strict=strict, doublequote=not self.escape, escapechar=self.escape or None
        )


def read_delimited(name: str, data: bytes, suffix: str, encoding: str, delimiter: str | None) -> RawTable:
    """A csv or tsv file. Raises CatalogError where it has no header, or a header in another encoding."""
    lines = physical_lines(data, encoding)
    named = _SEP_LINE.match(lines[0].strip("\r\n")) if lines else None
    mark = delimiter or (named.group(1) if named else sniff_delimiter(lines, suffix))
    rows = records(lines, Dialect(mark, _escape(lines)), 1 if named else 0)
    header = next(rows, None)
    if header is None:
        raise CatalogError(f"{name} has no header.")
    names = [cell.strip() for cell in header.cells]
    stray = [text.showable(cell) for cell in names if text.has_stray_bytes(cell)]
    if stray:
        raise CatalogError(f"The header of {name} is not {encoding}: {stray}. Set the parameter encoding.")
    return RawTable(list(dict.fromkeys(names)), _blocks(name, names, rows))


def _blocks(name: str, names: list[str], rows: Iterator[Record]) -> Iterator[Block]:
    first = 0
    while some := list(islice(rows, BLOCK)):
        yield Block(
            range(first, first + len(some)),
            [f"{name}:{record.line}" for record in some],
            columns_of(names, (record.cells for record in some)),
            {at: ("malformed_row", record.fault) for at, record in enumerate(some) if record.fault},
            {at: record.short for at, record in enumerate(some) if record.short},
        )
        first += len(some)


def physical_lines(data: bytes, encoding: str) -> list[str]:
    """Lines with their ends. Unlike ``splitlines``, breaks only at line feeds and carriage returns.

    Bytes outside the encoding stay visible as surrogates, so that only their row is refused.
    """
    errors = "surrogateescape"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding, errors = "utf-16", "replace"
    lines = list(io.TextIOWrapper(io.BytesIO(data), encoding, errors, newline=""))
    if lines:
        lines[0] = lines[0].removeprefix("\ufeff")
    return lines


def _escape(lines: list[str]) -> str:
    r"""A backslash where the file writes ``\"`` in quoted cells (PHP, MySQL), "" where it doubles them as csv does."""
    left, backslashed, doubled = _LOOKED_AT, 0, 0
    for line in lines:
        if '"' in line:
            backslashed += len(re.findall(r'\\"(?!["\s]*(?:[,;|\t]|$))', line))
            doubled += len(re.findall(r'[^,;|\t"\\]""(?!")', line))
        left -= len(line)
        if left < 0:
            break
    return "\\" if backslashed and not doubled else ""


def sniff_delimiter(lines: list[str], suffix: str) -> str:
    """The delimiter that cuts the header and the first rows into the same, largest number of cells."""
    preferred = "\t" if suffix == ".tsv" else ","
    best, score = preferred, (0.0, 0)
    for delimiter in sorted(DELIMITERS, key=lambda mark: mark != preferred):
        rows = [_parse(lines, at, Dialect(delimiter))[0] for at in range(min(len(lines), 20))]
        if not rows or len(rows[0]) < 2:
            continue
        agreeing = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        if (agreeing, len(rows[0])) > score:
            best, score = delimiter, (agreeing, len(rows[0]))
    return best


def records(lines: list[str], dialect: Dialect, at: int = 0) -> Iterator[Record]:
    """The header, then every row that is not a blank line. Rows with a wrong number of cells carry a fault."""
    width = 0
    while at < len(lines):
        end = min(at + _LONGEST_RECORD, len(lines))
        for cells in _of_one_line(lines[at:end], dialect):  # nearly every row
            at += 1
            if 1 < len(cells) == width:
                yield Record(at, cells)
            elif not _is_blank(cells):
                width = width or len(cells)
                yield _fitted(at, cells, width, "")
        if at == end:
            continue
        cells, used, fault = _parse(lines, at, dialect)
        if width and (used > 1 or fault):
            cells, used, fault = _recovered(lines, at, dialect, width, (cells, used, fault))
        line, at = at + 1, at + used
        if not _is_blank(cells):
            width = width or len(cells)
            yield _fitted(line, cells, width, fault)


def _of_one_line(lines: list[str], dialect: Dialect) -> Iterator[list[str]]:
    """Cells of each line, up to the first one that is not a whole row by itself."""
    reader, read = dialect.reader(lines), 0
    try:
        for cells in reader:
            read += 1
            if reader.line_num > read:
                return
            yield cells
    except csv.Error:
        return


def _is_blank(cells: list[str]) -> bool:
    return not cells or (len(cells) == 1 and not cells[0].strip())


def _fitted(line: int, cells: list[str], width: int, fault: str) -> Record:
    """Spreadsheets leave out empty cells at the end of a row, and some writers end each row with a delimiter."""
    found = len(cells)
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    if len(cells) == width:
        return Record(line, cells, fault)
    wrong = fault or f"{found} cells where the header has {width}"
    if fault or len(cells) > width:
        return Record(line, cells, wrong)
    return Record(line, cells + [""] * (width - len(cells)), short=wrong)


def _parse(lines: list[str], at: int, dialect: Dialect) -> tuple[list[str], int, str]:
    """Cells of the record that starts at line ``at``, how many lines it takes, and what csv had to say."""
    for span in (1, _LONGEST_RECORD):
        reader = dialect.reader(lines[at : at + span])
        try:
            return next(reader), reader.line_num, ""
        except StopIteration:
            return [], 1, ""
        except csv.Error:
            continue
    return _leniently(lines[at], dialect), 1, _OPEN_QUOTE


def _leniently(line: str, dialect: Dialect) -> list[str]:
    try:
        return next(dialect.reader([line.rstrip("\r\n")], strict=False), [])
    except csv.Error:
        return []


def _recovered(
    lines: list[str], at: int, dialect: Dialect, width: int, read: tuple[list[str], int, str]
) -> tuple[list[str], int, str]:
    """What csv read, unless it is an open quote that swallowed good rows: then its first line alone.

    In a file of tabs, which are seldom quoted, that line is a row where its one mark is taken as text.
    """
    _, used, fault = read
    if not fault and not any(_is_row(line, dialect, width) for line in lines[at + 1 : at + used]):
        return read
    as_text = lines[at].rstrip("\r\n").split(dialect.delimiter)
    if dialect.delimiter == "\t" and len(as_text) == width and lines[at].count('"') == 1:
        return as_text, 1, ""
    return _leniently(lines[at], dialect), 1, _OPEN_QUOTE


def _is_row(line: str, dialect: Dialect, width: int) -> bool:
    """Whether a line within a record looks like a row of its own: prose has blanks after its commas, rows have none."""
    cells = _leniently(line, dialect)
    return len(cells) == width and not any(cell.startswith(" ") for cell in cells[1:])
