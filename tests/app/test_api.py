"""The JSON API over a real tiny release."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app.main import create_app
from app.settings import AppSettings
from tasks.store.artifacts.commit import commit
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import read_release, write_release
from tasks.store.releases.swap import swap_live

if TYPE_CHECKING:
    from tests.conftest import TinyShop

SETTINGS = AppSettings(poll_seconds=0.1, max_upload_mb=1, max_pixels=1_000_000, device="cpu")


@pytest.fixture(scope="module")
def client(tiny_store: TinyShop) -> Iterator[TestClient]:
    app = create_app(SETTINGS, tiny_store.settings)
    app.state.live.check()
    with TestClient(app) as client:
        yield client


def png(width: int, height: int) -> bytes:
    """A PNG whose header claims any size, with next to no pixels behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


def test_text_search_names_its_release_and_orders_by_score(client: TestClient) -> None:
    answer = client.post("/v1/search", json={"text": "red mug", "top_k": 5}).json()
    assert (answer["release"], answer["generation"]) == ("first", 1)
    scores = [hit["score"] for hit in answer["hits"]]
    assert len(scores) == 5 and scores == sorted(scores, reverse=True)
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3, 4, 5]


def test_a_products_own_image_finds_it_first(client: TestClient, tiny_store: TinyShop) -> None:
    for color, shape in (("blue", "chair"), ("yellow", "lamp")):
        files = {"image": ("x.jpg", tiny_store.image(color, shape), "image/jpeg")}
        hits = client.post("/v1/search/image", files=files, data={"top_k": 1}).json()["hits"]
        assert hits[0]["product"]["item_id"] == f"{color}-{shape}"


def test_base64_and_multipart_answer_alike(client: TestClient, tiny_store: TinyShop) -> None:
    image = tiny_store.image("green", "mug")
    encoded = "data:image/jpeg;base64," + base64.b64encode(image).decode()
    by_json = client.post("/v1/search", json={"image": encoded}).json()
    by_form = client.post("/v1/search/image", files={"image": ("x", image)}).json()
    assert by_json["hits"] == by_form["hits"]


def test_more_like_this_leaves_the_product_itself_out(client: TestClient) -> None:
    answer = client.post("/v1/search", json={"item_id": "red-mug", "top_k": 11}).json()
    assert answer["like"]["item_id"] == "red-mug"
    assert len(answer["hits"]) == 11 and "red-mug" not in {hit["product"]["item_id"] for hit in answer["hits"]}
    assert [hit["rank"] for hit in answer["hits"]] == list(range(1, 12))


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({}, 422, "exactly one"),
        ({"text": "a", "item_id": "b"}, 422, "exactly one"),
        ({"text": "   "}, 400, "empty"),
        ({"text": "x" * 1001}, 400, "1001 characters"),
        ({"text": "a", "top_k": 0}, 400, "1 to 100"),
        ({"text": "a", "top_k": 101}, 400, "1 to 100"),
        ({"text": "a", "colour": "red"}, 422, "colour"),
        ({"item_id": "no-such"}, 404, "no-such"),
        ({"image": "%%%"}, 422, "base64"),
    ],
)
def test_a_wrong_request_is_told_what_to_change(client: TestClient, body: dict, status: int, says: str) -> None:
    answer = client.post("/v1/search", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]


HOSTILE = {
    "empty": b"",
    "text": b"hello, I am a text file" * 9,
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<html><script>alert(1)</script></html>",
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "bomb": png(50_000, 50_000),
    "huge claim": png(2_000_000_000, 2),
    "no pixels behind the header": png(200, 200),
    "one pixel": png(1, 1),
    "too many bytes": b"\xff\xd8\xff" + b"\0" * 1_050_000,
    "tiff": b"II*\0" + b"\0" * 100,
}


