"""Type-ahead: the shop's own names, by the beginning of any word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.serving.columns import Columns
from app.serving.suggestions import Suggestions
from app.serving.title_phrases import count_phrases
from app.settings import AppSettings
from tasks.schema.release import Release
from tasks.schema.tables import ITEMS
from tests.conftest import item

if TYPE_CHECKING:
    from tests.conftest import TinyShop

SETTINGS = AppSettings(poll_seconds=60, device="cpu", max_query_chars=100)


def serve(shop: TinyShop) -> TestClient:
    app = create_app(SETTINGS, shop.settings)
    app.state.live.check()
    return TestClient(app)


@pytest.fixture(scope="module")
def client(tiny_store: TinyShop) -> Iterator[TestClient]:
    with serve(tiny_store) as client:
        yield client


def suggest(client: TestClient, q: str, **more: Any) -> list[dict[str, Any]]:
    answer = client.get("/v1/suggest", params={"q": q, **more})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["suggestions"]
    return found


def suggestions_of(folder: Path, rows: list[dict[str, Any]]) -> Suggestions:
    path = folder / "items.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=ITEMS), path)
    return Suggestions.open(path, Columns.open(path))


def texts(suggestions: Suggestions, typed: str, limit: int = 8) -> list[str]:
    return [name.text for name, _ in suggestions.find(typed, limit)]


SHOP = [
    *[
        item("red", "shoe", brand="Lumière", category="Shoes/Sports Shoes", title="Lumière Air Max 90 Red")
        for _ in range(4)
    ],
    *[item("blue", "tshirt", brand="Puma", category="Tops/T-Shirts", title="PUMA cotton tee, blue") for _ in range(3)],
    *[item("blue", "shoe", brand="Puma", category="Shoes/Sports Shoes", title="Puma cotton shoe") for _ in range(2)],
]
SHOP = [row | {"item_id": str(number)} for number, row in enumerate(SHOP)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Suggestions:
    return suggestions_of(tmp_path_factory.mktemp("suggestions"), SHOP)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("sho", ["Shoes", "Sports Shoes", "red Shoes", "blue Shoes"]),
        ("lumi", ["Lumière"]),
        ("LUMIÈ", ["Lumière"]),
        ("t-sh", ["T-Shirts", "blue T-Shirts"]),
        ("t sh", ["T-Shirts", "blue T-Shirts"]),
        ("tsh", ["T-Shirts", "blue T-Shirts"]),
        ("shoe bl", ["blue Shoes"]),
        ("max", ["Max", "Air Max 90 Red", "Lumière Air Max 90"]),
        ("air ma lum", ["Lumière Air Max 90"]),
        ("cott", ["cotton", "PUMA cotton", "PUMA cotton tee"]),
        ("pum", ["Puma"]),
    ],
)
def test_the_beginning_of_any_word_finds_the_shops_own_names(shop: Suggestions, typed: str, first: list[str]) -> None:
    found = texts(shop, typed)
    assert [text for text in found if text in first] == first, found
    assert len(found) == len(set(found))


def test_the_most_common_come_first(shop: Suggestions) -> None:
    for typed in ("s", "p", "b"):
        counts = [products for _, products in shop.find(typed, 8)]
        assert counts == sorted(counts, reverse=True) and counts[-1] > 0
    assert {name.text: products for name, products in shop.find("s", 20)}["Sports Shoes"] == 6


@pytest.mark.parametrize(
    ("typed", "first"),
    [("pmua", "Puma"), ("shos", "Shoes"), ("spotrs sh", "Sports Shoes"), ("bleu sheo", "blue Shoes")],
)
def test_a_typo_is_forgiven_where_nothing_else_matches(shop: Suggestions, typed: str, first: str) -> None:
    assert texts(shop, typed)[0] == first


def test_no_typo_is_assumed_where_something_matches(tmp_path: Path) -> None:
    rows = [item("red", "mug", brand=brand, title="a") for brand in ("Mark", *["Mars"] * 9)]
    suggestions = suggestions_of(tmp_path, [row | {"item_id": str(at)} for at, row in enumerate(rows)])
    assert texts(suggestions, "mark") == ["Mark"]
    assert texts(suggestions, "marx") == ["Mars", "Mark"]


@pytest.mark.parametrize(
    "typed", ["", "  ", "?!", "zq", "wheelbarrow", "mug shoe", "qq " * 30, "\x00", "\ud800", "é" * 90]
)
def test_what_no_name_begins_with_finds_nothing(shop: Suggestions, typed: str) -> None:
    assert texts(shop, typed) == []


def test_two_categories_of_one_name_are_told_apart(tmp_path: Path) -> None:
    rows = [item("red", "mug", item_id=sex, category=f"{sex}/Shoes") for sex in ("Men", "Women")]
    assert texts(suggestions_of(tmp_path, rows), "shoe") == ["Men/Shoes", "Women/Shoes"]


def test_phrases_are_of_words_that_stand_together() -> None:
    titles = ["Air Max - red", "AIR Max red, new", "Air max new", "Air"]
    found = count_phrases(pa.array(titles), 2)
    assert {folded: phrase.titles for folded, phrase in found.items()} == {
        "air": 4,
        "max": 3,
        "red": 2,
        "new": 2,
        "air max": 3,
    }
    assert found["air max"].text == "Air Max" and not found["max"].closed and found["air max"].closed
    for none in ([], ["", " "], ["- |"]):
        assert count_phrases(pa.array(none, pa.string()), 1) == {}
    assert count_phrases(pa.array(["so so so so"]), 1)["so so"].titles == 1


def test_a_shop_without_columns_is_suggested_from_its_titles(tmp_path: Path) -> None:
    bare = {"brand": "", "category": "", "product_type": "", "color": "", "language": "de", "title": "Öl für Stühle"}
    rows = [item("red", "mug", item_id=str(at)) | bare for at in range(3)]
    suggestions = suggestions_of(tmp_path, rows)
    assert texts(suggestions, "stu") == ["Stühle", "Öl für Stühle"] and texts(suggestions, "für s") == ["Öl für Stühle"]
    assert texts(suggestions_of(tmp_path, []), "a") == []


def test_what_is_sent_finds_as_many_as_are_told(client: TestClient) -> None:
    kinds = set()
    for q in ("a", "r", "m", "h", "c"):
        for one in suggest(client, q, limit=50):
            kinds.add(one["kind"])
            answer = client.post("/v1/search", json=one["send"])
            assert answer.status_code == 200, answer.text
            if one["kind"] != "title":
                assert answer.json()["total"] == one["products"] > 0
    assert kinds >= {"category", "brand", "color_type"}
    [mug] = [one for one in suggest(client, "red m") if one["kind"] == "color_type"]
    clauses = [{"column": "color", "in": ["red"]}, {"column": "product_type", "in": ["mug"]}]
    assert mug["send"] == {"text": mug["text"], "filter": {"and": clauses}} and mug["products"] == 1


def test_products_taken_down_do_not_count(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    publish_next("again")
    with serve(own_store) as client:
        live = client.app.state.live  # type: ignore[attr-defined]
        before = {one["text"]: one["products"] for one in suggest(client, "m", limit=50)}
        held = live.pool.current.suggestions
        own_store.take_down("red-mug")
        live.check()
        after = {one["text"]: one["products"] for one in suggest(client, "m", limit=50)}
        assert live.pool.current.suggestions.names is held.names, "not built again"
    assert before.pop("red mugs") == 1 and "red mugs" not in after
    assert after.pop("mugs") == before.pop("mugs") - 1 == 3
    assert {text: count for text, count in before.items() if "red" not in text.split()} == after


def test_a_request_is_bounded(client: TestClient) -> None:
    assert len(suggest(client, "a", limit=1)) == 1
    for params, status in (
        ({}, 422),
        ({"q": "a", "limit": 0}, 422),
        ({"q": "a", "limit": 51}, 422),
        ({"q": "a" * 101}, 400),
    ):
        answer = client.get("/v1/suggest", params=params)
        assert answer.status_code == status and answer.headers["content-type"] == "application/problem+json"
    answer = client.get("/v1/suggest", params={"q": "a"}).json()
    assert answer["release"] and answer["generation"] == 1
    assert '"/v1/suggest",status="200"' in client.get("/metrics").text


def test_before_the_first_release_it_says_so(empty_store: TinyShop) -> None:
    with serve(empty_store) as client:
        assert client.get("/v1/suggest", params={"q": "a"}).status_code == 503
