"""A store in memory with a clock of its own, and actors that stop after every single call to it.

An actor is ordinary code (a publisher, the collector) in a greenlet: `Actor.step` lets it make one storage call and
holds it there, for as long as the test likes, with the clock running. Killed, it makes no further call.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import greenlet
import pyarrow as pa

from tasks.schema.errors import ArtifactMissing, ProductSearchError
from tasks.store.objects.interface import ConditionFailed, ObjectInfo
from tasks.store.objects.parquet import read_parquet
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store
from tasks.store.releases.conditional_writes import probe


@dataclass
class Clock:
    """Server's clock, every machine's clock and, from zero, every machine's monotonic clock."""

    begun: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    passed: timedelta = timedelta()

    def now(self, zone: object = UTC) -> datetime:
        return self.begun + self.passed

    def monotonic(self) -> float:
        return self.passed.total_seconds()

    def advance(self, **passed: float) -> None:
        self.passed += timedelta(**passed)


class Killed(BaseException):
    """Raised in an actor that was killed and tries one more call."""


@dataclass
class MemoryObjects:
    """Objects in a dictionary, dated by the clock. Strongly consistent; honours conditions."""

    clock: Clock
    root: str = "memory://store"
    found: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return f"{self.root}/{path}"

    def read(self, path: str) -> bytes:
        return self.read_tagged(path)[0]

    def read_tagged(self, path: str) -> tuple[bytes, str]:
        data = self._call(lambda: self.found.get(path, (None,))[0])
        if data is None:
            raise ArtifactMissing(f"nothing at {path}")
        return data, _etag(data)

    def read_if_changed(self, path: str, etag: str | None) -> tuple[bytes, str] | None:
        found = self.read_tagged(path)
        return None if found[1] == etag else found

    def drop_scratch(self, before: datetime) -> int:
        return 0  # its writes are whole or not there

    def write(self, path: str, data: bytes, durable: bool = True) -> None:
        self._call(lambda: self._put(path, data))

    def stat(self, path: str) -> ObjectInfo | None:
        def look() -> ObjectInfo | None:
            return ObjectInfo(path, len(self.found[path][0]), self.found[path][1]) if path in self.found else None

        return self._call(look)

    def list(self, folder: str) -> list[ObjectInfo]:
        def look() -> list[ObjectInfo]:
            paths = sorted(path for path in self.found if path.startswith(f"{folder}/") and "/.probe-" not in path)
            return [ObjectInfo(path, len(self.found[path][0]), self.found[path][1]) for path in paths]

        return self._call(look)

    def delete(self, path: str) -> None:
        self._call(lambda: self.found.pop(path, None))

    def upload(self, path: str, file: Path) -> tuple[int, str]:
        data = file.read_bytes()
        self.write(path, data)
        return len(data), hashlib.sha256(data).hexdigest()

    def download(self, path: str, file: Path) -> tuple[int, str]:
        data = self.read(path)
        file.write_bytes(data)
        return len(data), hashlib.sha256(data).hexdigest()

    def read_columns(self, path: str, columns: Sequence[str] | None) -> pa.Table:
        return read_parquet(pa.BufferReader(self.read(path)), columns, self.url(path))

    def create(self, path: str, data: bytes) -> str:
        return self._put_if(path, data, None)

    def replace(self, path: str, data: bytes, etag: str) -> str:
        return self._put_if(path, data, etag)

    def _put(self, path: str, data: bytes) -> None:
        self.found[path] = (data, self.clock.now())

    def _put_if(self, path: str, data: bytes, etag: str | None) -> str:
        def swap() -> bool:
            before = self.found.get(path)
            if (before and _etag(before[0])) != etag:
                return False
            self._put(path, data)
            return True

        if not self._call(swap):
            raise ConditionFailed(path)
        return _etag(data)

    def _call(self, call: Callable[[], Any]) -> Any:
        """One storage call, atomic; an actor then stops until its next step."""
        actor = _actors.get(greenlet.getcurrent())
        if actor is not None and actor.killed:
            raise Killed
        answer = call()
        if actor is not None:
            actor.hub.switch()
        return answer


_actors: dict[greenlet.greenlet, "Actor"] = {}


class Actor:
    """Code that runs one storage call at a time. ``outcome`` tells how it ended."""

    def __init__(self, name: str, run: Callable[[], object], begun: datetime) -> None:
        self.name, self.begun = name, begun
        self.killed = self.done = False
        self.outcome: object = None
        self.hub = greenlet.getcurrent()
        self._greenlet = greenlet.greenlet(lambda: self._run(run))
        _actors[self._greenlet] = self

    def _run(self, run: Callable[[], object]) -> None:
        try:
            self.outcome = run()
        except (ProductSearchError, Killed) as error:
            self.outcome = error
        self.done = True

    def step(self, calls: int = 1) -> None:
        for _ in range(calls):
            if not self.done:
                self._greenlet.switch()
        if self.done:
            _actors.pop(self._greenlet, None)

    def finish(self) -> None:
        while not self.done:
            self.step()

    def kill(self) -> None:
        self.killed = True
        self.finish()


def memory_store(clock: Clock, cache: Path) -> Store:
    """A store in memory. A call that may pass is tried once: an actor's retry is another actor."""
    settings = StoreSettings(store_uri="memory", store_cache=cache, store_tries=1, code_version="test")
    store = Store(MemoryObjects(clock), settings)
    probe(store)  # here and now: two actors in one thread would wait for each other at its lock
    return store


def serial(call: Callable[[Any], Any], arguments: Any, threads: int = 1, ahead: int | None = None) -> Iterator[Any]:
    """`map_ordered` without threads, which an actor cannot have."""
    return map(call, arguments)


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
