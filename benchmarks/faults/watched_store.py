"""A store that writes down every change, and kills its own process at a chosen one. The product knows nothing of it."""

import json
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tasks.store.objects.store as store_module
from tasks.store.objects.folder import FolderObjects
from tasks.store.objects.interface import Objects

Moment = Literal["before", "middle", "after"]


@dataclass(frozen=True)
class Point:
    """Where to die: at the ``count``-th ``action`` on paths of this ``shape``, counted from 1.

    Many threads write at once, so the n-th write of one run is not that of the next; the n-th of a shape is.
    """

    action: str
    shape: str
    count: int
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment} {self.action} {self.shape}" + (f" #{self.count}" if self.count > 1 else "")


def shape_of(path: str) -> str:
    """``path`` with everything that differs from artifact to artifact replaced by a star."""
    return re.sub(r"[0-9a-f]{2}/[0-9a-f]{64}|[0-9a-f]{8,}|\d{5}", "*", path)


class Journal:
    """Lines of JSON in a file, each written at once, so that they outlive the writer."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def note(self, what: str, **more: Any) -> None:
        os.write(self._file, (json.dumps({"what": what, **more}) + "\n").encode())


def read_journal(file: Path) -> list[dict[str, Any]]:
    """Every line of a journal, in order."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


class Watch:
    """Follows the changes of one process, and ends it at ``point``."""

    def __init__(self, journal: Journal, point: Point | None) -> None:
        self.journal, self.point = journal, point
        self.cut: int | None = None  # bytes that may still go out before the end
        self._seen: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        self._thread = threading.local()

    @contextmanager
    def change(self, action: str, path: str, size: int) -> Iterator[None]:
        """Around one change of the store; changes made on behalf of another do not count."""
        if getattr(self._thread, "inside", False):
            yield
            return
        shape, here = shape_of(path), None
        with self._lock:
            count = self._seen[(action, shape)] = self._seen.get((action, shape), 0) + 1
        if self.point and (action, shape, count) == (self.point.action, self.point.shape, self.point.count):
            here = self.point.moment
        if here == "before":
            die()
        self._thread.inside, self._thread.aimed = True, here == "middle"
        if here == "middle":
            self.cut = size // 2
        try:
            yield
        finally:
            self._thread.inside = self._thread.aimed = False
        if here == "after":
            die()
        self.journal.note("change", action=action, path=path, shape=shape, size=size)

    @property
    def aimed(self) -> bool:
        """Whether this thread is in the change that must not come to its end."""
        return getattr(self._thread, "aimed", False)


def die() -> None:
    """Kill this process group, which nothing in it can catch or delay."""
    os.killpg(0, signal.SIGKILL)
    signal.pause()


def watch_stores(journal: Journal, point: Point | None) -> None:
    """Watch every store that this process opens from now on."""
    watch, open_objects = Watch(journal, point), store_module._open_objects

    def open_watched(settings: Any) -> Objects:
        objects = open_objects(settings)
        objects.__class__ = _watched(type(objects), watch)
        return objects

    store_module._open_objects = open_watched
    if point and point.moment == "middle" and "AWS_ENDPOINT_URL" in os.environ:
        _cut_requests(watch, int(os.environ["AWS_ENDPOINT_URL"].rsplit(":", 1)[1]))


def _watched(kind: type, watch: Watch) -> type:
    """A subclass of ``kind`` that tells ``watch``; it stays a FolderObjects for code that asks."""

    def method(action: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, path: str, *given: Any, **named: Any) -> Any:
            content = given[0] if given else b""
            size = content.stat().st_size if isinstance(content, Path) else len(content)
            with watch.change(action, path, size):
                return real(self, path, *given, **named)

        return call

    actions = ("write", "upload", "create", "replace", "delete")
    methods: dict[str, Any] = {action: method(action, getattr(kind, action)) for action in actions}
    if issubclass(kind, FolderObjects):
        methods["_temporary"] = _half_written(kind, watch)
    return type(f"Watched{kind.__name__}", (kind,), methods)


def _half_written(kind: type[FolderObjects], watch: Watch) -> Callable[..., Any]:
    @contextmanager
    def temporary(self: Any, path: str, durable: bool) -> Iterator[Any]:
        with kind._temporary(self, path, durable) as (name, file):
            yield name, _HalfFile(file, watch.cut or 0) if watch.aimed else file

    return temporary


class _HalfFile:
    """A file that ends the process once it holds ``left`` bytes."""

    def __init__(self, file: Any, left: int) -> None:
        self._file, self._left = file, left

    def write(self, data: bytes) -> int:
        if len(data) >= self._left:
            self._file.write(data[: self._left])
            self._file.flush()
            die()
        self._left -= len(data)
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _cut_requests(watch: Watch, port: int) -> None:
    """End the process once the chosen upload's header and half of its body went out to the S3 server."""

    def cut(real: Callable[..., Any]) -> Callable[..., Any]:
        def send(self: socket.socket, data: Any, *flags: int) -> Any:
            if watch.cut is None or self.family != socket.AF_INET or self.getpeername()[1] != port:
                return real(self, data, *flags)
            sent = bytes(data)
            body = sent.find(b"\r\n\r\n") + 4 if sent[:5] in (b"PUT /", b"POST ") else 0
            if len(sent) - body >= watch.cut and len(sent) > body:
                real(self, sent[: body + watch.cut], *flags)
                die()
            watch.cut -= len(sent) - body
            return real(self, data, *flags)

        return send

    for name in ("send", "sendall"):
        setattr(socket.socket, name, cut(getattr(socket.socket, name)))
