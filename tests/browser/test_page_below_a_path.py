"""The page behind a proxy, below a path of another site; and the API asked from a page of another origin."""

from __future__ import annotations

import contextlib
import http.client
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.browser.pages import Site, opened, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.conftest import TinyShop

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATH = "/shop/search"
_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Proxy:
    """What a shop's web server does with the path."""

    takes_path_away: bool = True
    forwards: bool = False  # X-Forwarded-Host, -Proto, -Prefix
    keeps_host: bool = True
    target: int = 0
    refused: list[str] = field(default_factory=list)  # addresses outside the path, and answers of 400 and more


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            if not self.path.startswith(f"{PATH}/"):
                proxy.refused.append(f"{self.command} {self.path}")
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            if proxy.forwards:
                headers |= {"X-Forwarded-Host": self.headers["Host"], "X-Forwarded-Proto": "http"}
                headers["X-Forwarded-Prefix"] = PATH
            if not proxy.keeps_host:
                headers["Host"] = "backend:7860"
            connection = http.client.HTTPConnection("127.0.0.1", proxy.target, timeout=60)
            path = self.path.removeprefix(PATH) if proxy.takes_path_away else self.path
            connection.request(self.command, path, body or None, headers)
            self._answer(connection.getresponse())

        def _answer(self, answer: http.client.HTTPResponse) -> None:
            if answer.status >= 400:
                proxy.refused.append(f"{answer.status} {self.command} {self.path}")
            with contextlib.suppress(OSError):  # the browser left
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in _HOP:
                        self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                while part := answer.read1(65_536):
                    self.wfile.write(part)

        do_GET = do_POST = do_HEAD = do_OPTIONS = _pass_on

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("proxy", "whole_address"),
    [
        (Proxy(), False),
        (Proxy(forwards=True), False),
        (Proxy(forwards=True, keeps_host=False), False),
        (Proxy(takes_path_away=False), False),
        (Proxy(keeps_host=False), True),
    ],
    ids=["plain", "forwarded headers", "forwarded headers, another Host", "path kept", "another Host, whole address"],
)
def test_the_page_works_below_a_path(browser: Browser, tiny_store: TinyShop, proxy: Proxy, whole_address: bool) -> None:
    with (
        served(_handler(proxy)) as outside,
        serving(tiny_store, root_path=(outside if whole_address else "") + PATH) as inside,
    ):
        proxy.target = int(inside.address.rpartition(":")[2])
        site = Site(inside.app, outside + PATH)
        with opened(browser, site) as page:
            box = page.get_by_role("textbox").first
            box.fill("red square")
            box.press("Enter")
            page.locator(".frame img").first.wait_for()
            page.wait_for_function("[...document.images].every((image) => image.naturalWidth > 0)")
            assert page.evaluate("location.pathname") == f"{PATH}/" and "q=" in page.evaluate("location.search")
            with page.expect_response(lambda answer: answer.url == f"{outside}{PATH}/readyz") as polled:
                pass
            assert polled.value.status == 200
            page.get_by_role("tab", name="picture").click()
            buffer = io.BytesIO()
            Image.new("RGB", (80, 60), "red").save(buffer, "PNG")
            upload = {"name": "red.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
            page.locator("#upload input[type=file]").set_input_files(upload)
            page.locator('[role="tabpanel"]:visible .frame img').first.wait_for()
    assert set(proxy.refused) <= {"GET /favicon.ico"}, "the shop's own, which a browser asks for by itself"


class _Shop(BaseHTTPRequestHandler):
    """A page of another origin."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<link rel=icon href=data:,><h1>shop</h1>")

    def log_message(self, *_: object) -> None:
        pass


_ASK = """async (address) => { try {
  const answer = await fetch(address, {method: 'POST', headers: {'Content-Type': 'application/json'},
                                       body: JSON.stringify({text: 'red square', top_k: 1})});
  return [answer.status, (await answer.json()).hits.length];
} catch (error) { return String(error); } }"""


def test_a_page_of_an_allowed_origin_asks_the_api(browser: Browser, tiny_store: TinyShop) -> None:
    def ask(site: Site) -> Any:
        page = browser.new_page()
        page.goto(shop)
        found = page.evaluate(_ASK, f"{site.address}/v1/search")
        page.close()
        return found

    with served(_Shop) as shop:
        with serving(tiny_store, allow_origins=shop) as site:
            site.app.state.live.check()
            assert ask(site) == [200, 1]
        with serving(tiny_store) as site:
            assert "Failed to fetch" in ask(site)
