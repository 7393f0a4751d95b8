"""Which products an answer may hold: clauses over the catalogue's columns, joined by and, or, not.

{"and": [{"column": "brand", "in": ["Acme"]},
         {"column": "price", "gte": 10, "lt": 20},
         {"not": {"column": "category", "in": ["Home/Kitchen"]}}]}
"""

from functools import reduce
from operator import and_, or_
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Discriminator, Field, FiniteFloat, Tag, model_validator

from app.query.request_model import RequestModel
from app.serving.columns import Columns, Mask

_BOUNDS = ("gte", "gt", "lte", "lt")


class _Clause(RequestModel):
    """One clause, or several joined."""


class In(_Clause):
    """The column holds one of the values. A category also matches what lies below it; "" matches what is missing."""

    column: str = Field(description="Name of a column, e.g. brand, category, color, attributes.fit")
    values: tuple[str, ...] = Field(alias="in", min_length=1, max_length=1000, description="Values, exactly as shown")

    def rows(self, columns: Columns) -> Mask:
        """(n,) bool. Raises BadRequest."""
        return columns.one_of(self.column, self.values)


class Range(_Clause):
    """The column's number lies in the range. A product without a number is in no range."""

    column: str = Field(description="price, or an attribute that holds numbers")
    gte: FiniteFloat | None = Field(None, description="At least")
    gt: FiniteFloat | None = Field(None, description="More than")
    lte: FiniteFloat | None = Field(None, description="At most")
    lt: FiniteFloat | None = Field(None, description="Less than")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if all(getattr(self, bound) is None for bound in _BOUNDS):
            raise ValueError(f"a range needs a bound: give one of {', '.join(_BOUNDS)}")
        return self

    def rows(self, columns: Columns) -> Mask:
        """(n,) bool. Raises BadRequest."""
        return columns.between(self.column, self._holds)

    def _holds(self, numbers: np.ndarray) -> Mask:
        holds: Mask = ~np.isnan(numbers)
        tests = {"gte": np.greater_equal, "gt": np.greater, "lte": np.less_equal, "lt": np.less}
        for bound, test in tests.items():
            if (limit := getattr(self, bound)) is not None:
                holds &= test(numbers, limit)
        return holds


class And(_Clause):
    """Every clause holds."""

    clauses: tuple["Filter", ...] = Field(alias="and", min_length=1)

    def rows(self, columns: Columns) -> Mask:
        """(n,) bool. Raises BadRequest."""
        return reduce(and_, (clause.rows(columns) for clause in self.clauses))


class Or(_Clause):
    """At least one clause holds."""

    clauses: tuple["Filter", ...] = Field(alias="or", min_length=1)

    def rows(self, columns: Columns) -> Mask:
        """(n,) bool. Raises BadRequest."""
        return reduce(or_, (clause.rows(columns) for clause in self.clauses))


class Not(_Clause):
    """The clause does not hold: also where the column says nothing."""

    clause: "Filter" = Field(alias="not")

    def rows(self, columns: Columns) -> Mask:
        """(n,) bool. Raises BadRequest."""
        return ~self.clause.rows(columns)


def _kind(given: Any) -> str | None:
    """Which clause is meant, by the key that only it has, so that a fault names that clause alone."""
    if isinstance(given, _Clause):
        return type(given).__name__.lower()
    if not isinstance(given, dict):
        return None
    for key in ("and", "or", "not", "in"):
        if key in given:
            return key
    return "range" if "column" in given else None


Filter = Annotated[
    Annotated[And, Tag("and")]
    | Annotated[Or, Tag("or")]
    | Annotated[Not, Tag("not")]
    | Annotated[In, Tag("in")]
    | Annotated[Range, Tag("range")],
    Discriminator(
        _kind,
        custom_error_type="filter_clause",
        custom_error_message='a clause has "and", "or", "not", or a "column" with "in" or a range (gte, gt, lte, lt)',
    ),
]
for _model in (And, Or, Not):
    _model.model_rebuild()


def count_clauses(clause: Filter | None) -> int:
    """Clauses and values of a filter, nested ones included."""
    match clause:
        case None:
            return 0
        case And() | Or():
            return 1 + sum(count_clauses(inner) for inner in clause.clauses)
        case Not():
            return 1 + count_clauses(clause.clause)
        case In():
            return len(clause.values)
    return 1
