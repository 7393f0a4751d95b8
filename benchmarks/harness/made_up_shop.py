"""A shop for benchmarks of the reader: any number of releases with vectors made up, over tiny models of random weights.

Half of an index's products are its own (``a-000001``), half are in every index (``all-000001``), under vectors of its
own: an answer tells by its item ids alone which release gave it.
"""

import copy
import hashlib
import io
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from tasks.classifier.head import Head
from tasks.clip.folder import save_model
from tasks.lexical.config import LexicalConfig
from tasks.lexical.index import index_words, save_words
from tasks.retrieval.config import IndexConfig
from tasks.retrieval.index import build_index, save_index
from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import LivePointer, Release
from tasks.schema.tables import ITEMS, REMOVALS
from tasks.store.artifacts.commit import commit
from tasks.store.artifacts.images import write_image
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import write_release
from tasks.store.releases.removals import store_removals, with_removals
from tasks.store.releases.swap import swap_live

CHANNEL = "production"
_IMAGES = 16
_TINY: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@dataclass
class MadeUpShop:
    """The store below ``root``, and what was put into it. ``architecture``: OpenCLIP's model_cfg of its models."""

    root: Path
    items: int
    architecture: dict[str, Any] = field(default_factory=lambda: _TINY)
    images: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Store the images that all products share."""
        for number in range(_IMAGES):
            buffer = io.BytesIO()
            Image.effect_noise((48, 48), 20 + 10 * number).convert("RGB").save(buffer, "JPEG")
            self.images.append(hashlib.sha256(buffer.getvalue()).hexdigest())
            write_image(self.store, self.images[-1], buffer.getvalue())

    @property
    def settings(self) -> StoreSettings:
        """Where the store and its cache lie."""
        return StoreSettings(store_uri=(self.root / "store").as_uri(), store_cache=self.root / "cache")

    @property
    def store(self) -> Store:
        """The store."""
        return open_store(self.settings)

    @property
    def dim(self) -> int:
        """Numbers per vector."""
        return self.architecture["embed_dim"]

    def model(self, name: str, seed: int) -> ArtifactRef:
        """A model of random weights."""
        with tempfile.TemporaryDirectory() as scratch:
            torch.manual_seed(seed)
            size = self.architecture["vision_cfg"]["image_size"]
            config = {"model_cfg": copy.deepcopy(self.architecture), "preprocess_cfg": {"size": size}}
            save_model(open_clip.CLIP(**self.architecture), config, Path(scratch))
            summary = {"name": f"random {name}"}
            return commit(self.store, "model", name, Path(scratch), recipe=1, summary=summary).ref

    def classifier(self, name: str) -> ArtifactRef:
        """A category head of random weights."""
        weights = np.random.default_rng(0).normal(size=(3, self.dim)).astype(np.float32)
        tensors = {"weight": weights, "bias": np.zeros(3, np.float32)}
        head = Head("linear", ("mug", "chair", "lamp"), tensors, 1.0, 1.0, {}, {})
        with tempfile.TemporaryDirectory() as scratch:
            head.save(Path(scratch))
            return commit(self.store, "classifier", name, Path(scratch), recipe=1).ref

    def index(self, name: str, seed: int) -> ArtifactRef:
        """An exact index over made-up vectors; row i of it is row i of its items."""
        vectors = np.random.default_rng(seed).normal(size=(self.items, self.dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return self.index_of(name, vectors, vectors[:32], IndexConfig(kind="flat"))

    def index_of(self, name: str, vectors: np.ndarray, queries: np.ndarray, config: IndexConfig) -> ArtifactRef:
        """An index over these vectors, one for each of its items, tuned on ``queries``."""
        built = build_index(vectors, queries, config)
        with tempfile.TemporaryDirectory() as scratch:
            save_index(built, Path(scratch) / "index.faiss")
            pq.write_table(self._products(name), Path(scratch) / "items.parquet")
            summary = {"search_params": built.search_params, "items": self.items}
            return commit(self.store, "index", name, Path(scratch), recipe=1, summary=summary).ref

    def words(self, name: str) -> ArtifactRef:
        """The word index of the same items."""
        with tempfile.TemporaryDirectory() as scratch:
            save_words(index_words(self._products(name), LexicalConfig()), Path(scratch))
            return commit(self.store, "lexical", name, Path(scratch), recipe=1).ref

    def release(
        self,
        name: str,
        model: ArtifactRef,
        index: ArtifactRef,
        classifier: ArtifactRef | None = None,
        words: ArtifactRef | None = None,
    ) -> Release:
        """Store a release of these parts."""
        catalog = ArtifactRef(kind="catalog", id="made-up")
        return write_release(
            self.store,
            Release(
                id=name, created_at=datetime.now(UTC), catalog=catalog, model=model, index=index,
                classifier=classifier, lexical=words, items=self.items, why="benchmark",
            ),
        )  # fmt: skip

    def taken_down(self, release: Release, items: Iterable[str]) -> Release:
        """Store the release of the same parts with these products taken down."""
        rows = [{"item_id": one, "reason": "benchmark", "removed_at": datetime.now(UTC), "run": ""} for one in items]
        removals = store_removals(self.store, pa.Table.from_pylist(rows, schema=REMOVALS))
        return with_removals(self.store, release, removals, parent=release.id, why="benchmark", run=None)

    def publish(self, release: Release) -> LivePointer:
        """Make a stored release live."""
        before = read_live(self.store, CHANNEL)
        return swap_live(self.store, CHANNEL, release.id, reason="benchmark", run=None, expected=before)

    def _products(self, name: str) -> pa.Table:
        texts = {column: "" for column in ITEMS.names if pa.types.is_string(ITEMS.field(column).type)}
        rows = [
            texts
            | {
                "item_id": f"{'all' if row % 2 else name}-{row:06d}",
                "title": f"Product {row} of {name}",
                "product_type": "mug",
                "captions": {"title": f"Product {row}", "type": "mug"},
                "attributes": {},
                "image_sha256": self.images[row % _IMAGES],
                "image_width": 48,
                "image_height": 48,
            }
            for row in range(self.items)
        ]
        return pa.Table.from_pylist(rows, schema=ITEMS)
