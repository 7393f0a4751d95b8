"""Tells in which seconds of a flow its tasks' own code ran: the rest is what runs flows."""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_TELLING = (
    "create_image_artifact", "create_markdown_artifact", "create_progress_artifact", "create_table_artifact",
    "update_progress_artifact",
)  # fmt: skip


class FlowClock:
    """Knows when tasks were in their own code, and how long they were in what they called of Prefect."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._since = 0.0
        self._covered = 0.0
        self._called = 0.0

    @contextmanager
    def own_code(self) -> Iterator[None]:
        """A task's own code runs."""
        self._step(1)
        try:
            yield
        finally:
            self._step(-1)

    @contextmanager
    def called(self) -> Iterator[None]:
        """A task waits for what it called. At once in two tasks, both count: the sum is an upper bound."""
        began = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._called += time.perf_counter() - began

    def working(self) -> float:
        """Seconds in which some task was in its own code, one in what it called excepted."""
        return self._covered - self._called

    def _step(self, change: int) -> None:
        with self._lock:
            now = time.perf_counter()
            if self._inside:
                self._covered += now - self._since
            self._since = now
            self._inside += change


def watch_prefect() -> FlowClock:
    """Have a clock told of every task, artifact and concurrency slot. To be called before anything imports a task."""
    import prefect
    import prefect.artifacts
    import prefect.concurrency.sync

    clock = FlowClock()
    prefect.task = _watched(prefect.task, clock)
    for name in _TELLING:
        setattr(prefect.artifacts, name, _within(clock.called, getattr(prefect.artifacts, name)))
    concurrency = prefect.concurrency.sync.concurrency

    @contextmanager
    def slot(*args: Any, **kwargs: Any) -> Iterator[None]:
        held = concurrency(*args, **kwargs)
        with clock.called():
            held.__enter__()
        try:
            yield
        finally:
            with clock.called():
                held.__exit__(None, None, None)

    prefect.concurrency.sync.concurrency = slot
    return clock


def _watched(task: Callable[..., Any], clock: FlowClock) -> Callable[..., Any]:
    def decorate(fn: Callable[..., Any] | None = None, **options: Any) -> Any:
        if fn is None:
            return functools.partial(decorate, **options)
        return task(_within(clock.own_code, fn), **options)

    return decorate


def _within(part: Callable[[], Any], fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        with part():
            return fn(*args, **kwargs)

    return call
