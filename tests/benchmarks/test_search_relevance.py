"""Queries are made of the shop's columns, and every channel is measured on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from app.serving.last_known_good import LastKnownGood
from app.serving.live import Live
from app.settings import AppSettings
from benchmarks.search_relevance import brands_of, columns_of, draw_queries, measure, mistype
from tasks.schema.tables import ITEMS
from tests.conftest import item

if TYPE_CHECKING:
    from tests.conftest import TinyShop


def test_a_brand_stands_before_a_gender_in_ten_titles() -> None:
    titles = ["Red Tape Men's Shoes"] * 10 + ["Red Tape Black Belt", "Other Men Shoes"]
    assert brands_of(titles, {"Men"}) == ["red tape"] * 11 + [""]


def test_queries_name_what_makes_a_product_right() -> None:
    rows = [item(color, shape) for color in ("red", "blue") for shape in ("mug", "lamp") for _ in range(3)]
    items = pa.Table.from_pylist(rows, schema=ITEMS)
    drawn = draw_queries(columns_of(items), 50)
    assert "gender colour type" not in drawn, "there is no such column"
    assert sorted(query.text for query in drawn["colour type"]) == ["blue lamp", "blue mug", "red lamp", "red mug"]
    one = next(query for query in drawn["colour type"] if query.text == "red lamp")
    assert one.right.tolist() == [3, 4, 5]
    assert [query.text for query in drawn["brand type"]] != [query.text for query in drawn["brand type, one typo"]]


def test_a_typo_changes_one_long_word() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        first, second = mistype("red sandals", rng).split()
        assert first == "red" and abs(len(second) - len("sandals")) <= 1
    assert mistype("red mug", rng) == "red mug"


def test_every_channel_of_a_release_is_measured(tiny_store: TinyShop, capsys: pytest.CaptureFixture[str]) -> None:
    items = pa.Table.from_pylist(tiny_store.rows(), schema=ITEMS)
    live = Live(tiny_store.store, AppSettings(), LastKnownGood(tiny_store.settings.store_cache, "production"))
    live.check()
    with live.acquire() as snapshot:
        assert measure(items, 10, snapshot)
    told = capsys.readouterr().out
    assert all(name in told for name in ("words, titles", "images", "fused by ranks", "hybrid", "brand type", "PASSED"))
