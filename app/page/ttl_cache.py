"""What is slow to read, read once for all visitors."""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """A value that is made anew for another key, and after some seconds. Thread-safe: who comes meanwhile waits."""

    def __init__(self, make: Callable[[], Value], seconds: float) -> None:
        self._make, self._seconds = make, seconds
        self._lock = Lock()
        self._kept: tuple[Hashable, float, Value] | None = None

    def get(self, key: Hashable) -> Value:
        """The value under ``key``. Raises what making it raises; then the next caller tries again."""
        with self._lock:
            if self._kept is None or self._kept[0] != key or time.monotonic() - self._kept[1] > self._seconds:
                self._kept = (key, time.monotonic(), self._make())
            return self._kept[2]
