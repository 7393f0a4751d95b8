"""How much at once, and who may ask: before a body is read, and without holding up what is no search."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

from app.http.admission import Admission
from app.main import create_app
from app.metrics import Metrics
from app.settings import AppSettings

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from tests.conftest import TinyShop

FEW = AppSettings(max_in_flight=2, max_in_flight_mb=1, body_seconds=0.2, max_upload_mb=1)


class Caller:
    """One request, piece by piece: what it sent so far, and what it was answered."""

    def __init__(
        self, admission: Admission, path: str = "/v1/search", method: str = "POST", size: int | None = 2
    ) -> None:
        declared = [] if size is None else [(b"content-length", str(size).encode())]
        self.scope: Scope = {"type": "http", "method": method, "path": path, "headers": declared}
        self.sent: asyncio.Queue[Message] = asyncio.Queue()
        self.read, self.status, self.headers, self.body = 0, 0, {}, b""
        self.done = asyncio.create_task(admission(self.scope, self._receive, self._send))

    async def _receive(self) -> Message:
        self.read += 1
        return await self.sent.get()

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        self.body += message.get("body", b"")

    def send(self, body: bytes, more: bool = False) -> None:
        self.sent.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def answered(self) -> int:
        await asyncio.wait_for(self.done, 20)
        return self.status


class Slow:
    """An app that answers on a signal, and records the bodies it got."""

    def __init__(self) -> None:
        self.go, self.bodies, self.inside = asyncio.Event(), [], 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside += 1
        body, more = b"", scope["method"] == "POST"
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        await self.go.wait()
        self.inside -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


def trial(test: Callable[[Slow, Admission, Metrics], Awaitable[None]], settings: AppSettings = FEW) -> None:
    async def run() -> None:
        slow, metrics = Slow(), Metrics()
        await test(slow, Admission(slow, settings, metrics), metrics)

    asyncio.run(run())


async def entered(slow: Slow, wanted: int) -> None:
    async with asyncio.timeout(20):
        while slow.inside != wanted:
            await asyncio.sleep(0.001)


def test_beyond_the_limit_is_told_at_once_and_unread_and_places_come_back() -> None:
    async def test(slow: Slow, admission: Admission, metrics: Metrics) -> None:
        first, second = Caller(admission), Caller(admission)
        first.send(b"{}"), second.send(b"{}")
        await entered(slow, 2)
        third = Caller(admission)
        third.send(b"{}")
        assert await third.answered() == 503 and third.read == 0
        assert third.headers[b"retry-after"] == b"1" and third.headers[b"content-type"] == b"application/problem+json"
        assert json.loads(third.body)["status"] == 503
        slow.go.set()
        assert (await first.answered(), await second.answered()) == (200, 200)
        fourth = Caller(admission)
        fourth.send(b"{}")
        assert await fourth.answered() == 200
        assert b'refusals_total{reason="in_flight"} 1.0' in metrics.exposition()
        assert metrics.registry.get_sample_value("product_search_in_flight") == 0

    trial(test)


def test_what_is_no_search_is_not_held_up() -> None:
    async def test(slow: Slow, admission: Admission, metrics: Metrics) -> None:
        for caller in (Caller(admission), Caller(admission)):
            caller.send(b"{}")
        await entered(slow, 2)
        others = [Caller(admission, path, "GET", None) for path in ("/healthz", "/metrics", "/v1/items/a/image", "/")]
        await entered(slow, 6)
        slow.go.set()
        assert [await one.answered() for one in others] == [200] * 4

    trial(test)


def test_bodies_on_their_way_are_bounded_by_what_they_declare() -> None:
    async def test(slow: Slow, admission: Admission, metrics: Metrics) -> None:
        large = Caller(admission, size=900_000)
        await asyncio.sleep(0)
        assert await Caller(admission, size=200_000).answered() == 503
        assert await Caller(admission, size=None).answered() == 503  # says nothing: as large as any may be
        small = Caller(admission, size=2)
        small.send(b"{}")
        large.send(b"x" * 450_000, more=True), large.send(b"x" * 450_000)
        slow.go.set()
        assert (await large.answered(), await small.answered()) == (200, 200)
        assert sorted(len(body) for body in slow.bodies) == [2, 900_000]

    trial(test)


def test_a_body_larger_than_all_may_be_is_taken_while_it_is_the_only_one() -> None:
    async def test(slow: Slow, admission: Admission, metrics: Metrics) -> None:
        slow.go.set()
        alone = Caller(admission, size=1_200_000)
        alone.send(b"x" * 1_200_000)
        assert await alone.answered() == 200

    trial(test)


def test_a_body_that_does_not_come_holds_no_place_and_is_ended() -> None:
    async def test(slow: Slow, admission: Admission, metrics: Metrics) -> None:
        lorises = [Caller(admission, size=100) for _ in range(5)]
        for one in lorises:
            one.send(b"{", more=True)
        await asyncio.sleep(0)
        slow.go.set()
        swift = Caller(admission)
        swift.send(b"{}")
        assert await swift.answered() == 200
        assert [await one.answered() for one in lorises] == [408] * 5
        assert slow.bodies == [b"{}"]
        assert b'refusals_total{reason="slow_body"} 5.0' in metrics.exposition()
        again = Caller(admission, size=900_000)  # what they declared is given back
        again.send(b"x" * 900_000)
        assert await again.answered() == 200

    trial(test)


def test_an_endless_body_is_cut() -> None:
    async def test(slow: Slow, admission: Admission, metrics: Metrics) -> None:
        endless = Caller(admission, size=None)
        for _ in range(40):
            endless.send(b"x" * 100_000, more=True)
        assert await endless.answered() == 413 and slow.bodies == []

    trial(test, FEW.model_copy(update={"max_in_flight_mb": 10}))


# The key

KEY = "s3cret-of-the-shop"


@pytest.fixture(scope="module")
def keyed(tiny_store: TinyShop) -> Iterator[TestClient]:
    app = create_app(AppSettings(device="cpu", api_key=KEY), tiny_store.settings)
    app.state.live.check()
    with TestClient(app) as client:
        yield client


GIVEN: list[dict[str, str]] = [
    {"Authorization": f"Bearer {KEY}"},
    {"authorization": f"bearer {KEY}"},
    {"X-API-Key": KEY},
]
WRONG: list[dict[str, str]] = [
    {},
    {"Authorization": f"Bearer {KEY}x"},
    {"Authorization": f"Basic {KEY}"},
    {"X-API-Key": ""},
]


@pytest.mark.parametrize("headers", GIVEN)
def test_with_the_key_everything_answers(keyed: TestClient, headers: dict[str, str]) -> None:
    assert keyed.post("/v1/search", json={"text": "red mug"}, headers=headers).status_code == 200
    assert keyed.get("/v1/release", headers=headers).status_code == 200
    assert keyed.get("/v1/items/red-mug", headers=headers).status_code == 200


@pytest.mark.parametrize("headers", WRONG)
def test_without_it_nothing_of_the_api_does(keyed: TestClient, headers: dict[str, str]) -> None:
    files = {"image": ("x.png", b"x")}
    asked: list[Any] = [
        keyed.post("/v1/search", json={"text": "red mug"}, headers=headers),
        keyed.post("/v1/search", content=b"not json", headers=headers),
        keyed.post("/v1/search/image", files=files, headers=headers),
        keyed.post("/v1/search/batch", json={}, headers=headers),
        keyed.get("/v1/release", headers=headers),
        keyed.get("/v1/items/red-mug", headers=headers),
        keyed.post("/v1/items/red-mug/image", headers=headers),
        keyed.get("/v1/nothing", headers=headers),
    ]
    for answer in asked:
        assert answer.status_code == 401, answer.url
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json" and KEY not in answer.text


def test_what_a_browser_shows_and_what_tells_the_state_stays_open(keyed: TestClient) -> None:
    for path in ("/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/items/red-mug/image"):
        assert keyed.get(path).status_code == 200, path
    assert b'refusals_total{reason="key"}' in keyed.get("/metrics").content


def test_the_schemes_are_named_where_a_key_is_needed(keyed: TestClient, tiny_store: TinyShop) -> None:
    described = keyed.get("/openapi.json").json()
    assert {one["type"] for one in described["components"]["securitySchemes"].values()} == {"http", "apiKey"}
    assert len(described["paths"]["/v1/search"]["post"]["security"]) == 2
    assert "security" not in described["paths"]["/healthz"]["get"]
    with TestClient(create_app(AppSettings(device="cpu"), tiny_store.settings)) as free:
        assert "securitySchemes" not in free.get("/openapi.json").json()["components"]


def test_the_key_is_in_no_text_of_the_settings() -> None:
    assert KEY not in repr(AppSettings(api_key=KEY)) and KEY not in str(AppSettings(api_key=KEY).model_dump())
