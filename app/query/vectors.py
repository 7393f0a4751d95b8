"""Vectors of what was asked before: a popular query costs no encoding."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock

import numpy as np

#: The model's verified folder, what kind of thing was asked, and the thing: words, or the hash of an image.
Key = tuple[Path, str, str]


class Vectors:
    """The latest used vectors, up to a number. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Key, np.ndarray] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def known(self, keys: Iterable[Key]) -> dict[Key, np.ndarray]:
        """Those of ``keys`` that are kept."""
        found = {}
        with self._lock:
            for key in keys:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[key] = self._kept[key]
        return found

    def keep(self, vectors: Mapping[Key, np.ndarray]) -> None:
        """Keep these; the longest unused go."""
        with self._lock:
            for key, vector in vectors.items():
                self._kept[key] = vector.copy()  # else a row would keep its whole batch
                self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
