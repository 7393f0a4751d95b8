"""Everything one release needs to answer, loaded and tested as one immutable whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from app.items import Items
from app.settings import AppSettings
from tasks.classifier.head import Head
from tasks.clip.encoder import Encoder
from tasks.retrieval.search import Searcher
from tasks.schema.errors import ArtifactCorrupt
from tasks.schema.manifest import ArtifactRef, Manifest
from tasks.schema.release import LivePointer, Release
from tasks.store.artifacts import fetch, load_manifest
from tasks.store.store import Store

_INDEX_FILES = ("index.faiss", "items.parquet")


@dataclass(frozen=True)
class Parts:
    """Verified local folders of a release, with the manifests that vouch for them. Keys: model, index, classifier."""

    folders: Mapping[str, Path]
    manifests: Mapping[str, Manifest]


@dataclass(frozen=True)
class Snapshot:
    """One release, ready to answer. Never changes; the next release is another Snapshot."""

    release: Release
    pointer: LivePointer
    items: Items
    encoder: Encoder
    searcher: Searcher
    head: Head | None
    model_name: str
    loaded_at: datetime
    stale: bool = False  # loaded from the cache while the store did not answer

    @property
    def label(self) -> str:
        """How logs and pages name it."""
        return f"{self.release.id} (generation {self.pointer.generation})"


def refs_of(release: Release) -> dict[str, ArtifactRef]:
    """Role -> artifact of what a process must load to serve ``release``."""
    refs = {"model": release.model, "index": release.index}
    return refs | ({"classifier": release.classifier} if release.classifier else {})


def fetch_parts(store: Store, release: Release) -> Parts:
    """Bring a release's files to this machine, each checked against its manifest."""
    refs = refs_of(release)
    manifests = {role: load_manifest(store, ref) for role, ref in refs.items()}
    only = {"index": _INDEX_FILES}  # an index may carry its vectors too; serving does not need them
    return Parts({role: fetch(store, ref, only=only.get(role)) for role, ref in refs.items()}, manifests)


def load_snapshot(
    release: Release,
    pointer: LivePointer,
    parts: Parts,
    settings: AppSettings,
    beside: Snapshot | None = None,
    stale: bool = False,
) -> Snapshot:
    """Load and self-test a release. The encoder of ``beside`` is shared where the model is the same.

    Raises ArtifactCorrupt where the parts do not fit together, and whatever loading a damaged part raises.
    """
    shared = beside is not None and beside.release.model == release.model
    encoder = beside.encoder if beside and shared else Encoder.load(parts.folders["model"], device=settings.device)
    index = parts.manifests["index"]
    snapshot = Snapshot(
        release=release,
        pointer=pointer,
        items=Items.open(parts.folders["index"] / "items.parquet"),
        encoder=encoder,
        searcher=Searcher.open(parts.folders["index"] / "index.faiss", index.summary.get("search_params", {})),
        head=_load_head(parts),
        model_name=_model_name(parts.manifests["model"], encoder),
        loaded_at=datetime.now(UTC),
        stale=stale,
    )
    self_test(snapshot)
    return snapshot


def _load_head(parts: Parts) -> Head | None:
    return Head.load(parts.folders["classifier"]) if "classifier" in parts.folders else None


def _model_name(manifest: Manifest, encoder: Encoder) -> str:
    for source in (manifest.summary, manifest.parameters):
        for key in ("name", "pretrained"):
            if isinstance(source.get(key), str):
                return source[key]
    return getattr(encoder, "name", manifest.id)


def self_test(snapshot: Snapshot) -> None:
    """Ask it what a visitor would, before any visitor can: words, a picture, a category. Also warms it up.

    Raises ArtifactCorrupt naming what does not fit.
    """
    release, rows = snapshot.release.id, len(snapshot.items)
    if snapshot.searcher.ntotal != rows:
        raise ArtifactCorrupt(
            f"Release {release}: the index holds {snapshot.searcher.ntotal} vectors and items.parquet {rows} products; "
            f"they must be equal. Build the index again with refresh."
        )
    if snapshot.searcher.dim != snapshot.encoder.dim:
        raise ArtifactCorrupt(
            f"Release {release}: the index holds vectors of {snapshot.searcher.dim} numbers, its model makes "
            f"{snapshot.encoder.dim}; the two were never built together. Build the index again with this model."
        )
    vectors = np.concatenate(
        [
            snapshot.encoder.encode_texts(["a product"]),
            snapshot.encoder.encode_images([Image.new("RGB", (64, 64), "gray")]),
        ]
    )
    if not np.isfinite(vectors).all():
        raise ArtifactCorrupt(f"Release {release}: its model gives vectors that are not finite. Publish another model.")
    _, found = snapshot.searcher.search(vectors, top_k=min(5, max(rows, 1)))
    if rows and not ((found >= 0) & (found < rows)).any(axis=1).all():
        raise ArtifactCorrupt(f"Release {release}: a test query found no product among {rows}. Build the index again.")
    if snapshot.head is not None and rows:
        snapshot.head.predict(vectors[1:], top_k=1)