@pytest.mark.parametrize("name", [*HOSTILE, "truncated", "noise after a JPEG header"])
@pytest.mark.parametrize("route", ["/v1/search/image", "/v1/classify"])
def test_a_hostile_upload_is_the_callers_fault(client: TestClient, tiny_store: TinyShop, name: str, route: str) -> None:
    good = tiny_store.image("red", "lamp")
    cut = {"truncated": good[: len(good) // 2], "noise after a JPEG header": good[:300] + bytes(range(256)) * 4}
    answer = client.post(route, files={"image": ("x.png", (HOSTILE | cut)[name], "image/png")})
    assert 400 <= answer.status_code < 500, f"{name}: {answer.status_code} {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(client: TestClient) -> None:
    answer = client.post("/v1/search/image", files={"image": ("x.png", b"\0" * 3_000_000)})
    assert answer.status_code == 413
    assert client.post("/v1/search", content=iter([b"x" * 900_000] * 4)).status_code in (400, 413, 422)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK", "I;16", "1"])
def test_every_kind_of_image_is_taken(client: TestClient, mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (64, 48)).save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    assert client.post("/v1/search/image", files={"image": ("x", buffer.getvalue())}).status_code == 200


def test_images_come_with_their_hash_and_can_be_kept(client: TestClient, tiny_store: TinyShop) -> None:
    first = client.get("/v1/items/red-mug/image")
    assert first.content == tiny_store.image("red", "mug") and first.headers["content-type"] == "image/jpeg"
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    assert client.get("/v1/items/red-mug/image", headers={"If-None-Match": tag}).status_code == 304
    kept = client.get("/v1/items/red-mug/image", params={"v": tag.strip('"')})
    assert "immutable" in kept.headers["cache-control"]


@pytest.mark.parametrize(
    "item",
    [
        "nothing",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "..%5c..%5cx",
        "red-mug%00",
        "images%2f50%2f5064.jpg",
        "a" * 5000,
    ],
)
def test_only_products_of_the_release_have_images(client: TestClient, item: str) -> None:
    for address in (f"/v1/items/{item}/image", f"/v1/items/{item}"):
        assert client.get(address).status_code == 404
    # a hash of somebody else's image does not open it either
    assert client.get(f"/v1/items/{item}/image", params={"v": "0" * 64}).status_code == 404


def test_without_a_classifier_no_category_is_told(client: TestClient, tiny_store: TinyShop) -> None:
    files = {"image": ("x.jpg", tiny_store.image("red", "mug"))}
    assert client.post("/v1/search/image", files=files).json()["categories"] is None
    answer = client.post("/v1/classify", files=files)
    assert answer.status_code == 409 and "without a classifier" in answer.json()["detail"]


def test_the_release_and_the_state_are_told(client: TestClient) -> None:
    release = client.get("/v1/release").json()
    assert release["id"] == "first" and release["live"]["generation"] == 1 and release["model_name"] == "small"
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert ready.status_code == 200 and ready.json()["release"] == "first" and not ready.json()["stale"]


def test_a_product_taken_down_is_told_as_such(own_store: TinyShop) -> None:
    own_store.take_down("red-mug")
    app = create_app(SETTINGS, own_store.settings)
    app.state.live.check()
    with TestClient(app) as client:
        for address in ("/v1/items/red-mug", "/v1/items/red-mug/image"):
            answer = client.get(address)
            assert answer.status_code == 404 and "taken down" in answer.json()["detail"]
        assert client.get("/v1/items/blue-mug/image").status_code == 200
        assert client.post("/v1/search", json={"item_id": "red-mug"}).json()["title"] == "Taken down"
        assert client.get("/v1/release").json()["items"] == 11
        state = client.get("/readyz").json()
        assert state["most_resident"] == 1 and state["live_seconds"] >= 0 and state["checked_seconds"] >= 0


def test_before_the_first_release_everything_says_so(empty_store: TinyShop) -> None:
    with TestClient(create_app(SETTINGS, empty_store.settings)) as client:
        assert client.get("/readyz").status_code == 503
        answer = client.post("/v1/search", json={"text": "red mug"})
        assert answer.status_code == 503 and "python -m flows.pipeline" in answer.json()["detail"]
        assert client.get("/").status_code == 200


def test_the_page_names_no_other_host(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "connect-src 'self'" in policy and "http" not in policy


def test_the_report_of_the_release_is_shown_in_a_sandbox(own_store: TinyShop, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "report.html").write_text("<h1>Recall</h1><script>alert(1)</script>")
    report = commit(own_store.store, "evaluation", "measured", tmp_path / "made", recipe=1).ref
    state = read_live(own_store.store, own_store.channel)
    assert state is not None
    first = read_release(own_store.store, state.pointer.release)
    measured = first.model_copy(update={"id": "measured", "evaluations": {"report": report}})
    write_release(own_store.store, measured)
    swap_live(own_store.store, own_store.channel, measured.id, reason="test", run=None, expected=state)
    app = create_app(SETTINGS, own_store.settings)
    app.state.live.check()
    with TestClient(app) as client:
        answer = client.get("/v1/release/report")
        assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.text.startswith("<h1>Recall</h1>")
        policy = answer.headers["content-security-policy"]
        assert "sandbox;" in policy and "default-src 'none'" in policy and "script-src" not in policy
        damaged = Path(own_store.settings.store_uri) / "evaluations" / "measured" / "report.html"
        damaged.write_text("<h1>Another</h1>")
        kept = next(Path(own_store.settings.store_cache).glob("evaluations/measured/*/report.html"))
        kept.write_text("<h1>Another</h1>")
        assert client.get("/v1/release/report").status_code == 502, "bytes that no manifest vouches for are not shown"


def test_a_release_without_a_report_says_so(client: TestClient) -> None:
    answer = client.get("/v1/release/report")
    assert answer.status_code == 404 and answer.json()["title"] == "No report of this release"


@pytest.mark.parametrize(
    "body",
    ['"text": "%s mug"', '"item_id": "%s"', '"text": "a", "facets": ["%s"]', '"text": "a", "%s": 1', '"image": "%s"'],
)
def test_half_a_character_breaks_no_answer(client: TestClient, body: str) -> None:
    content = ("{" + body % "\\ud800" + "}").encode()
    answer = client.post("/v1/search", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 400, 404, 422) and answer.json()


def test_every_problem_is_declared_where_it_can_happen(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    declared = {
        "/v1/search": "400 404 413 422 503",
        "/v1/suggest": "400 422 503",
        "/v1/classify": "409 413 422",
        "/v1/release": "503",
    }
    for path, statuses in declared.items():
        [operation] = paths[path].values()
        for status in statuses.split():
            assert "application/problem+json" in operation["responses"][status]["content"], (path, status)


@pytest.mark.parametrize(
    "body",
    [
        b"{" + b",".join(b'"k%d":1' % key for key in range(90_000)) + b"}",
        b'{"text":"a","filter":{' + b",".join(b'"k%d":1' % key for key in range(90_000)) + b"}}",
        b'{"terms":[' + b"1," * 400_000 + b"1]}",
        b'{"text":"a","filter":{"and":[' + b"1," * 400_000 + b"1]}}",
    ],
    ids=["keys", "keys of a clause", "terms", "clauses"],
)
def test_a_hundred_thousand_faults_are_told_in_a_few_words(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and len(answer.content) < 5000
