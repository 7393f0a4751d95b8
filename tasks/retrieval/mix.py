"""Several parts of a question as one vector, each as loud as its weight says."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

_LEAST = 1e-6


@dataclass(frozen=True)
class Loudness:
    """How far a release's images differ in their scores, in any direction; from a sample of their vectors.

    sample: (m, d) float32, L2-normalised. Words score all images alike (cosines of .15 to .3), an image spreads them
    (.3 to .9): added as they are, the image decides alone. Divided by the standard deviation of their own scores,
    sqrt(v' C v) with C the covariance of the vectors, equal weights count equally.
    """

    sample: np.ndarray

    @cached_property
    def _covariance(self) -> np.ndarray:
        if not len(self.sample):
            return np.zeros((self.sample.shape[1],) * 2, np.float32)
        centred = self.sample - self.sample.mean(axis=0)
        return centred.T @ centred / len(self.sample)

    def spread(self, vectors: np.ndarray) -> np.ndarray:
        """(k,) standard deviation of each vector's scores over the release, never zero. vectors: (k, d)."""
        variance = np.einsum("kd,de,ke->k", vectors, self._covariance, vectors)
        return np.sqrt(np.maximum(variance, 0.0)) + _LEAST

    def mix(self, vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(1, d) float32, L2-normalised: the weighted parts as one query. vectors: (k, d), weights: (k,).

        One part is itself (turned round where its weight is below zero). Parts that cancel out give zeros.
        """
        if len(vectors) == 1:
            return (np.sign(weights[0]) * vectors).astype(np.float32)
        total = (weights / self.spread(vectors)) @ vectors
        length = np.linalg.norm(total)
        return (total / length if length > 0 else total).astype(np.float32)[None]
