"""What can be reached of Gradio's server, and what a call of the page may name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gradio as gr
import pytest
from fastapi.testclient import TestClient

from app.http.allow_list import AllowList
from app.main import create_app
from app.settings import AppSettings

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from tests.conftest import TinyShop

FILE = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def client(tiny_store: TinyShop) -> Iterator[TestClient]:
    app = create_app(AppSettings(poll_seconds=0.1, max_upload_mb=1, device="cpu"), tiny_store.settings)
    app.state.live.check()
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def functions(client: TestClient, of: str) -> int:
    """Number of the page's function that takes the component of that type."""
    config = client.get("/config").json()
    component = next(one["id"] for one in config["components"] if one["type"] == of)
    return next(one["id"] for one in config["dependencies"] if component in one["inputs"])


def called(client: TestClient, function: int, data: list[Any], session: str = "visitor") -> dict[str, Any]:
    """What the page receives: a problem, or the function's output."""
    body = {"data": data, "fn_index": function, "session_hash": session, "event_data": None, "trigger_id": None}
    return client.post("/gradio_api/run/any", json=body).json()


def test_an_uploaded_image_is_searched_by(client: TestClient, tiny_store: TinyShop) -> None:
    files = {"files": ("chair.jpg", tiny_store.image("blue", "chair"))}
    [path] = client.post("/gradio_api/upload", files=files).json()
    output = called(client, functions(client, "image"), [None, {"path": path, "meta": FILE}])
    assert "Acme blue chair" in json.dumps(output["data"])
    assert client.get(f"/gradio_api/file={path}").content == tiny_store.image("blue", "chair")


@pytest.mark.parametrize("meta", [{"meta": FILE}, {"meta": {}}, {}, {"meta": FILE, "is_stream": True}])
@pytest.mark.parametrize("where", ["/etc/passwd", "/dev/zero", "secret", "linked", "http://127.0.0.1/x", "x\0", ""])
def test_no_other_file_is_opened(
    client: TestClient, tiny_store: TinyShop, tmp_path: Path, meta: dict[str, Any], where: str
) -> None:
    [path] = client.post("/gradio_api/upload", files={"files": ("a.jpg", b"x")}).json()
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(tiny_store.image("blue", "chair"))
    linked = Path(path).with_name("linked.jpg")
    linked.unlink(missing_ok=True)
    linked.symlink_to(secret)
    named = {"secret": str(secret), "linked": str(linked)}.get(where, where)
    output = called(client, functions(client, "image"), [None, {"path": named, **meta}])
    assert output["status"] == 400 and "was not uploaded here" in output["detail"]
    assert client.get(f"/gradio_api/file={named}".replace("\0", "%00")).status_code == 404
    linked.unlink()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[" * 100_000, "not JSON"),
        (b'{"data": ["\\ud800"], "fn_index": 0, "session_hash": "a"}', "not JSON"),
        (b'{"data": [NaN], "fn_index": 0, "session_hash": "a"}', "not JSON"),
        (b"[]", "object"),
        (b"{}", "`data`"),
        (b'{"data": [], "fn_index": 9999, "session_hash": "a"}', "no such function"),
        (b'{"data": [], "fn_index": true, "session_hash": "a"}', "no such function"),
        (b'{"data": [], "fn_index": 0, "session_hash": "../x"}', "session_hash"),
        (b'{"data": [], "fn_index": 0, "session_hash": "a"}', "inputs"),
        (b'{"data": ["' + b"x" * 300_000 + b'"], "fn_index": 0, "session_hash": "a"}', "at most"),
    ],
)
def test_a_call_that_the_page_does_not_make_is_refused(client: TestClient, body: bytes, says: str) -> None:
    answer = client.post("/gradio_api/run/any", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 413) and says in answer.json()["detail"]


