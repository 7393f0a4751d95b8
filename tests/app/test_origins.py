"""Below a path of another site, and asked by pages of other origins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from app.main import create_app
from app.settings import AppSettings

if TYPE_CHECKING:
    from tests.conftest import TinyShop

SHOP, OTHER = "https://shop.example", "https://other.example"
ASK = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-api-key"}


@pytest.fixture(scope="module")
def client(tiny_store: TinyShop) -> TestClient:
    settings = AppSettings(
        device="cpu", root_path="/shop/search", allow_origins=f"{SHOP}, http://127.0.0.1:7962/", api_key="secret"
    )
    app = create_app(settings, tiny_store.settings)
    app.state.live.check()
    return TestClient(app)


@pytest.mark.parametrize("prefix", ["", "/shop/search"], ids=["the proxy takes the path away", "it does not"])
def test_every_address_answers_below_the_path(client: TestClient, prefix: str) -> None:
    key = {"X-API-Key": "secret"}
    found = client.post(f"{prefix}/v1/search", json={"text": "red square"}, headers=key).json()
    item = found["hits"][0]["product"]["item_id"]
    assert client.get(f"{prefix}/v1/items/{item}/image").headers["content-type"] == "image/jpeg"
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/", "/theme.css"):
        assert client.get(prefix + path).status_code == 200, path
    assert client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/shop/search"}]
    assert '"root":"http://testserver/shop/search"' in client.get(f"{prefix}/").text.replace('": "', '":"')


@pytest.mark.parametrize("prefix", ["", "/shop/search"])
def test_the_key_is_needed_however_the_path_is_written(client: TestClient, prefix: str) -> None:
    assert client.post(f"{prefix}/v1/search", json={"text": "red"}).status_code == 401
    assert client.get(f"{prefix}/v1/release").status_code == 401
    assert client.get("/shop/search/shop/search/v1/release").status_code == 404


def test_the_path_alone_leads_to_the_page(client: TestClient) -> None:
    answer = client.get("/shop/search?q=red%20mug", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (308, "/shop/search/?q=red%20mug")
    assert client.get("/shop/searching").status_code == 404


@pytest.mark.parametrize("origin", [SHOP, "http://127.0.0.1:7962"])
def test_a_page_of_a_named_origin_may_ask(client: TestClient, origin: str) -> None:
    before = client.options("/v1/search", headers={"Origin": origin, **ASK})
    assert before.status_code == 200 and before.headers["access-control-allow-origin"] == origin
    assert "POST" in before.headers["access-control-allow-methods"]
    assert "x-api-key" in before.headers["access-control-allow-headers"].lower()
    refused = client.post("/v1/search", json={"text": "red"}, headers={"Origin": origin})
    assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == origin
    assert "origin" in refused.headers["vary"].lower()
    assert "access-control-allow-credentials" not in refused.headers


def test_no_other_page_may_and_none_the_gradio_page(client: TestClient) -> None:
    assert "access-control-allow-origin" not in client.options("/v1/search", headers={"Origin": OTHER, **ASK}).headers
    answer = client.post("/v1/search", json={"text": "red"}, headers={"Origin": OTHER, "X-API-Key": "secret"})
    assert answer.status_code == 200 and "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in client.get("/healthz", headers={"Origin": SHOP}).headers


def test_without_the_setting_no_origin_is_allowed(tiny_store: TinyShop) -> None:
    client = TestClient(create_app(AppSettings(device="cpu"), tiny_store.settings))
    answer = client.options("/v1/search", headers={"Origin": SHOP, **ASK})
    assert answer.status_code == 405 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("", ""),
        ("/", ""),
        ("/shop/search/", "/shop/search"),
        ("https://shop.example", ""),
        ("https://shop.example:8443/a/b", "/a/b"),
        ("http://[::1]:80/a", "/a"),
    ],
)
def test_a_root_path_is_a_path_or_an_address(given: str, root: str) -> None:
    assert AppSettings(root_path=given).root == root


@pytest.mark.parametrize("given", ["shop", "/v1", "/gradio_api/x", "ftp://x/y", "/a b", "//host/x", "/../x", "/a?b"])
def test_another_root_path_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="no path like /shop/search"):
        AppSettings(root_path=given)


@pytest.mark.parametrize("given", ["*", "shop.example", "https://shop.example/page", "null"])
def test_what_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="is no origin"):
        AppSettings(allow_origins=given)
