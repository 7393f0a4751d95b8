"""Words and pictures to vectors of a release's model."""

import numpy as np
from PIL import Image

from app.serving.pictures import Pictures
from app.serving.snapshot import Snapshot


class Encoding:
    """Encodes what queries bring. Each call is given the snapshot that the query holds: its model, and no other."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def texts(self, snapshot: Snapshot, texts: list[str]) -> np.ndarray:
        """(n, d) float32, L2-normalised."""
        return snapshot.encoder.encode_texts(texts)

    def pictures(self, snapshot: Snapshot, pictures: list[Image.Image]) -> np.ndarray:
        """(n, d) float32, L2-normalised, of decoded pictures."""
        return snapshot.encoder.encode_images(pictures)

    def products(self, snapshot: Snapshot, hashes: list[str]) -> np.ndarray:
        """(n, d) float32, L2-normalised, of pictures in the store. Raises ArtifactMissing, StoreUnavailable."""
        return snapshot.encoder.encode_images([self._pictures.read(sha256) for sha256 in hashes])