def test_calls_of_the_page_wait_their_turn_and_beyond_a_number_are_refused() -> None:
    at_once: list[int] = [0, 0]  # now, and at most

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0.01)
        at_once[0] -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def call(allow_list: AllowList) -> int:
        body = json.dumps({"data": [], "fn_index": 0, "session_hash": "crowd"}).encode()
        statuses: list[int] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        async def send(message: Message) -> None:
            statuses.append(message.get("status", 0))

        scope = {"type": "http", "method": "POST", "path": "/gradio_api/run/any", "headers": []}
        await allow_list(scope, receive, send)
        return statuses[0]

    async def crowd() -> list[int]:
        with gr.Blocks() as blocks:
            gr.Button().click(lambda: None)
        allow_list = AllowList(page, blocks, [])
        return [*await asyncio.gather(*(call(allow_list) for _ in range(300))), await call(allow_list)]

    statuses = asyncio.run(crowd())
    assert statuses.count(503) == 28 and statuses[-1] == 200 and at_once == [0, 16]


@pytest.mark.parametrize(
    "address",
    ["proxy=http://127.0.0.1/", "component_server", "info", "call/words", "queue/join", "queue/data", "cancel", "reset",
     "process_recording", "vibe-code",
     "file/etc/passwd", "custom_component/1/client/x/y", "stream/a/b/1/playlist.m3u8"],
)  # fmt: skip
def test_what_the_page_does_not_use_is_closed(client: TestClient, address: str) -> None:
    for method in ("GET", "POST"):
        assert client.request(method, f"/gradio_api/{address}").status_code == 404


def test_a_wrong_method_is_told_which_is_right(client: TestClient) -> None:
    for address, method, allowed in (
        ("/v1/release", "POST", "GET"),
        ("/v1/search", "GET", "POST"),
        ("/", "PUT", "GET"),
    ):
        answer = client.request(method, address)
        assert answer.status_code == 405 and allowed in answer.headers["allow"]
    assert client.get("/v1/nothing").json()["title"] == "Not found"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "multipart/form-data"),
        (b"", "text/plain"),
        (b'--a\r\nContent-Disposition: form-data; name="files"\r\n\r\nx\r\n--a--', "multipart/form-data; boundary=a"),
        (b"--a\r\n\r\n\r\n--a--", "multipart/form-data; boundary=a; charset=none-such"),
        (b"--a", "multipart/form-data; boundary=a"),
    ],
)
def test_a_form_that_is_none_is_the_callers_fault(client: TestClient, content: bytes, kind: str) -> None:
    answer = client.post("/gradio_api/upload", content=content, headers={"Content-Type": kind})
    assert answer.status_code < 500


def test_the_name_of_an_upload_leads_nowhere(client: TestClient) -> None:
    for name in (
        "../../../../tmp/taken",
        "/tmp/taken",
        "..\\..\\taken",
        "a" * 5000,
        ".",
        "\u202egpj",
    ):
        answer = client.post("/gradio_api/upload", files={"files": (name, b"x")})
        assert answer.status_code in (200, 400, 413), answer.text
        for path in answer.json() if answer.status_code == 200 else ():
            assert client.get(f"/gradio_api/file={quote(path)}").content == b"x", name
    assert not Path("/tmp/taken").exists()


def test_a_name_that_no_file_can_have_is_not_looked_for(client: TestClient) -> None:
    for folder in ("static", "assets"):
        assert client.get(f"/{folder}/{'a' * 5000}").status_code == 404


def test_every_upload_of_a_session_is_decoded_apart(client: TestClient, tiny_store: TinyShop) -> None:
    """Gradio builds a field again for a session when a call has changed it; it must not begin to open files itself."""
    images = (tiny_store.image("blue", "chair"), b"%!PS-Adobe-3.0 EPSF-3.0\n", b"", b"II*\0" + b"\0" * 100)
    for number, content in enumerate(images * 2):
        [path] = client.post("/gradio_api/upload", files={"files": (f"{number}.jpg", content)}).json()
        answer = str(called(client, functions(client, "image"), [None, {"path": path, "meta": FILE}], session="again"))
        assert ("Acme blue chair" if content == images[0] else "The picture cannot be used") in answer
