"""Words and images to vectors of a release's model: from memory, or together with what else waits for that model."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from app.metrics import Metrics
from app.query.batches import Batches
from app.query.vectors import Vectors
from app.serving.images import ImageCache
from app.serving.snapshot import Snapshot
from app.settings import AppSettings


class Encoding:
    """Encodes what queries bring. Each call is given the snapshot that the query holds: its model, and no other.

    Page and API share it. Thread-safe; a call waits for its vectors.
    """

    def __init__(self, images: ImageCache, settings: AppSettings, metrics: Metrics) -> None:
        self._images, self._metrics = images, metrics
        self._batches = Batches(settings.encode_batch, settings.max_in_flight, metrics)
        self._vectors = Vectors(settings.vector_cache)

    def texts(self, snapshot: Snapshot, texts: list[str]) -> np.ndarray:
        """(n, d) float32, L2-normalised. Raises Busy."""
        encode = snapshot.encoder.encode_texts
        return self._remembered(snapshot, "text", texts, lambda new: self._batches.encode(encode, new))

    def images(self, snapshot: Snapshot, images: list[Image.Image]) -> np.ndarray:
        """(n, d) float32, L2-normalised, of decoded images. Raises Busy."""
        return self._looked_at(snapshot, images)

    def products(self, snapshot: Snapshot, hashes: list[str]) -> np.ndarray:
        """(n, d) float32, L2-normalised, of images in the store. Raises Busy, ArtifactMissing, StoreUnavailable."""
        return self._remembered(
            snapshot,
            "product",
            hashes,
            lambda new: self._looked_at(snapshot, [self._images.read(one) for one in new]),
        )

    def _looked_at(self, snapshot: Snapshot, images: list[Image.Image] | list[bytes]) -> np.ndarray:
        # made small by the caller's thread: what waits in the queue is as small as the model takes it
        pixels = [snapshot.encoder.pixels(image) for image in images]
        return self._batches.encode(snapshot.encoder.encode_pixels, pixels)

    def _remembered(
        self, snapshot: Snapshot, kind: str, asked: list[str], encode: Callable[[list[str]], np.ndarray]
    ) -> np.ndarray:
        # a model's folder is named by its contents: a release with the same model finds what the last one left
        keys = {one: (snapshot.parts.folders["model"], kind, one) for one in asked}
        found = self._vectors.known(keys.values())
        new = [one for one, key in keys.items() if key not in found]
        self._metrics.looked_up(kind, hits=len(keys) - len(new), misses=len(new))
        if new:
            made = dict(zip((keys[one] for one in new), encode(new), strict=True))
            self._vectors.keep(made)
            found |= made
        return np.stack([found[keys[one]] for one in asked])
