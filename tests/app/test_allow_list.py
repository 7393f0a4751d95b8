"""What can be reached of Gradio's server, and what a call of the page may name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import AppSettings

if TYPE_CHECKING:
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
    joined = client.post("/gradio_api/queue/join", json=body)
    if joined.status_code != 200:
        return joined.json()
    stream = client.get("/gradio_api/queue/data", params={"session_hash": session}).text
    messages = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    return next(message["output"] for message in messages if message["msg"] == "process_completed")


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
        (b'{"data": ["' + b"x" * 300_000 + b'"], "fn_index": 0, "session_hash": "a"}', "at most"),
    ],
)
def test_a_call_that_the_page_does_not_make_is_refused(client: TestClient, body: bytes, says: str) -> None:
    answer = client.post("/gradio_api/queue/join", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 413) and says in answer.json()["detail"]


def test_answers_that_nobody_fetches_do_not_heap_up(client: TestClient) -> None:
    body = {"data": [None, "red mug"], "fn_index": functions(client, "textbox"), "session_hash": "heap"}
    statuses = [client.post("/gradio_api/queue/join", json=body).status_code for _ in range(80)]
    assert statuses[0] == 200 and statuses[-1] == 429


@pytest.mark.parametrize(
    "address",
    ["proxy=http://127.0.0.1/", "component_server", "info", "run/words", "call/words", "process_recording", "vibe-code",
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


@pytest.mark.parametrize("body", [b'{"x": NaN}', b'{"\\ud800": 1}', b"[1]", b"[" * 99_000])
def test_a_cancel_that_is_none_is_the_callers_fault(client: TestClient, body: bytes) -> None:
    answer = client.post("/gradio_api/cancel", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


def test_every_upload_of_a_session_is_decoded_apart(client: TestClient, tiny_store: TinyShop) -> None:
    """Gradio builds a field again for a session when a call has changed it; it must not begin to open files itself."""
    images = (tiny_store.image("blue", "chair"), b"%!PS-Adobe-3.0 EPSF-3.0\n", b"", b"II*\0" + b"\0" * 100)
    for number, content in enumerate(images * 2):
        [path] = client.post("/gradio_api/upload", files={"files": (f"{number}.jpg", content)}).json()
        answer = str(called(client, functions(client, "image"), [None, {"path": path, "meta": FILE}], session="again"))
        assert ("Acme blue chair" if content == images[0] else "The picture cannot be used") in answer
