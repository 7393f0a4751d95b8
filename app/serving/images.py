"""Product images in memory: the ones shown most recently, up to a size."""

from collections import OrderedDict
from threading import Lock

from tasks.store.artifacts.images import read_image
from tasks.store.objects.store import Store


class ImageCache:
    """Reads images by hash (the store verifies each) and keeps the latest. Thread-safe."""

    def __init__(self, store: Store, max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def read(self, sha256: str) -> bytes:
        """JPEG bytes of an image. Raises ArtifactMissing, ArtifactCorrupt, StoreUnavailable."""
        with self._lock:
            if sha256 in self._kept:
                self._kept.move_to_end(sha256)
                return self._kept[sha256]
        content = read_image(self._store, sha256)  # outside the lock: a slow store holds up nobody else
        with self._lock:
            if sha256 not in self._kept:
                self._kept[sha256] = content
                self._bytes += len(content)
            while self._bytes > self._max_bytes and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return content
