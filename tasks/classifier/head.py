"""The category head for inference: numpy only, immutable, thread-safe."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError

WEIGHTS, LABELS = "head.safetensors", "labels.json"
HeadKind = Literal["cosine", "linear", "mlp"]
_TENSORS = {
    "cosine": ("mean", "weight"),
    "linear": ("weight", "bias"),
    "mlp": ("mean", "hidden_weight", "hidden_bias", "weight", "bias"),
}


@dataclass(frozen=True)
class Head:
    """A trained head: image embeddings to category probabilities.

    tensors: float32. cosine: ``mean`` (d,), ``weight`` (classes, d) of unit rows. linear: ``weight``, ``bias``.
    mlp: ``mean``, ``hidden_weight``, ``hidden_bias``, ``weight``, ``bias``. labels: class i is ``labels[i]``.
    train_counts: training items of every class seen, including those left out. temperature: fitted on val.
    """

    kind: HeadKind
    labels: tuple[str, ...]
    tensors: dict[str, np.ndarray]
    scale: float
    temperature: float
    train_counts: dict[str, int]
    config: dict[str, Any]

    @property
    def dim(self) -> int:
        """Dimensions of an embedding."""
        return int(self.tensors["hidden_weight" if self.kind == "mlp" else "weight"].shape[1])

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """Scores (n, classes) float32 before temperature and softmax. vectors: (n, d) L2-normalised embeddings."""
        x, t = self._checked(vectors), self.tensors
        scores: np.ndarray
        if self.kind == "linear":
            scores = x @ t["weight"].T + t["bias"]
        elif self.kind == "cosine":
            scores = self.scale * (centred(x, t["mean"]) @ t["weight"].T)
        else:
            hidden = np.maximum(self.scale * centred(x, t["mean"]) @ t["hidden_weight"].T + t["hidden_bias"], 0)
            scores = hidden @ t["weight"].T + t["bias"]
        return scores

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (n, classes) float32; rows sum to 1. Raises ConfigError on a wrong shape or NaN."""
        return softmax(self.logits(vectors) / np.float32(self.temperature))

    def predict(self, vectors: np.ndarray, top_k: int = 5) -> list[list[tuple[str, float]]]:
        """The ``top_k`` likeliest (label, probability) of each embedding, likeliest first."""
        if top_k < 1:
            raise ConfigError(f"top_k={top_k}: expected 1 or more")
        shares = self.probabilities(vectors)
        best = np.argsort(-shares, axis=1, kind="stable")[:, :top_k]
        return [[(self.labels[i], float(row[i])) for i in order] for row, order in zip(shares, best, strict=True)]

    def save(self, folder: Path | str) -> None:
        """Write head.safetensors and labels.json into ``folder``. The same head gives the same bytes."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: np.ascontiguousarray(self.tensors[name]) for name in _TENSORS[self.kind]}, folder / WEIGHTS)
        facts = {name: getattr(self, name) for name in ("kind", "scale", "temperature", "train_counts", "config")}
        text = json.dumps({"labels": list(self.labels)} | facts, ensure_ascii=False, indent=1, allow_nan=False)
        (folder / LABELS).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path | str) -> "Head":
        """Read a saved head. Raises ArtifactMissing, and ArtifactCorrupt where labels and weights do not fit."""
        folder = Path(folder)
        missing = [name for name in (WEIGHTS, LABELS) if not (folder / name).is_file()]
        if missing:
            raise ArtifactMissing(f"{folder} lacks {', '.join(missing)}: train the classifier first")
        try:
            facts = json.loads((folder / LABELS).read_text(encoding="utf-8"))
            head = cls(labels=tuple(facts.pop("labels")), tensors=load_file(folder / WEIGHTS), **facts)
            lacking = set(_TENSORS[head.kind]) - set(head.tensors)
        except (ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ArtifactCorrupt(f"{folder} holds no readable head ({error}): train the classifier again") from error
        if lacking or len(head.labels) != len(head.tensors["weight"]):
            raise ArtifactCorrupt(
                f"{folder}: {len(head.labels)} labels, tensors {sorted(head.tensors)} (lacking {sorted(lacking)}), "
                "which do not fit together: train the classifier again"
            )
        return head

    def _checked(self, vectors: np.ndarray) -> np.ndarray:
        array = np.asarray(vectors, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != self.dim:
            raise ConfigError(
                f"found embeddings of shape {array.shape}, expected (n, {self.dim}): is it the same model?"
            )
        if not np.isfinite(array).all():
            raise ConfigError("found NaN or infinite numbers in the embeddings: embed them again")
        return array


def centred(vectors: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Rows of ``vectors`` (n, d) minus ``mean``, as unit vectors: embeddings of one kind share a large common part."""
    return unit_rows(vectors - mean)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows of ``vectors`` (n, d) divided by their length."""
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of ``logits`` (n, classes) as probabilities."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = shifted / shifted.sum(axis=1, keepdims=True)
    return shares


def encode_labels(labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Class index (n,) int64 of each label, -1 for one that is no class."""
    position = {label: i for i, label in enumerate(classes)}
    return np.array([position.get(label, -1) for label in labels], dtype=np.int64)
