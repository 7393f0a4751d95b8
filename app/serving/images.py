"""Product images in memory: the ones shown most recently, up to a size."""

from operator import attrgetter
from threading import Lock
from typing import Any

from cachetools import LRUCache, cachedmethod

from tasks.store.artifacts.images import read_image
from tasks.store.objects.store import Store


class ImageCache:
    """Reads images by hash (the store verifies each) and keeps the latest. Thread-safe."""

    def __init__(self, store: Store, max_bytes: int) -> None:
        self._store = store
        self._cache: LRUCache[Any, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._lock = Lock()  # not held while an image is read: a slow store delays no other image

    @cachedmethod(attrgetter("_cache"), lock=attrgetter("_lock"))
    def read(self, sha256: str) -> bytes:
        """JPEG bytes of an image. Raises ArtifactMissing, ArtifactCorrupt, StoreUnavailable."""
        return read_image(self._store, sha256)
