"""An HTTP proxy before an S3 server that fails a share of the calls, in the ways that networks and servers fail."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

#: Each way a call can fail; ``late`` ones reach the server, and only their answer is lost.
FAULTS = ("drop", "drop late", "error", "error late", "truncate", "cut head", "delay", "time out", "time out late")
#: Those after which a call has no answer: an outage is made of them.
FATAL = tuple(fault for fault in FAULTS if fault != "delay")
_ERRORS = ((500, "InternalError"), (503, "SlowDown"))


@dataclass(frozen=True)
class _Request:
    method: str
    target: str
    head: bytes
    body: bytes


class FaultProxy:
    """Listens on a free port of the loopback, in a thread of its own. One call a connection.

    ``share`` of the calls fail, each in a way drawn from ``faults``. ``hold`` seconds pass before a call that times
    out is dropped: more than the client's time-out. ``before`` is told of each call (method, target) first.
    """

    def __init__(self, upstream: str, seed: int, hold: float) -> None:
        self.share, self.hold = 0.0, hold
        self.faults: tuple[str, ...] = FAULTS
        self.before: Callable[[str, str], None] = lambda method, target: None
        self.calls, self.retries, self.failed = 0, 0, Counter[str]()
        self._unanswered: Counter[tuple[str, str]] = Counter()
        self._chance = random.Random(seed)
        self._upstream = int(upstream.rsplit(":", 1)[1])
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listening.wait(10):
            raise RuntimeError("the proxy did not start within 10 s")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        await self._stop.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read_request(reader, writer)
            answer = await self._answer(request)
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # either side hung up
        finally:
            writer.close()

    def _choose(self, request: _Request) -> str | None:
        key = (request.method, request.target)
        self.calls += 1
        self.before(*key)
        if self._unanswered[key]:
            self._unanswered[key] -= 1
            self.retries += 1
        if self._chance.random() >= self.share:
            return None
        fault = self._chance.choice(self.faults)
        self.failed[fault] += 1
        self._unanswered[key] += fault != "delay"
        return fault

    async def _answer(self, request: _Request) -> bytes:
        """What the client receives before it is hung up on."""
        fault = self._choose(request)
        if fault == "truncate" and request.body:
            await self._forward(request, len(request.body) // 2)
            return b""
        answer = b"" if fault in ("drop", "error", "time out") else await self._forward(request)
        if fault == "delay":
            await asyncio.sleep(self._chance.uniform(0.1, 0.6) * self.hold / 2)
        elif fault in ("time out", "time out late"):
            await asyncio.sleep(self.hold)
        if fault in ("error", "error late"):
            return self._error(request)
        body = answer.find(b"\r\n\r\n") + 4
        if fault == "truncate":
            return answer[: body + (len(answer) - body) // 2]
        if fault == "cut head":
            return answer[: body // 2]
        return answer if fault in (None, "delay") else b""

    def _error(self, request: _Request) -> bytes:
        status, code = self._chance.choice(_ERRORS)
        body = b"" if request.method == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
        head = f"HTTP/1.1 {status} {code}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return head.encode() + body

    async def _forward(self, request: _Request, stop_after: int | None = None) -> bytes:
        """The server's whole answer; with ``stop_after``, hang up once so many bytes of the body went out."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            writer.write(request.head + request.body[:stop_after])
            await writer.drain()
            return b"" if stop_after is not None else await reader.read()
        finally:
            writer.close()


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Request:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("expect"):  # the client waits a second for this before it sends the body
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    kept = [line for line in lines if not line.lower().startswith(("connection:", "expect:"))]
    method, target, _ = first.split(" ", 2)
    asked = "\r\n".join([f"{method} {target} HTTP/1.1", *kept, "Connection: close", "", ""])
    return _Request(method, target, asked.encode("latin-1"), body)
