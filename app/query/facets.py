"""How many products each value of a column has: which filters a visitor may add, and what each would leave."""

import itertools
from collections import Counter
from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel

from app.errors import BadRequest
from app.query.filters import And, Filter, In
from app.serving.columns import Column, Columns, path_prefixes

#: Values listed for each column, those of the best results first.
MOST_VALUES = 12
#: Stands for the columns of the release that are worth filtering by.
USEFUL = "*"
_MOST_COLUMNS = 8
_LEAST_KNOWN = 0.05


class FacetValue(BaseModel, frozen=True):
    """One value: ``count`` products would remain if it was added to the other filters; ``chosen``: it is."""

    value: str
    count: int
    chosen: bool = False


class Facet(BaseModel, frozen=True):
    """One column with its most common values among the best results."""

    column: str
    values: list[FacetValue]


def useful_columns(columns: Columns) -> tuple[str, ...]:
    """Columns worth filtering by, in the order in which the page shows them, at most eight.

    Those with at least two values, known for at least some products, and not nearly unique for each. A product type
    is left out where the category is as fine.
    """
    found = {name: column for name, column in columns.text.items() if _divides(column)}
    kind, category = found.get("product_type"), found.get("category")
    if kind and category and len(kind.values) <= len(category.values):
        del found["product_type"]
    return tuple(found)[:_MOST_COLUMNS]


def _divides(column: Column) -> bool:
    values = sum(value != "" for value in column.values)
    return values >= 2 and column.known >= max(2 * values, _LEAST_KNOWN * len(column.codes))


def without(where: Filter | None, column: str) -> tuple[Filter | None, frozenset[str]]:
    """The filter without its own choice of ``column``'s values, and those values.

    Only a choice at the top, or inside a top-level ``and``, is a facet's; anything deeper stays.
    """
    clauses = where.clauses if isinstance(where, And) else (where,) if where is not None else ()
    chosen = [clause for clause in clauses if isinstance(clause, In) and clause.column == column]
    others = tuple(clause for clause in clauses if clause not in chosen)
    values = frozenset(value for clause in chosen for value in clause.values)
    return (And.model_validate({"and": others}) if others else None), values


def count_facet(
    columns: Columns, name: str, allowed: np.ndarray | None, near: np.ndarray, chosen: frozenset[str]
) -> Facet:
    """Counts of one column's values.

    allowed: (n,) bool, rows that the filter's other clauses leave; None for all. near: rows of the best results: their
    values come first. A category is counted level by level: the top one, and what lies in those chosen.
    Raises BadRequest on a column that the release lacks.
    """
    if name not in columns.text:
        raise BadRequest(f"{name[:80]!r} cannot be counted. Choose of: {', '.join(columns.text)}.")
    column = columns.text[name]
    counts = _counts(column, allowed, name, chosen)
    close = _counts(Column(column.codes[near], column.values), None, name, chosen)
    order = sorted(counts, key=lambda value: (value not in chosen, -close.get(value, 0), -counts[value], value))
    values = [FacetValue(value=value, count=counts[value], chosen=value in chosen) for value in order[:MOST_VALUES]]
    return Facet(column=name, values=values)


def _counts(column: Column, allowed: np.ndarray | None, name: str, chosen: frozenset[str]) -> Mapping[str, int]:
    codes = column.codes if allowed is None else column.codes[allowed]
    found = np.bincount(codes, minlength=len(column.values))
    if name != "category":
        known = {value: int(found[code]) for code, value in enumerate(column.values) if value}
        return {value: count for value, count in known.items() if count or value in chosen}
    counts: Counter[str] = Counter()
    open_paths = {prefix for choice in {*chosen, _trunk(column.values)} for prefix in path_prefixes(choice)}
    for code in np.flatnonzero(found):
        for path in path_prefixes(column.values[code]):
            parent = path.rpartition("/")[0]
            if path and (not parent or parent in open_paths):
                counts[path] += int(found[code])
    return counts


def _trunk(paths: tuple[str, ...]) -> str:
    """Parent of all categories, e.g. "Home": choosing it would filter nothing, so it is open from the start."""
    parts = [path.split("/") for path in paths if path]
    same = itertools.takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False))
    return "/".join(level[0] for level in same)
