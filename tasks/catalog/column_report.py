"""What a person should see of each column that was read: how full it is, what is in it, what looks wrong."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.catalog import text
from tasks.catalog.cells import Source
from tasks.schema.command import as_columns

_COUNTED = 20_000  # distinct values counted of a column; beyond that the count is a lower bound
_EXAMPLES = 3
_EXAMPLE_CHARACTERS = 60


class ColumnReport:
    """Gathers figures of the mapped columns while rows are read."""

    def __init__(self, columns: Mapping[str, Source]) -> None:
        self._columns = columns
        self._rows = 0
        self._filled: Counter[str] = Counter()
        self._values: dict[str, Counter[str]] = {field: Counter() for field in columns}

    def add(self, texts: Mapping[str, Sequence[str]]) -> None:
        """Count accepted rows: field -> the text of each one's cell."""
        self._rows += len(next(iter(texts.values())))
        for field, cells in texts.items():
            counts, values = Counter(filter(None, cells)), self._values[field]
            self._filled[field] += counts.total()
            for found, count in counts.items():
                if found in values or len(values) < _COUNTED:
                    values[found] += count

    def rows(self, suspicions: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        """One row for each field: its column, the share filled, distinct values, examples, and what looks wrong."""
        return [
            {
                "field": field,
                "column": str(source),
                "filled": round(self._filled[field] / self._rows, 4) if self._rows else 0.0,
                "distinct": len(self._values[field]),
                "examples": [
                    text.showable(value, _EXAMPLE_CHARACTERS) for value, _ in self._values[field].most_common(_EXAMPLES)
                ],
                "suspicions": [*suspicions.get(field, ()), *self._suspicions(field)],
            }
            for field, source in self._columns.items()
        ]

    def _suspicions(self, field: str) -> list[str]:
        filled, values = self._filled[field], self._values[field]
        found = []
        if not filled:
            found.append("empty in every row")
        elif filled < 0.1 * self._rows:
            found.append("empty in most rows")
        if field in ("title", "product_type", "brand", "color") and filled > 20 and len(values) == 1:
            found.append("the same in every row")
        if field == "title" and 1 < len(values) < 0.2 * filled:
            found.append("few distinct titles: products can hardly be told apart by words")
        if field in ("category", "product_type") and filled > 20 and len(values) > 0.8 * filled:
            found.append("nearly each row has its own: no classes to learn")
        return found


def column_rows(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """A catalogue's columns as rows of a table for people; [] for an ABO export, whose columns are known."""
    return [
        {
            "field": one["field"],
            "column": one["column"],
            "filled": f"{one['filled']:.0%}",
            "distinct": f"{one['distinct']:,}",
            "examples": " | ".join(one["examples"]),
            "look at": "; ".join(one["suspicions"]),
        }
        for one in summary.get("column_report", ())
    ]


def described(summary: Mapping[str, Any]) -> str:
    """What was read as what, for a terminal."""
    folded = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in summary.get("folded_rows", {}).items())
    lines = [
        summary.get("export", "a table of no export that is known"),
        *([f"rows of one product: {folded}"] if folded else []),
        as_columns(column_rows(summary)),
        f"attributes: {', '.join(summary.get('attributes', ())) or 'none'}",
        f"{summary['items']:,} items of {summary['rows']:,} rows, {summary['rejected']:,} refused {summary['rejects']}",
        *(f"note: {warning}" for warning in summary["warnings"]),
    ]
    return "\n".join(lines)
