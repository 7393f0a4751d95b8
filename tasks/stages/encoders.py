"""Stored models, ready to encode."""

from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Literal

from tasks.schema.manifest import ArtifactRef
from tasks.store.artifacts.cache import fetch
from tasks.store.objects.store import open_store

if TYPE_CHECKING:
    from tasks.clip.encoder import Encoder

Precision = Literal["fp32", "bf16", "auto"]
_loading = Lock()


def load_encoder(model: ArtifactRef, precision: Precision = "fp32") -> "Encoder":
    """The model's encoder, loaded once a process (the last two are kept). Raises ArtifactMissing, ModelUnavailable."""
    with _loading:
        return _load_encoder(model.id, precision)


@lru_cache(maxsize=2)
def _load_encoder(model_id: str, precision: Precision) -> "Encoder":
    from tasks.clip.encoder import Encoder

    folder = fetch(open_store(), ArtifactRef(kind="model", id=model_id))
    return Encoder.load(folder, precision=precision)
