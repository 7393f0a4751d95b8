"""A value that is slow to read, read once for all visitors."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import TTLCache

Value = TypeVar("Value")


class SharedValue(Generic[Value]):
    """One value, made again for another key or after some seconds. Thread-safe: callers wait while it is made."""

    def __init__(self, make: Callable[[], Value], seconds: float) -> None:
        """``make`` must not return None."""
        self._make, self._lock = make, Lock()
        self._cache: TTLCache[Hashable, Value] = TTLCache(maxsize=1, ttl=seconds)

    def get(self, key: Hashable) -> Value:
        """The value under ``key``. Raises what making it raises; the next caller then tries again."""
        with self._lock:
            value = self._cache.get(key)
            if value is None:
                value = self._cache[key] = self._make()
            return value
