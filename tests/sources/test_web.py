"""Images by URL: patient with a shop's server, and not to be held up by it."""

import contextlib
import io
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from tasks.catalog.config import CatalogConfig
from tasks.catalog.prepare import prepare_catalog
from tasks.schema.errors import ConfigError, SourceMissing, SourceRefused, SourceUnavailable
from tasks.sources import web
from tasks.sources.settings import USER_AGENT, SourceSettings
from tasks.sources.shop import open_source
from tasks.sources.web import WebImages

MONDAY = "Mon, 05 Jan 2026 10:00:00 GMT"


class Shop:
    """A shop's web server with good and bad manners."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.agents: set[str | None] = set()
        self.headers: dict[str, dict[str, str]] = {}  # path -> of the last request
        self.files: dict[str, bytes] = {}
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with shop._lock:
                    shop.seen[self.path] += 1
                    shop.agents.add(self.headers["user-agent"])
                    shop.headers[self.path] = {name.lower(): value for name, value in self.headers.items()}
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    shop.answer(self, self.path.strip("/").split("/"), shop.seen[self.path])

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler, path: list[str], times: int) -> None:
        kind = path[0]
        if request.path in self.files:
            return self._send(request, 200, self.files[request.path], {"ETag": f'"{len(self.files)}"'})
        if kind == "status":  # /status/503,429/1: these first, then the image; Retry-After 1
            first = [int(status) for status in path[1].split(",")]
            if times <= len(first):
                headers = {"Retry-After": path[2]} if len(path) > 2 else {}
                return self._send(request, first[times - 1], b"", headers)
        elif kind == "date" and times == 1:
            return self._send(request, 429, b"", {"Retry-After": formatdate(time.time() + 2, usegmt=True)})
        elif kind == "hop":
            left = int(path[1])
            return self._send(request, 302, b"", {"Location": f"/hop/{left - 1}" if left else "/picture"})
        elif kind == "to":
            return self._send(request, 302, b"", {"Location": "/".join(path[1:])})
        elif kind == "slow":
            self._count(1)
            time.sleep(float(path[1]))
            self._count(-1)  # before the answer: whoever has it may ask again at once
        elif kind in ("drip", "flood"):
            request.send_response(200)
            request.end_headers()
            for _ in range(400):
                request.wfile.write(b"x" * (1 if kind == "drip" else 100_000))
                request.wfile.flush()
                time.sleep(0.05 if kind == "drip" else 0)
            return None
        elif kind in ("etag", "modified", "fresh"):  # /etag/"a": that version of the image
            headers = {"etag": {"ETag": path[-1]}, "modified": {"Last-Modified": MONDAY}}.get(kind)
            headers = headers or {"Last-Modified": formatdate(time.time(), usegmt=True)}
            asked = request.headers.get("If-None-Match" if kind == "etag" else "If-Modified-Since")
            return self._send(request, 304 if asked in headers.values() else 200, b"picture", headers)
        elif kind == "hangup" and times == 1:
            return request.connection.close()
        return self._send(request, 200, b"picture", {})

    def _count(self, more: int) -> None:
        with self._lock:
            self.at_once += more
            self.most_at_once = max(self.most_at_once, self.at_once)

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
        request.send_response(status)
        body = b"" if status == 304 else body
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def shop() -> Iterator[Shop]:
    running = Shop()
    yield running
    running.stop()


def test_an_image_is_read_from_any_source(shop: Shop, tmp_path: Path) -> None:
    assert open_source(str(tmp_path)).read(f"{shop.url}/picture?size=2") == b"picture"
    assert shop.agents == {USER_AGENT}


@pytest.mark.parametrize("path", ['etag/"a"', "etag/unquoted", 'etag/W%22b"', "modified"])
def test_an_image_that_the_server_calls_unchanged_is_not_sent_again(shop: Shop, path: str) -> None:
    images = WebImages()
    data, version = images.read_changed(f"{shop.url}/{path}", "")
    assert data == b"picture" and version
    assert images.read_changed(f"{shop.url}/{path}", version) == (None, version)
    changed = images.read_changed(f"{shop.url}/etag/another", version)
    assert changed.data == b"picture" and changed.version not in ("", version)


@pytest.mark.parametrize("path", ["picture", "fresh"])
def test_an_image_without_a_version_to_trust_is_read_each_time(shop: Shop, path: str) -> None:
    assert WebImages().read_changed(f"{shop.url}/{path}", "") == (b"picture", "")


def test_not_modified_is_no_answer_to_a_plain_request(shop: Shop) -> None:
    with pytest.raises(SourceMissing, match="304"):
        WebImages().read_changed(f"{shop.url}/status/304", "")


@pytest.mark.parametrize("path", ["status/503,500,502", "status/429/0", "hangup", "date", "hop/4"])
def test_trouble_that_passes_is_waited_for(shop: Shop, path: str) -> None:
    assert WebImages().read(f"{shop.url}/{path}", limit_bytes=7) == b"picture"


def test_a_pause_that_was_asked_for_is_kept_by_all_threads(shop: Shop) -> None:
    images, asked, times = WebImages(), threading.Event(), []

    def late() -> None:
        asked.wait(5)
        began = time.monotonic()
        images.read(f"{shop.url}/picture")
        times.append(time.monotonic() - began)

    thread = threading.Thread(target=late)
    thread.start()
    hold = images._hold

    def held(host: str, seconds: float) -> None:
        hold(host, seconds)
        asked.set()

    images._hold = held  # type: ignore[method-assign]
    began = time.monotonic()
    assert images.read(f"{shop.url}/status/429/2") == b"picture"
    thread.join()
    assert time.monotonic() - began >= 1.9 and times[0] >= 1.5


@pytest.mark.parametrize(
    ("path", "calls"), [("status/503,503,503,503,503", 4), ("status/429,429/3600", 1), ("status/503,503/600", 1)]
)
def test_trouble_that_stays_is_worth_another_run(shop: Shop, path: str, calls: int) -> None:
    with pytest.raises(SourceUnavailable, match="answered"):
        WebImages().read(f"{shop.url}/{path}")
    assert shop.seen[f"/{path}"] == calls


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204])
def test_what_is_not_there_is_asked_for_once(shop: Shop, status: int) -> None:
    with pytest.raises(SourceMissing, match=str(status)):
        WebImages().read(f"{shop.url}/status/{status}")
    assert sum(shop.seen.values()) == 1


def test_redirects_end_somewhere(shop: Shop) -> None:
    with pytest.raises(SourceMissing, match="redirects"):
        WebImages().read(f"{shop.url}/hop/6")
    assert sum(shop.seen.values()) == 6
    with pytest.raises(SourceRefused, match="only http"):
        WebImages().read(f"{shop.url}/to/file:///etc/passwd")


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/meta-data", "http://[fe80::1]/x"])
def test_a_clouds_metadata_service_is_no_shop(shop: Shop, url: str) -> None:
    with pytest.raises(SourceRefused, match="link-local"):
        WebImages(connect=0.5).read(url)
    with pytest.raises(SourceRefused, match="link-local"):
        WebImages(connect=0.5).read(f"{shop.url}/to/{url}")


def test_a_large_answer_is_cut_off(shop: Shop) -> None:
    began = time.monotonic()
    with pytest.raises(SourceRefused, match="larger than the limit"):
        WebImages().read(f"{shop.url}/flood", limit_bytes=1_000_000)
    with pytest.raises(SourceRefused, match="larger than the limit"):
        WebImages().read(f"{shop.url}/picture", limit_bytes=6)  # told by its Content-Length
    assert time.monotonic() - began < 5


def test_a_slow_server_is_not_waited_for_ever(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_TRIES", 2)
    images = WebImages(read=0.3, total=0.6, table=0.6)
    for path in ("slow/3", "drip"):
        began = time.monotonic()
        with pytest.raises(SourceUnavailable):
            images.read(f"{shop.url}/{path}")
        assert time.monotonic() - began < 4
    assert shop.seen == {"/slow/3": 2, "/drip": 2}


def test_a_host_sees_few_requests_at_once(shop: Shop) -> None:
    images = WebImages()
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda i: images.read(f"{shop.url}/slow/0.05/{i}"), range(24)))
    assert found == [b"picture"] * 24
    assert 2 <= shop.most_at_once <= 4


@pytest.mark.parametrize("url", ["http://", "http://[bad", "http://a b/x", "https://\0/x", "http://host:port/x"])
def test_what_is_no_url_is_told(url: str, tmp_path: Path) -> None:
    with pytest.raises((SourceMissing, SourceRefused)):
        open_source(str(tmp_path)).read(url)


def test_a_host_that_is_not_there_is_worth_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_TRIES", 1)
    with pytest.raises(SourceUnavailable, match="no answer"):
        WebImages(connect=1).read("http://127.0.0.1:9/x")


@pytest.mark.parametrize(
    ("code", "expected"), [(socket.EAI_NONAME, SourceMissing), (socket.EAI_AGAIN, SourceUnavailable)]
)
def test_a_name_that_does_not_exist_is_no_trouble_that_passes(
    monkeypatch: pytest.MonkeyPatch, code: int, expected: type[Exception]
) -> None:
    def resolve(*_: object) -> None:
        raise socket.gaierror(code, "as told")

    monkeypatch.setattr(web, "_TRIES", 2)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(expected):
        WebImages().read("http://no-such-shop.invalid/x.jpg")


def test_one_image_that_fails_for_ever_does_not_stop_a_shop_that_answers(shop: Shop) -> None:
    images, done = WebImages(), threading.Event()

    def reads_others() -> None:
        while not done.is_set():
            images.read(f"{shop.url}/picture")
            time.sleep(0.05)

    others = threading.Thread(target=reads_others)
    others.start()
    try:
        with pytest.raises(SourceMissing, match="answers other requests"):
            images.read(f"{shop.url}/status/{','.join(['500'] * 9)}")
        with pytest.raises(SourceUnavailable):  # too many requests is about us, not about the image
            images.read(f"{shop.url}/status/{','.join(['429'] * 9)}/0")
    finally:
        done.set()
        others.join()


def test_headers_go_to_the_host_they_are_for_and_to_no_other(shop: Shop) -> None:
    host = shop.url.removeprefix("http://")
    headers = {host: {"Authorization": "Bearer t0ken"}, "*": {"Referer": "https://shop.example/"}}
    images = WebImages(settings=SourceSettings(user_agent="shop-import/2", headers=headers))
    images.read(f"{shop.url}/picture")
    assert shop.headers["/picture"]["authorization"] == "Bearer t0ken"
    assert shop.headers["/picture"]["user-agent"] == "shop-import/2"
    other = shop.url.replace("127.0.0.1", "localhost")
    images.read(f"{shop.url}/to/{other}/elsewhere")
    sent = shop.headers["/elsewhere"]
    assert "authorization" not in sent and sent["referer"] == "https://shop.example/"


def test_a_token_is_not_sent_in_the_clear_after_a_redirect() -> None:
    settings = SourceSettings(headers={"cdn.example": {"X-Token": "t0ken"}})
    assert settings.headers_for("https://CDN.example/a.jpg", "https://shop.example/a.jpg") == {"X-Token": "t0ken"}
    assert settings.headers_for("http://cdn.example/a.jpg", "https://shop.example/a.jpg") == {}
    assert "t0ken" not in repr(settings)


def test_the_environment_says_what_is_sent(monkeypatch: pytest.MonkeyPatch, shop: Shop, tmp_path: Path) -> None:
    host = shop.url.removeprefix("http://")
    monkeypatch.setenv("SOURCE_USER_AGENT", "shop-import/3")
    monkeypatch.setenv("SOURCE_HEADERS", json.dumps({host: {"X-Token": "t0ken"}}))
    open_source(str(tmp_path)).read_changed(f"{shop.url}/picture", "")
    assert shop.headers["/picture"]["x-token"] == "t0ken" and shop.agents == {"shop-import/3"}


@pytest.mark.parametrize(
    "given",
    ["no json", '["t0ken"]', '{"https://a.b/": {"A": "t0ken"}}', '{"a.b": {"A b": "t0ken"}}', '{"a.b": "t0ken"}'],
)
def test_settings_that_are_not_understood_are_named_without_their_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str
) -> None:
    monkeypatch.setenv("SOURCE_HEADERS", given)
    with pytest.raises(ConfigError, match="SOURCE_HEADERS") as raised:
        open_source(str(tmp_path))
    assert "t0ken" not in str(raised.value) and "headers by host" in str(raised.value)


def test_a_table_by_url_is_a_source_and_its_images_lie_below_it(shop: Shop) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(picture, "PNG")
    shop.files["/feeds/img/a.png"] = picture.getvalue()
    shop.files["/feeds/shop.csv"] = f"id,title,image\n1,Mug,img/a.png\n2,Jug,{shop.url}/feeds/img/a.png\n".encode()
    config = CatalogConfig(source=f"{shop.url}/feeds/shop.csv")
    found = prepare_catalog(config, open_source(config.root), write_image=lambda *_: None)
    assert found.items["item_id"].to_pylist() == ["1", "2"] and found.rejects.num_rows == 0
    assert set(found.items["source_uri"].to_pylist()) == {f"{shop.url}/feeds/img/a.png"}
    again = prepare_catalog(config, open_source(config.root), write_image=lambda *_: None, sources=found.sources)
    assert again.items.equals(found.items)


def test_a_web_address_lists_nothing_and_is_not_left_by_a_relative_path(shop: Shop) -> None:
    files = open_source(f"{shop.url}/feeds")
    for path in ("../secret", "/picture", "//other.example/x"):
        with pytest.raises(SourceRefused):
            files.read(path)
    with pytest.raises(SourceRefused, match="lists no files"):
        files.list("")
    with pytest.raises(SourceMissing, match="404"):
        open_source(f"{shop.url}/status").read("404")
