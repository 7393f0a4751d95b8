"""Several weighted query vectors as one, on a common score scale."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

_EPSILON = 1e-6


@dataclass(frozen=True)
class ScoreNormaliser:
    """Scales query vectors by the standard deviation of their scores over a release's images.

    The scores of a query v over vectors with covariance C have the standard deviation sqrt(v' C v). Texts score all
    images alike (cosines of .15 to .3), images do not (.3 to .9): in a plain sum the image decides alone. Divided by
    their own standard deviation, equal weights have equal influence.
    sample: (m, d) float32, L2-normalised, vectors of a random part of the images.
    """

    sample: np.ndarray

    @cached_property
    def _covariance(self) -> np.ndarray:
        if not len(self.sample):
            return np.zeros((self.sample.shape[1],) * 2, np.float32)
        centred = self.sample - self.sample.mean(axis=0)
        covariance: np.ndarray = centred.T @ centred / len(self.sample)
        return covariance

    def spread(self, vectors: np.ndarray) -> np.ndarray:
        """Standard deviation (k,) of the scores of each of ``vectors`` (k, d), never zero."""
        variance = np.einsum("kd,de,ke->k", vectors, self._covariance, vectors)
        deviation: np.ndarray = np.sqrt(np.maximum(variance, 0.0)) + _EPSILON
        return deviation

    def mix(self, vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The weighted parts as one query (1, d) float32, L2-normalised. vectors: (k, d), weights: (k,).

        A single part stays as it is, with its sign changed where its weight is negative. Parts that cancel out give 0.
        """
        if len(vectors) == 1:
            return np.asarray(np.sign(weights[0]) * vectors, np.float32)
        total = (weights / self.spread(vectors)) @ vectors
        length = np.linalg.norm(total)
        return np.asarray(total / length if length > 0 else total, np.float32)[None]
