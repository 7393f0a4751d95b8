"""Answers sorted by a column of numbers: by price, or by any attribute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.query import search
from app.settings import AppSettings
from tasks.schema.release import Release

if TYPE_CHECKING:
    from tests.conftest import TinyShop

PRICES = [30.0, 10.0, None, 20.0, 10.0, 0.0, None, 5.0, 40.0, 10.0, 7.0, 8.0]
SIZES = ["10", "9", "", "one size", "100", "10", "8", "", "7.5", "-1", "1e2", "nan"]


@pytest.fixture
def client(own_store: TinyShop, publish_next: Callable[..., Release]) -> Iterator[TestClient]:
    rows = [
        row | {"price": price, "attributes": {"size": size, "fit": "slim"} if size else {}}
        for row, price, size in zip(own_store.rows(), PRICES, SIZES, strict=True)
    ]
    publish_next("priced", rows, words=True)
    app = create_app(AppSettings(poll_seconds=60, device="cpu"), own_store.settings)
    app.state.live.check()
    with TestClient(app) as client:
        yield client


def ask(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/search", json={"text": "red mug", "top_k": 12, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["product"]["item_id"] for hit in answer["hits"]]


def in_order(relevant: list[str], values: dict[str, float | None], sign: int) -> list[str]:
    """The same meaning in plain Python."""
    known = [one for one in relevant if values[one] is not None]
    return sorted(known, key=lambda one: sign * (values[one] or 0.0)) + [one for one in relevant if one not in known]


@pytest.mark.parametrize("mode", ["vector", "lexical", "hybrid"])
@pytest.mark.parametrize(("sort", "sign"), [("price", 1), ("-price", -1)])
def test_prices_rise_or_fall_and_equal_ones_stay_in_order(
    client: TestClient, mode: str, sort: str, sign: int, own_store: TinyShop
) -> None:
    prices = dict(zip((row["item_id"] for row in own_store.rows()), PRICES, strict=True))
    relevant, answer = ask(client, mode=mode), ask(client, mode=mode, sort=sort)
    assert ids(answer) == in_order(ids(relevant), prices, sign)
    assert answer["total"] == relevant["total"] == len(answer["hits"]), "of words, six have any"
    scores = {hit["product"]["item_id"]: hit["score"] for hit in relevant["hits"]}
    assert {hit["product"]["item_id"]: hit["score"] for hit in answer["hits"]} == scores
    assert [hit["rank"] for hit in answer["hits"]] == list(range(1, len(scores) + 1))


def test_an_attribute_of_numbers_sorts_too(client: TestClient, own_store: TinyShop) -> None:
    numbers = [None if size in ("", "one size", "nan") else float(size) for size in SIZES]
    sizes = dict(zip((row["item_id"] for row in own_store.rows()), numbers, strict=True))
    for sort, sign in (("attributes.size", 1), ("-attributes.size", -1)):
        assert ids(ask(client, sort=sort)) == in_order(ids(ask(client)), sizes, sign)


@pytest.mark.parametrize("mode", ["vector", "lexical", "hybrid"])
def test_pages_are_of_one_order(client: TestClient, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setattr(search, "_NEAR", 7)
    whole = ask(client, mode=mode, sort="price")
    assert len(whole["hits"]) == whole["total"] == (6 if mode == "lexical" else 7)
    if mode != "lexical":
        assert set(ids(whole)) == set(ids(ask(client, mode=mode))[:7]), "the best ones, whatever their price"
    pages = [ask(client, mode=mode, sort="price", top_k=2, offset=offset) for offset in range(0, 10, 2)]
    assert [one for page in pages for one in ids(page)] == ids(whole)
    assert {page["total"] for page in pages} == {whole["total"]}


def test_filter_facets_and_the_product_asked_for_hold(client: TestClient) -> None:
    where = {"column": "color", "in": ["red", "blue"]}
    plain, answer = (ask(client, sort=sort, filter=where, facets=["color"]) for sort in ("relevance", "price"))
    assert set(ids(answer)) == set(ids(plain)) and answer["facets"] == plain["facets"]
    like = client.post("/v1/search", json={"item_id": "red-mug", "sort": "price", "top_k": 12}).json()
    assert "red-mug" not in ids(like) and like["total"] == len(ids(like)) == 11
    empty = ask(client, sort="price", filter={"column": "brand", "in": ["none"]})
    assert empty["hits"] == [] and empty["total"] == 0
    assert ids(ask(client, sort="relevance")) == ids(ask(client))


@pytest.mark.parametrize(
    ("sort", "says"),
    [
        ("", "has no column ''"),
        ("cost", "has no column 'cost'. It has: category"),
        ("--price", "no column '-price'"),
        ("attributes.fit", "attributes.fit holds no numbers"),
        ("-brand", "brand holds no numbers"),
    ],
)
def test_what_has_no_order_is_told(client: TestClient, sort: str, says: str) -> None:
    answer = client.post("/v1/search", json={"text": "mug", "sort": sort})
    assert answer.status_code == 400 and says in answer.json()["detail"]
    assert client.post("/v1/search", json={"text": "mug", "sort": 1}).status_code == 422
