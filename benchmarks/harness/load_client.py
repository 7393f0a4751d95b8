"""The load of a benchmark: asks over raw sockets from a process of its own, so that asking costs little, and all alike.

`closed_loop` keeps a number of clients asking one after another; `open_loop` asks at a rate, however slow the answers.
Imports the standard library only: it starts at once and has no threads that would take the server's processors.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

_COLORS = ("red", "blue", "green", "black", "white", "beige", "striped", "floral")
_MATERIALS = ("cotton", "oak", "steel", "leather", "ceramic", "linen", "glass", "wool", "velvet", "rattan", "brass")
_KINDS = ("mug", "chair", "lamp", "shirt", "boots", "bag", "vase", "sofa", "clock", "rug", "hat", "desk", "shelf")
_WISHES = ("", "small", "for the garden", "cheap", "with a round base", "vintage", "for children", "made to last",
           "in the style of the seventies", "that fits a narrow hall")  # fmt: skip
_STYLES = ("", "modern", "rustic", "Scandinavian", "minimal", "industrial", "cosy", "bright", "large", "handmade")
_PARTS = (_COLORS, _MATERIALS, _KINDS, _WISHES, _STYLES)
_STRIDE = 104_729  # a prime: neighbouring numbers share few words

#: Queries that `words` can tell apart.
DISTINCT = 8 * 11 * 13 * 10 * 10


def words(number: int) -> str:
    """A shopper's query, another for each number below `DISTINCT`."""
    rest, chosen = number * _STRIDE % DISTINCT, []
    for part in _PARTS:
        rest, which = divmod(rest, len(part))
        chosen.append(part[which])
    color, material, kind, wish, style = chosen
    return " ".join(f"{style} {color} {material} {kind} {wish}".split())


@dataclass(frozen=True)
class Service:
    """Who is asked: where it listens, and the body that asks for ``words``, as JSON with the words left open."""

    name: str
    port: int
    path: str
    body: dict[str, Any]
    hits: int  # that each answer must have

    def request(self, text: str) -> bytes:
        """The HTTP request that asks for ``text``."""
        body = json.dumps({**self.body, "text": text}).encode()
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body

    def fault(self, status: int, headers: dict[str, str], content: bytes) -> str:
        """What is wrong with an answer, "" where nothing is: it has its hits, or is a 503 that says when to return."""
        if status == 200:
            told = json.loads(content)
            found = len(told if isinstance(told, list) else told["hits"])
            return "" if found == self.hits else f"{found} hits"
        if status != 503:
            return f"{status} {content[:200]!r}"
        clean = headers.get("content-type") == "application/problem+json" and json.loads(content)["status"] == 503
        return (
            "" if clean and int(headers.get("retry-after", 0)) >= 1 else f"503 without Retry-After: {content[:200]!r}"
        )


@dataclass(frozen=True)
class Asked:
    """One query as its client saw it: when it was due (seconds, monotonic), how long it took, HTTP status (0: none)."""

    due: float
    took: float
    status: int
    fault: str


class _Connection:
    """One HTTP/1.1 connection, opened again where the server closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        if self._reader is None or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._reader is not None and self._writer is not None
        self._writer.write(request)
        status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        content = await self._reader.readexactly(int(headers["content-length"]))
        if headers.get("connection", "").lower() == "close" or status.startswith("HTTP/1.0"):
            self.close()
        return int(status.split(" ", 2)[1]), headers, content

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def _ask(service: Service, connection: _Connection, text: str, due: float) -> Asked:
    try:
        status, headers, content = await asyncio.wait_for(connection.ask(service.request(text)), 60)
    except (OSError, EOFError, TimeoutError) as error:
        connection.close()
        return Asked(due, time.monotonic() - due, 0, repr(error))
    took = time.monotonic() - due
    return Asked(due, took, status, service.fault(status, headers, content))


def closed_loop(service: Service, clients: int, seconds: float, first: int, distinct: int = DISTINCT) -> list[Asked]:
    """``clients`` that each ask again once they are answered. Queries: ``distinct`` numbers from ``first`` on."""

    async def client() -> None:
        connection = _Connection(service.port)
        while time.monotonic() < end:
            text = words(first + next(numbers) % distinct)
            asked.append(await _ask(service, connection, text, time.monotonic()))
        connection.close()

    async def all_clients() -> None:
        await asyncio.gather(*(client() for _ in range(clients)))

    asked: list[Asked] = []
    numbers, end = iter(range(10**9)), time.monotonic() + seconds
    asyncio.run(all_clients())
    return asked


def open_loop(service: Service, per_second: float, seconds: float, first: int) -> list[Asked]:
    """Queries that arrive by chance, ``per_second`` on average, whatever becomes of those before them."""

    async def arrive(text: str, due: float) -> None:
        connection = idle.pop() if idle else _Connection(service.port)
        asked.append(await _ask(service, connection, text, due))
        idle.append(connection)

    async def arrivals() -> None:
        under_way = set()
        due, end, number, chance = time.monotonic(), time.monotonic() + seconds, first, random.Random(0)
        while due < end:
            await asyncio.sleep(due - time.monotonic())
            task = asyncio.create_task(arrive(words(number), due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number, due = number + 1, due + chance.expovariate(per_second)
        await asyncio.gather(*under_way)

    asked: list[Asked] = []
    idle: list[_Connection] = []
    asyncio.run(arrivals())
    return asked


@contextmanager
def process_apart() -> Iterator[Callable[..., Any]]:
    """A process that runs functions one at a time; yields ``call(function, *arguments)``, which waits for it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result()
