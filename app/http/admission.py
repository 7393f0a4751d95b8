"""ASGI: authentication and admission control, decided before a byte of the body is read."""

import asyncio
import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.bodies import declared_size, read_whole, replay
from app.http.problems import problem
from app.metrics import Metrics
from app.settings import AppSettings

_AGAIN_SECONDS = "1"  # a refused request may be sent again soon: most queries take milliseconds


class ApiKey:
    """Answers 401 to requests under ``/v1/`` without the key.

    These stay open: the page, which searches in this process and which its operator protects; its images and the
    report, to which a browser cannot send a key; and the state for operators.
    """

    def __init__(self, app: ASGIApp, key: str, metrics: Metrics) -> None:
        self._app, self._key, self._metrics = app, key.encode(), metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] != "http" or _is_open(scope) or self._has_key(scope):
            await self._app(scope, receive, send)
            return
        self._metrics.refused("key")
        detail = "Send the API key as `Authorization: Bearer KEY` or `X-API-Key: KEY`; ask whoever runs this service."
        headers = {"WWW-Authenticate": "Bearer"}
        await problem(401, "The API key is missing or wrong", detail, headers)(scope, receive, send)

    def _has_key(self, scope: Scope) -> bool:
        given = b""
        for name, value in scope["headers"]:
            if name == b"x-api-key":
                given = value
            elif name == b"authorization" and value[:7].lower() == b"bearer ":
                given = value[7:].strip()
        return hmac.compare_digest(given, self._key)


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    reads: bool = scope["method"] in ("GET", "HEAD")
    image = path.startswith("/v1/items/") and path.endswith("/image")
    return not path.startswith("/v1/") or (reads and (image or path == "/v1/release/report"))


class Admission:
    """Answers 503 at once to searches beyond ``max_in_flight``, or beyond ``max_in_flight_mb`` of bodies in transit.

    A body counts with its declared size, from before it is read until it is answered. It is read whole before the
    search counts as in flight, so that slow senders occupy no slot; after ``body_seconds`` they get 408.
    """

    def __init__(self, app: ASGIApp, settings: AppSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._bytes = self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body read, or answer it."""
        size = declared_size(scope, unknown=self._settings.max_body_bytes)
        if not _is_search(scope) or size > self._settings.max_body_bytes:  # `BodyLimit` refuses what is too large
            await self._app(scope, receive, send)
            return
        if self._is_full(size):
            await self._refuse(scope, receive, send)
            return
        self._bytes += size
        try:
            await self._read_and_answer(scope, receive, send)
        finally:
            self._bytes -= size

    async def _read_and_answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                body = await read_whole(receive, self._settings.max_body_bytes)
        except TimeoutError:
            self._metrics.refused("slow_body")
            detail = (
                f"The body did not arrive within {self._settings.body_seconds:g} s. Send it again, or a smaller one."
            )
            await problem(408, "The request took too long", detail, {"Connection": "close"})(scope, receive, send)
            return
        if body is None:
            await self._too_large(scope, receive, send)
        elif self._in_flight >= self._settings.max_in_flight:  # others arrived while this body was read
            await self._refuse(scope, receive, send)
        else:
            await self._answer(body, scope, receive, send)

    async def _answer(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        try:
            await self._app(scope, replay(body, receive), send)
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.set(self._in_flight)

    def _is_full(self, size: int) -> bool:
        if self._in_flight >= self._settings.max_in_flight:
            return True
        # one alone may exceed the limit, or it would be refused for ever
        return self._bytes > 0 and self._bytes + size > self._settings.max_in_flight_mb * 1_000_000

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._metrics.refused("in_flight")
        detail = f"{self._in_flight} searches are being answered. Ask again in {_AGAIN_SECONDS} s."
        await problem(503, "Busy", detail, {"Retry-After": _AGAIN_SECONDS})(scope, receive, send)

    async def _too_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"The request has more than {self._settings.max_body_bytes / 1e6:.1f} MB, which is the limit."
        await problem(413, "The request is too large", detail, {"Connection": "close"})(scope, receive, send)


def _is_search(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "POST" and str(scope["path"]).startswith("/v1/")
