"""Golden queries: a text file of queries whose answers the owner of a shop watches."""

from pydantic import BaseModel

from tasks.schema.errors import ConfigError

_MAX_QUERIES, _MAX_CHARACTERS, _MAX_EXPECTED = 1_000, 300, 10


class GoldenQuery(BaseModel, frozen=True):
    """One query, and ids of the products that must be among its first 10 answers."""

    text: str
    expected: tuple[str, ...] = ()


def parse_golden_queries(data: bytes, name: str) -> tuple[GoldenQuery, ...]:
    """One query a line, after a tab each an expected item id; empty lines and # comments are skipped. UTF-8.

    Raises ConfigError listing every bad line of ``name``.
    """
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    queries: dict[str, GoldenQuery] = {}
    faults = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        text, *expected = (cell.strip() for cell in line.split("\t"))
        fault = _fault(text, expected) or (f"{text!r} is there already" if text in queries else "")
        if fault:
            faults.append(f"line {number}: {fault}")
        else:
            queries[text] = GoldenQuery(text=text, expected=tuple(expected))
    if not queries and not faults:
        faults.append("no query in it")
    if len(queries) > _MAX_QUERIES:
        faults.append(f"{len(queries)} queries, {_MAX_QUERIES} at most")
    if faults:
        raise ConfigError(f"golden queries {name}: " + "; ".join(faults))
    return tuple(queries.values())


def _fault(text: str, expected: list[str]) -> str:
    if not text:
        return "no query before the tab"
    if len(text) > _MAX_CHARACTERS:
        return f"a query of {len(text)} characters, {_MAX_CHARACTERS} at most"
    if not text.isprintable():
        return f"{text[:40]!r} holds control characters"
    if not all(expected):
        return "an empty item id after a tab"
    if len(set(expected)) < len(expected):
        return "an item id is named twice"
    if len(expected) > _MAX_EXPECTED:
        return f"{len(expected)} expected products, only {_MAX_EXPECTED} answers are looked at"
    return ""
