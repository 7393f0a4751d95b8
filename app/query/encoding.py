"""Words and images to vectors of a release's model: from the cache, or in a batch with other queries."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from app.metrics import Metrics
from app.query.batcher import DynamicBatcher
from app.query.vector_cache import VectorCache
from app.serving.images import ImageCache
from app.serving.snapshot import Snapshot
from app.settings import AppSettings


class Encoding:
    """Encodes queries. Each call gets the snapshot that the query holds: its model, and no other.

    Page and API share it. Thread-safe; a call waits for its vectors.
    """

    def __init__(self, images: ImageCache, settings: AppSettings, metrics: Metrics) -> None:
        self._images, self._metrics = images, metrics
        self._batcher = DynamicBatcher(settings.encode_batch, settings.max_in_flight, metrics)
        self._vectors = VectorCache(settings.vector_cache)

    def texts(self, snapshot: Snapshot, texts: list[str]) -> np.ndarray:
        """(n, d) float32, L2-normalised. Raises Busy."""
        encode = snapshot.encoder.encode_texts
        return self._cached(snapshot, "text", texts, lambda new: self._batcher.encode(encode, new))

    def images(self, snapshot: Snapshot, images: list[Image.Image]) -> np.ndarray:
        """(n, d) float32, L2-normalised, of decoded images. Raises Busy."""
        return self._encode_images(snapshot, images)

    def products(self, snapshot: Snapshot, hashes: list[str]) -> np.ndarray:
        """(n, d) float32, L2-normalised, of images in the store. Raises Busy, ArtifactMissing, StoreUnavailable."""
        return self._cached(
            snapshot,
            "product",
            hashes,
            lambda new: self._encode_images(snapshot, [self._images.read(one) for one in new]),
        )

    def _encode_images(self, snapshot: Snapshot, images: list[Image.Image] | list[bytes]) -> np.ndarray:
        # resized by the caller's thread: the queue holds images as small as the model takes them
        pixels = [snapshot.encoder.pixels(image) for image in images]
        return self._batcher.encode(snapshot.encoder.encode_pixels, pixels)

    def _cached(
        self, snapshot: Snapshot, kind: str, inputs: list[str], encode: Callable[[list[str]], np.ndarray]
    ) -> np.ndarray:
        # a model's folder is named by its contents: releases with the same model share their vectors
        keys = {one: (snapshot.files.folders["model"], kind, one) for one in inputs}
        found = self._vectors.get(keys.values())
        new = [one for one, key in keys.items() if key not in found]
        self._metrics.looked_up(kind, hits=len(keys) - len(new), misses=len(new))
        if new:
            made = dict(zip((keys[one] for one in new), encode(new), strict=True))
            self._vectors.put(made)
            found |= made
        return np.stack([found[keys[one]] for one in inputs])
