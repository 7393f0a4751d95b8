"""/metrics: what it tells after real queries, and that no label is a caller's word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from app.main import create_app
from app.metrics import STAGES
from app.settings import AppSettings
from tasks.schema.release import Release

if TYPE_CHECKING:
    from tests.conftest import TinyShop

SETTINGS = AppSettings(poll_seconds=3600, device="cpu")
Sample = tuple[str, tuple[tuple[str, str], ...]]


@pytest.fixture
def client(own_store: TinyShop) -> Iterator[TestClient]:
    app = create_app(SETTINGS, own_store.settings)
    app.state.live.check()
    with TestClient(app) as client:
        yield client


def samples(client: TestClient) -> dict[Sample, float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def of(name: str, **labels: str) -> Sample:
    return f"product_search_{name}", tuple(sorted(labels.items()))


def test_queries_are_counted_and_timed_by_stage(client: TestClient, own_store: TinyShop) -> None:
    client.post("/v1/search", json={"text": "red mug"})
    client.post("/v1/search", json={"text": "red mug"})
    client.post("/v1/search/image", files={"image": ("x.jpg", own_store.image("red", "mug"))})
    client.post("/v1/search", json={})
    found = samples(client)
    assert found[of("requests_total", route="/v1/search", status="200")] == 2
    assert found[of("requests_total", route="/v1/search", status="422")] == 1
    assert found[of("requests_total", route="/v1/search/image", status="200")] == 1
    expected = {"total": 3, "search": 3, "products": 3, "encode": 2, "wait": 2, "decode": 1}
    assert {stage: found[of("stage_seconds_count", stage=stage)] for stage in STAGES} == expected
    assert found[of("vector_cache_total", kind="text", result="hit")] == 1
    assert found[of("vector_cache_total", kind="text", result="miss")] == 1
    assert found[of("queue_depth")] == found[of("in_flight")] == 0


def test_the_live_release_and_its_swaps_are_told(
    client: TestClient, own_store: TinyShop, publish_next: Callable[..., Release]
) -> None:
    live = client.app.state.live  # type: ignore[attr-defined]
    found = samples(client)
    assert found[of("generation")] == 1 and found[of("ready")] == 1 and found[of("stale")] == 0
    assert found[of("swaps_total", result="refused")] == 0 and found[of("live_seconds")] >= 0
    publish_next("second")
    live.check()
    publish_next("third")
    (own_store.settings.store_cache.parent / "store" / "indexes" / "index-third" / "index.faiss").write_bytes(b"x")
    live.check()
    found = samples(client)
    assert found[of("generation")] == 2 and found[of("resident_releases")] == 1
    assert found[of("swaps_total", result="refused")] == 1


def test_no_label_is_what_a_caller_wrote(client: TestClient) -> None:
    for path in (
        "/v1/items/strange-id",
        "/v1/items/strange-id/image",
        "/v1/strange",
        "/strange",
        "/v1/items/x%0astrange",
    ):
        client.get(path)
    client.post("/v1/search", json={"text": "strange words"})
    client.request("STRANGE", "/v1/search")
    assert "strange" not in client.get("/metrics").text.lower()


def test_two_apps_count_for_themselves(client: TestClient, tiny_store: TinyShop) -> None:
    client.post("/v1/search", json={"text": "red mug"})
    with TestClient(create_app(SETTINGS, tiny_store.settings)) as other:
        assert of("requests_total", route="/v1/search", status="200") not in samples(other)


def test_before_the_first_release_it_tells_that(empty_store: TinyShop) -> None:
    with TestClient(create_app(SETTINGS, empty_store.settings)) as client:
        found = samples(client)
        assert found[of("ready")] == 0 and of("generation") not in found
