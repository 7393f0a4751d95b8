"""Rows of JSON lines, of a JSON array of objects, and of an object that holds one such array."""

import json
from typing import Any

from tasks.catalog import text
from tasks.catalog.tables.rows import RawRow, RawTable, blocks_of
from tasks.schema.errors import CatalogError

_FEW_KEYS = 6  # of an object that holds a list of products beside a count, a page, a shop's name


def read_json(name: str, data: bytes) -> RawTable:
    """A .json or .jsonl file. Raises CatalogError where it is JSON of a shape that holds no rows."""
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    entries = _entries(name, data)
    if entries is None:
        lines = [(at, line) for at, line in enumerate(data.split(b"\n"), 1) if line.strip()]
        rows = [_json_line(index, f"{name}:{at}", line) for index, (at, line) in enumerate(lines)]
    else:
        rows = [_json_row(at, f"{name}#{at}", entry) for at, entry in enumerate(entries)]
    return RawTable(list(dict.fromkeys(column for row in rows for column in row.values)), blocks_of(rows))


def _entries(name: str, data: bytes) -> list[Any] | None:
    """The entries of one JSON document; None where each line is one of its own."""
    if data.startswith(b"["):
        try:
            return list(json.loads(data))
        except (ValueError, RecursionError) as error:
            raise CatalogError(f"{name} starts like a JSON array but is not one ({error}).") from error
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None  # JSON lines, each judged by itself
    return _rows_of(name, document)


def _rows_of(name: str, document: Any) -> list[Any]:
    """The one list of objects in an object, or the object itself where it is a product."""
    if not isinstance(document, dict):
        return [document]
    lists = {
        key: value
        for key, value in document.items()
        if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value)
    }
    inside = list(document.values())
    if len(inside) > 1 and all(isinstance(entry, dict) for entry in inside):
        raise CatalogError(
            f"{name} is one JSON object of {len(inside):,} objects ({', '.join(list(document)[:3])}, ...): columns, or "
            "products by their id. Expected a list of products: write it as one object a line, e.g. with pandas "
            "DataFrame.to_json(orient='records', lines=True)."
        )
    flat = any(not isinstance(value, (list, dict)) for value in document.values())
    if len(lists) == 1 and (not flat or len(document) <= _FEW_KEYS) and "title" not in document:
        return next(iter(lists.values()))
    if len(lists) > 1 and not flat:
        raise CatalogError(
            f"{name} holds several lists of objects ({', '.join(lists)}): expected one list of products. Write that "
            "list to a file of its own."
        )
    within = next((value for value in inside if isinstance(value, dict)), None)
    return (
        _rows_of(name, within) if within is not None and not flat and not lists else [document]
    )  # {"data": {"products": [...]}}


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
