"""Names are typed letter by letter, and come."""

from pathlib import Path

import pytest

from app.serving.columns import Columns
from app.serving.suggestions import Suggestions
from benchmarks.type_ahead import made_up, measure, type_in


def test_names_of_a_made_up_shop_are_typed_and_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made_up(600, tmp_path / "items.parquet")
    measure(path, 10)  # its times are this machine's
    said = capsys.readouterr().out
    assert "600 products" in said and "typed with one typo" in said and "p95" in said
    suggestions = Suggestions.open(path, Columns.open(path))
    name = suggestions.names[0].text
    spent, came = type_in(suggestions, [name, "no such name"], [name, "xq"])
    assert len(spent) == len(name) + 2 and came == 0.5
