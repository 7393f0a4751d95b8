"""Vectors of earlier queries: a popular query costs no encoding."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock

import numpy as np
from cachetools import LRUCache

#: The model's verified folder, the kind of input, and the input: words, or the hash of an image.
Key = tuple[Path, str, str]


class VectorCache:
    """The most recently used vectors, up to a number. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._vectors: LRUCache[Key, np.ndarray] = LRUCache(most)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._vectors)

    def get(self, keys: Iterable[Key]) -> dict[Key, np.ndarray]:
        """Those of ``keys`` that are cached, with their vectors."""
        with self._lock:
            return {key: self._vectors[key] for key in keys if key in self._vectors}

    def put(self, vectors: Mapping[Key, np.ndarray]) -> None:
        """Cache these; the longest unused go."""
        with self._lock:
            if self._vectors.maxsize:  # an LRUCache of no size refuses values
                # copies: a row would keep its whole batch in memory
                self._vectors.update((key, vector.copy()) for key, vector in vectors.items())
