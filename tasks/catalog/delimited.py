"""Rows of a csv or tsv text, one fault at a time: a quote left open costs its own row, not the rest of the file."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

DELIMITERS = (",", "\t", ";", "|")
_LONGEST_RECORD = 1_000  # physical lines one record may span
csv.field_size_limit(16 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Record:
    """Cells of one row and the 1-based line it starts on; ``fault`` says what is wrong with it, "" if nothing."""

    line: int
    cells: list[str]
    fault: str = ""


def physical_lines(text: str) -> list[str]:
    """Lines with their ends. Unlike ``splitlines``, breaks only at line feeds and carriage returns."""
    return list(io.StringIO(text, newline=""))


def sniff_delimiter(lines: list[str], suffix: str) -> str:
    """The delimiter that cuts the header and the first rows into the same, largest number of cells."""
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:
        return lines[0].strip()[-1]
    preferred = "\t" if suffix == ".tsv" else ","
    best, score = preferred, (0.0, 0)
    for delimiter in sorted(DELIMITERS, key=lambda mark: mark != preferred):
        rows = [_parse(lines, at, delimiter)[0] for at in range(min(len(lines), 20))]
        if not rows or len(rows[0]) < 2:
            continue
        agreeing = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        if (agreeing, len(rows[0])) > score:
            best, score = delimiter, (agreeing, len(rows[0]))
    return best


def records(lines: list[str], delimiter: str) -> Iterator[Record]:
    """The header, then every row that is not a blank line. Rows with a wrong number of cells carry a fault."""
    width, at = 0, 0
    while at < len(lines):
        cells, used, fault = _parse(lines, at, delimiter)
        if width and used > 1 and len(cells) != width:
            cells, used, fault = _recover(lines, at, delimiter, width)
        line, at = at + 1, at + used
        if not cells or (len(cells) == 1 and not cells[0].strip()):
            continue
        if not width:
            if len(cells) == 1 and cells[0].lower().startswith("sep="):
                continue
            width = len(cells)
        elif len(cells) != width:
            fault = fault or f"{len(cells)} cells where the header has {width}"
            yield Record(line, cells, fault)
            continue
        yield Record(line, cells)


def _parse(lines: list[str], at: int, delimiter: str) -> tuple[list[str], int, str]:
    """Cells of the record that starts at line ``at``, how many lines it takes, and what csv had to say."""
    for span in (1, _LONGEST_RECORD):
        reader = csv.reader(lines[at : at + span], delimiter=delimiter, strict=True)
        try:
            return next(reader), reader.line_num, ""
        except StopIteration:
            return [], 1, ""
        except csv.Error:
            continue
    return _leniently(lines[at], delimiter), 1, "a quote is opened and not closed"


def _leniently(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        return []


def _recover(lines: list[str], at: int, delimiter: str, width: int) -> tuple[list[str], int, str]:
    """A record over several lines with a wrong number of cells: an open quote that swallowed good rows, or one row."""
    cells, used, _ = _parse(lines, at, delimiter)
    following = _leniently(lines[at + 1], delimiter)
    if len(following) == width:
        return _leniently(lines[at], delimiter), 1, "a quote is opened and not closed"
    return cells, used, ""
