"""Filters and facets: exact in what they leave, whatever the shop's columns are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from app.errors import BadRequest
from app.main import create_app
from app.query.facets import count_facet, without
from app.query.filters import Filter
from app.serving.columns import Columns
from app.serving.row_filters import RowFilters
from app.settings import AppSettings
from tasks.schema.tables import ITEMS
from tests.conftest import item

if TYPE_CHECKING:
    from tests.conftest import TinyShop

FILTER: TypeAdapter[Filter] = TypeAdapter(Filter)
ROWS: list[dict[str, Any]] = [
    {"brand": "Acme", "category": "Home/Kitchen/Mugs", "color": "red", "price": 5.0, "attributes": {"size": "10"}},
    {"brand": "Acme", "category": "Home/Kitchen/Pans", "color": "blue", "price": 20.0, "attributes": {"size": "25"}},
    {"brand": "Bolt", "category": "Home/Garden", "color": "red", "price": None, "attributes": {"fit": "slim"}},
    {"brand": "", "category": "Homeware", "color": "", "price": 0.0, "attributes": {"size": "large"}},
]


def columns_of(folder: Path, rows: list[dict[str, Any]]) -> Columns:
    table = [item("red", "mug", item_id=str(number)) | row for number, row in enumerate(rows)]
    path = folder / "items.parquet"
    pq.write_table(pa.Table.from_pylist(table, schema=ITEMS), path, row_group_size=3)
    return Columns.open(path)


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Columns:
    return columns_of(tmp_path_factory.mktemp("columns"), ROWS)


@pytest.mark.parametrize(
    ("clause", "rows"),
    [
        ({"column": "brand", "in": ["Acme"]}, [0, 1]),
        ({"column": "brand", "in": ["Acme", "Bolt"]}, [0, 1, 2]),
        ({"column": "brand", "in": [""]}, [3]),
        ({"column": "brand", "in": ["acme"]}, []),
        ({"column": "category", "in": ["Home"]}, [0, 1, 2]),
        ({"column": "category", "in": ["Home/Kitchen"]}, [0, 1]),
        ({"column": "category", "in": ["Home/Kitchen/Mugs", "Homeware"]}, [0, 3]),
        ({"column": "price", "gte": 5}, [0, 1]),
        ({"column": "price", "gt": 5}, [1]),
        ({"column": "price", "lte": 5, "gte": 0}, [0, 3]),
        ({"column": "price", "lt": 5}, [3]),
        ({"not": {"column": "price", "lt": 5}}, [0, 1, 2]),
        ({"column": "attributes.size", "gt": 10}, [1]),
        ({"column": "attributes.size", "in": ["large", "10"]}, [0, 3]),
        ({"column": "attributes.fit", "in": ["slim"]}, [2]),
        ({"and": [{"column": "brand", "in": ["Acme"]}, {"column": "color", "in": ["red"]}]}, [0]),
        ({"or": [{"column": "brand", "in": ["Bolt"]}, {"column": "price", "lt": 1}]}, [2, 3]),
        ({"not": {"or": [{"column": "brand", "in": ["Bolt"]}, {"column": "price", "lt": 1}]}}, [0, 1]),
        ({"and": [{"not": {"column": "color", "in": [""]}}, {"not": {"column": "brand", "in": ["Acme"]}}]}, [2]),
    ],
)
def test_a_filter_leaves_exactly_what_it_says(columns: Columns, clause: dict, rows: list[int]) -> None:
    assert np.flatnonzero(FILTER.validate_python(clause).rows(columns)).tolist() == rows


@pytest.mark.parametrize(
    ("clause", "says"),
    [
        ({"column": "colour", "in": ["red"]}, "has no column 'colour'. It has: category"),
        ({"column": "price", "in": ["5"]}, "by a range"),
        ({"column": "brand", "gte": 3}, "holds no numbers"),
    ],
)
def test_a_filter_that_cannot_be_is_told_what_to_change(columns: Columns, clause: dict, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        FILTER.validate_python(clause).rows(columns)


_COLORS = st.sampled_from(["red", "blue", "", "green"])
_PRICES = st.one_of(st.none(), st.floats(0, 100, allow_nan=False))
_LEAVES = st.one_of(
    st.builds(lambda values: {"column": "color", "in": values}, st.lists(_COLORS, min_size=1, max_size=3)),
    st.builds(lambda low: {"column": "price", "gte": low}, st.floats(0, 100)),
    st.builds(lambda high: {"column": "price", "lt": high}, st.floats(0, 100)),
)
_CLAUSES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda clauses: {"and": clauses}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda clauses: {"or": clauses}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda clause: {"not": clause}, inner),
    ),
    max_leaves=8,
)


def _holds(clause: dict, color: str, price: float | None) -> bool:
    """The same meaning, row by row, in plain Python."""
    if "and" in clause:
        return all(_holds(inner, color, price) for inner in clause["and"])
    if "or" in clause:
        return any(_holds(inner, color, price) for inner in clause["or"])
    if "not" in clause:
        return not _holds(clause["not"], color, price)
    if "in" in clause:
        return color in clause["in"]
    return price is not None and price >= clause.get("gte", 0) and price < clause.get("lt", 1000)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(_COLORS, _PRICES), min_size=1, max_size=12), clause=_CLAUSES)
def test_any_nesting_means_what_plain_python_means(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float | None]], clause: dict
) -> None:
    listed = [{"color": color, "price": price} for color, price in [*rows, ("red", 1.0)]]
    columns = columns_of(tmp_path_factory.mktemp("any"), listed)
    expected = [_holds(clause, row["color"], row["price"]) for row in listed]
    assert FILTER.validate_python(clause).rows(columns).tolist() == expected


def test_a_filter_is_worked_out_once_and_never_shows_what_was_taken_down(columns: Columns) -> None:
    filters = RowFilters(columns, np.array([False, True, True, True]))
    acme = FILTER.validate_python({"column": "brand", "in": ["Acme"]})
    assert np.flatnonzero(filters.matching(acme).mask).tolist() == [1] and filters.matching(acme).count == 1
    assert filters.matching(FILTER.validate_python({"column": "brand", "in": ["Acme"]})) is filters.matching(acme)
    assert filters.matching(None).count == 3
    for number in range(200):
        filters.matching(FILTER.validate_python({"column": "price", "gt": number}))
    assert len(filters._cache) <= 64


def counted(columns: Columns, name: str, **how: Any) -> dict[str, int]:
    how = {"allowed": None, "near": np.array([], np.int64), "chosen": frozenset()} | how
    return {value.value: value.count for value in count_facet(columns, name, **how).values}


def test_facets_count_what_a_choice_would_leave(columns: Columns) -> None:
    assert counted(columns, "brand") == {"Acme": 2, "Bolt": 1}
    assert counted(columns, "color", allowed=np.array([True, True, False, False])) == {"red": 1, "blue": 1}
    assert counted(columns, "attributes.size") == {"10": 1, "25": 1, "large": 1}
    none = np.zeros(4, np.bool_)
    assert counted(columns, "brand", allowed=none, chosen=frozenset({"Bolt"})) == {"Bolt": 0}, "to be taken off again"


def test_a_category_opens_level_by_level(columns: Columns) -> None:
    assert counted(columns, "category") == {"Home": 3, "Homeware": 1}
    opened = counted(columns, "category", chosen=frozenset({"Home"}))
    assert opened == {"Home": 3, "Homeware": 1, "Home/Kitchen": 2, "Home/Garden": 1}
    deeper = counted(columns, "category", chosen=frozenset({"Home/Kitchen"}))
    assert deeper["Home/Kitchen/Mugs"] == 1 and deeper["Home"] == 3


def test_a_trunk_that_all_products_share_is_open_from_the_start(tmp_path: Path) -> None:
    rows = [{"category": path} for path in ("Home/Kitchen/Mugs", "Home/Kitchen/Pans", "Home/Garden")]
    assert counted(columns_of(tmp_path, rows), "category") == {"Home": 3, "Home/Kitchen": 2, "Home/Garden": 1}


def test_values_of_the_best_results_come_first(columns: Columns) -> None:
    facet = count_facet(columns, "brand", None, np.array([2]), frozenset())
    assert [value.value for value in facet.values] == ["Bolt", "Acme"]


def test_a_facet_is_counted_without_its_own_choice() -> None:
    where = FILTER.validate_python(
        {"and": [{"column": "brand", "in": ["Acme"]}, {"column": "price", "lt": 9}, {"column": "brand", "in": ["B"]}]}
    )
    others, values = without(where, "brand")
    assert others == FILTER.validate_python({"and": [{"column": "price", "lt": 9}]}) and values == {"Acme", "B"}
    deep = FILTER.validate_python({"or": [{"column": "brand", "in": ["Acme"]}]})
    assert without(deep, "brand") == (FILTER.validate_python({"and": [{"or": deep.clauses}]}), frozenset())
    assert without(None, "brand") == (None, frozenset())


@pytest.fixture(scope="module")
def client(tiny_store: TinyShop) -> Iterator[TestClient]:
    app = create_app(AppSettings(poll_seconds=0.1, device="cpu", max_filter_clauses=20), tiny_store.settings)
    app.state.live.check()
    with TestClient(app) as client:
        yield client


def test_search_keeps_the_filter_and_counts_facets(client: TestClient) -> None:
    body = {
        "text": "red mug",
        "top_k": 10,
        "facets": ["color", "product_type"],
        "filter": {
            "and": [{"column": "color", "in": ["red", "blue"]}, {"not": {"column": "product_type", "in": ["mug"]}}]
        },
    }
    answer = client.post("/v1/search", json=body).json()
    assert answer["total"] == 4 == len(answer["hits"])
    assert Counter(hit["product"]["color"] for hit in answer["hits"]) == {"red": 2, "blue": 2}
    facets = {facet["column"]: {v["value"]: v["count"] for v in facet["values"]} for facet in answer["facets"]}
    assert facets["color"] == {"red": 2, "blue": 2, "green": 2, "yellow": 2}, "its own choice aside, the others kept"
    assert facets["product_type"] == {"chair": 2, "lamp": 2}
    assert {v["value"] for v in answer["facets"][0]["values"] if v["chosen"]} == {"red", "blue"}


def test_pages_follow_each_other_without_gap_or_repeat(client: TestClient) -> None:
    whole = client.post("/v1/search", json={"text": "lamp", "top_k": 12}).json()["hits"]
    paged = [
        hit
        for offset in (0, 5, 10)
        for hit in client.post("/v1/search", json={"text": "lamp", "top_k": 5, "offset": offset}).json()["hits"]
    ]
    assert paged == whole and [hit["rank"] for hit in paged] == list(range(1, 13))
    beyond = client.post("/v1/search", json={"text": "lamp", "offset": 500}).json()
    assert beyond["hits"] == [] and beyond["total"] == 12


def test_a_batch_answers_as_its_queries_do_alone(client: TestClient) -> None:
    queries = [
        {"text": "red mug", "top_k": 3},
        {"item_id": "blue-chair", "top_k": 2, "filter": {"column": "color", "in": ["red"]}},
        {"terms": [{"text": "lamp"}, {"item_id": "red-mug", "weight": 0.5}], "top_k": 4},
    ]
    batch = client.post("/v1/search/batch", json={"queries": queries}).json()
    alone = [client.post("/v1/search", json=query).json() for query in queries]
    assert batch["release"] == "first"
    for one, other in zip(batch["answers"], alone, strict=True):
        assert [hit["product"] for hit in one["hits"]] == [hit["product"] for hit in other["hits"]]
    assert client.post("/v1/search/batch", json={"queries": queries * 20}).status_code == 400


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"filter": {"column": "colour", "in": ["red"]}}, 400, "no column 'colour'"),
        ({"filter": {"column": "color"}}, 422, "gte, gt, lte, lt"),
        ({"filter": {"colour": "red"}}, 422, "a clause has"),
        ({"filter": {"column": "color", "in": []}}, 422, "filter"),
        ({"filter": {"column": "color", "in": ["x"] * 21}}, 400, "21 clauses"),
        ({"facets": ["title"]}, 400, "cannot be counted. Choose of: category"),
        ({"offset": -1}, 400, "Offset is -1"),
        ({"offset": 1001, "top_k": 0}, 400, "Offset is 1001"),
    ],
)
def test_a_wrong_filter_is_told_what_to_change(client: TestClient, change: dict, status: int, says: str) -> None:
    answer = client.post("/v1/search", json={"text": "red mug"} | change)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]


def test_an_upload_takes_words_and_a_filter(client: TestClient, tiny_store: TinyShop) -> None:
    files = {"image": ("x.jpg", tiny_store.image("red", "mug"))}
    form = {"text": "chair", "filter": '{"column": "color", "in": ["red"]}', "top_k": "5"}
    answer = client.post("/v1/search/image", files=files, data=form).json()
    assert {hit["product"]["color"] for hit in answer["hits"]} == {"red"} and answer["total"] == 3
    bad = client.post("/v1/search/image", files=files, data={"filter": "{"})
    assert bad.status_code == 422
