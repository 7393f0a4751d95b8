"""Search by how images look, by the shop's words, and by both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import AppSettings
from tasks.schema.release import Release
from tasks.schema.tables import ITEMS

if TYPE_CHECKING:
    from tests.conftest import TinyShop

SETTINGS = AppSettings(poll_seconds=60, device="cpu")
SHAPES = {"mug", "chair", "lamp"}


def serve(shop: TinyShop) -> TestClient:
    app = create_app(SETTINGS, shop.settings)
    app.state.live.check()
    return TestClient(app)


@pytest.fixture
def client(own_store: TinyShop, publish_next: Callable[..., Release]) -> Iterator[TestClient]:
    publish_next("worded", words=True)
    with serve(own_store) as client:
        yield client


def ask(client: TestClient, text: str, mode: str = "lexical", **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/search", json={"text": text, "mode": mode, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["product"]["item_id"] for hit in answer["hits"]]


def test_words_find_what_the_shop_says(client: TestClient) -> None:
    answer = ask(client, "red mug", top_k=3)
    assert ids(answer)[0] == "red-mug" and answer["total"] == 6, "four mugs and three that are red"
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3]
    assert ids(ask(client, "red mug", top_k=2, offset=1)) == ids(answer)[1:3]
    assert ids(ask(client, "blue-lamp", top_k=1)) == ["blue-lamp"]


def test_a_typo_is_mended_and_told(client: TestClient) -> None:
    for mode in ("lexical", "hybrid"):
        mistyped, meant = (ask(client, text, mode) for text in ("red chiar", "red chair"))
        assert (mistyped["corrected"], meant["corrected"]) == ("red chair", None)
        assert ids(mistyped) == ids(meant), "of both channels"
    assert ask(client, "red chiar", "vector")["corrected"] is None


def test_filter_and_facets_hold_for_words(client: TestClient) -> None:
    answer = ask(client, "mug", filter={"column": "color", "in": ["red", "blue"]}, facets=["color", "product_type"])
    assert set(ids(answer)) == {"red-mug", "blue-mug"} and answer["total"] == 2
    colors, kinds = ({one["value"]: one["count"] for one in facet["values"]} for facet in answer["facets"])
    assert colors == dict.fromkeys(("red", "blue", "green", "yellow"), 1) and kinds == {"mug": 2}


def test_what_the_shop_does_not_have_is_found_by_images_alone(client: TestClient) -> None:
    answer = ask(client, "wheelbarrow", facets=["color"])
    assert answer["hits"] == [] and answer["total"] == 0
    assert ids(ask(client, "wheelbarrow", "hybrid")) == ids(ask(client, "wheelbarrow", "vector"))


def test_both_rank_every_product(client: TestClient) -> None:
    answer = ask(client, "red mug", "hybrid", top_k=12)
    assert answer["total"] == 12 == len(set(ids(answer)))
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert ids(ask(client, "red mug", "hybrid", top_k=5, offset=7)) == ids(answer)[7:]


def test_the_better_of_both_is_asked_for_by_auto(client: TestClient) -> None:
    for text in ("red mug", "wheelbarrow"):
        both, auto = (ask(client, text, mode) for mode in ("hybrid", "auto"))
        assert ids(both) == ids(auto) and both["mode"] == auto["mode"] == "hybrid"
    like = client.post("/v1/search", json={"item_id": "red-mug", "mode": "auto"}).json()
    assert like["mode"] == "vector" and like["hits"]
    assert ask(client, "red mug", "vector")["mode"] == "vector"


def test_words_may_be_taken_as_they_are(client: TestClient) -> None:
    answer = ask(client, "red chiar", correct=False)
    assert answer["corrected"] is None and answer["total"] == 3, "what is red"
    scores = [hit["score"] for hit in ask(client, "red mug", "hybrid", top_k=12)["hits"]]
    assert scores[0] > 0.9 and min(scores) >= 0 and max(scores) <= 1


def test_images_stay_the_default(client: TestClient) -> None:
    plain = client.post("/v1/search", json={"text": "red mug"}).json()
    assert ids(plain) == ids(ask(client, "red mug", "vector")) and plain["total"] == 12


def test_a_batch_may_mix_modes(client: TestClient) -> None:
    queries = [{"text": "red mug", "mode": mode} for mode in ("lexical", "vector", "hybrid")] + [{"item_id": "red-mug"}]
    answers = client.post("/v1/search/batch", json={"queries": queries}).json()["answers"]
    assert [ids(answer) for answer in answers[:3]] == [
        ids(ask(client, "red mug", mode)) for mode in ("lexical", "vector", "hybrid")
    ]
    assert answers[3]["like"]["item_id"] == "red-mug"


@pytest.mark.parametrize(
    "query",
    [
        {"item_id": "red-mug"},
        {"terms": [{"text": "mug", "weight": -1}]},
        {"terms": [{"text": "mug"}, {"text": "red"}]},
    ],
)
def test_words_take_text_alone(client: TestClient, query: dict[str, Any]) -> None:
    for mode in ("lexical", "hybrid"):
        answer = client.post("/v1/search", json={**query, "mode": mode})
        assert answer.status_code == 400 and "takes words alone" in answer.json()["detail"]
    assert client.post("/v1/search", json={"text": "mug", "mode": "psychic"}).status_code == 422
    assert client.post("/v1/search", json={"text": "  ", "mode": "lexical"}).status_code == 400


def test_a_product_taken_down_is_not_found_by_its_words(
    own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    publish_next("worded", words=True)
    with serve(own_store) as client:
        live = client.app.state.live  # type: ignore[attr-defined]
        before = live.pool.current
        release = own_store.take_down("red-mug")
        live.check()
        assert release.lexical and live.pool.current.words is before.words is not None, "not read again"
        for mode in ("lexical", "hybrid"):
            for text in ("red mug", "red-mug"):
                assert "red-mug" not in ids(ask(client, text, mode, top_k=12))


def test_a_release_without_a_word_index_says_so(own_store: TinyShop) -> None:
    with serve(own_store) as client:
        for mode in ("lexical", "hybrid"):
            answer = client.post("/v1/search", json={"text": "mug", "mode": mode})
            assert answer.status_code == 409 and "made without a word index" in answer.json()["detail"]
        assert len(ask(client, "mug", "vector")["hits"]) > 0
        assert ask(client, "mug", "auto")["mode"] == "vector"
        assert "lexical" not in client.get("/v1/release").json()


def test_a_word_index_of_other_products_is_refused(own_store: TinyShop, publish_next: Callable[..., Release]) -> None:
    other = pa.Table.from_pylist(own_store.rows()[:5], schema=ITEMS)
    own_store.word_index = lambda name, table: type(own_store).word_index(own_store, name, other)  # type: ignore[method-assign, misc]
    publish_next("mixed", words=True)
    app = create_app(SETTINGS, own_store.settings)
    app.state.live.check()
    refused = app.state.live.status().refused
    assert refused and "word index holds 5 products" in refused.reason
