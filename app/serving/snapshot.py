"""Everything one release needs to answer, loaded and tested as one immutable whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from app.serving.choices import Choices
from app.serving.columns import Columns
from app.serving.items import Items
from app.settings import AppSettings
from tasks.classifier.head import Head
from tasks.clip.encoder import Encoder
from tasks.retrieval.mixing import ScoreNormaliser
from tasks.retrieval.search import Searcher
from tasks.schema.errors import ArtifactCorrupt
from tasks.schema.manifest import ArtifactRef, Manifest
from tasks.schema.release import LivePointer, Release
from tasks.store.artifacts.cache import fetch, local_copy
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.store import Store
from tasks.store.releases.removals import FILE as REMOVALS_FILE

_SAMPLED = 2_000  # vectors that tell how far scores spread
_ONLY = {"index": ("index.faiss", "items.parquet")}  # an index may carry its vectors too; serving needs none


@dataclass(frozen=True)
class Parts:
    """Verified local folders of a release, with the manifests that vouch for them, by role: model, index, ..."""

    folders: Mapping[str, Path]
    manifests: Mapping[str, Manifest]


@dataclass(frozen=True)
class OpenIndex:
    """The index and what lies row by row beside it: opened once, shared by every release that names it."""

    searcher: Searcher
    items: Items  # with the products that were taken down
    columns: Columns
    normaliser: ScoreNormaliser


@dataclass(frozen=True)
class Snapshot:
    """One release, ready to answer. Never changes; the next release is another Snapshot."""

    release: Release
    pointer: LivePointer
    parts: Parts
    items: Items
    encoder: Encoder
    index: OpenIndex
    choices: Choices
    head: Head | None
    model_name: str
    loaded_at: datetime
    stale: bool = False  # loaded from the cache while the store did not answer

    @property
    def searcher(self) -> Searcher:
        """The index to search."""
        return self.index.searcher

    @property
    def label(self) -> str:
        """How logs and pages name it."""
        return f"{self.release.id} (generation {self.pointer.generation})"

    def has_open(self, folder: Path, role: str) -> bool:
        """Whether it holds the part in that very folder. A folder is named by its contents, an artifact's id is not."""
        return self.parts.folders.get(role) == folder


def refs_of(release: Release) -> dict[str, ArtifactRef]:
    """Role -> artifact of what a process must load to serve ``release``."""
    refs = {"model": release.model, "index": release.index}
    more = {"classifier": release.classifier, "removals": release.removals}
    return refs | {role: ref for role, ref in more.items() if ref is not None}


def fetch_parts(store: Store, release: Release, beside: Snapshot | None = None) -> Parts:
    """Bring a release's files to this machine and read every byte of them once, but for those ``beside`` has open.

    A copy that was checked when it came may have been damaged since: it is fetched again.
    """
    manifests = {role: load_manifest(store, ref) for role, ref in refs_of(release).items()}
    folders = {}
    for role, manifest in manifests.items():
        opened = beside is not None and beside.has_open(local_copy(store, manifest), role)
        folders[role] = fetch(store, manifest.ref, only=_ONLY.get(role), thorough=not opened)
    return Parts(folders, manifests)


def load_snapshot(
    release: Release,
    pointer: LivePointer,
    parts: Parts,
    settings: AppSettings,
    beside: Snapshot | None = None,
    stale: bool = False,
) -> Snapshot:
    """Load and self-test a release.

    What ``beside`` has open of the same files is shared, so that taking a product down costs neither time nor memory.
    Raises ArtifactCorrupt where the parts do not fit together, and whatever loading a damaged part raises.
    """
    same = {role: beside is not None and beside.has_open(folder, role) for role, folder in parts.folders.items()}
    encoder = beside.encoder if beside and same["model"] else Encoder.load(parts.folders["model"], settings.device)
    index = beside.index if beside and same["index"] else _open_index(parts)
    items = index.items.without(_read_removals(parts))
    snapshot = Snapshot(
        release=release,
        pointer=pointer,
        parts=parts,
        items=items,
        encoder=encoder,
        index=index,
        choices=Choices(index.columns, items.allowed()),
        head=beside.head if beside and same.get("classifier") else _load_head(parts),
        model_name=_model_name(parts.manifests["model"], encoder),
        loaded_at=datetime.now(UTC),
        stale=stale,
    )
    self_test(snapshot)
    return snapshot


def _open_index(parts: Parts) -> OpenIndex:
    folder, search_params = parts.folders["index"], parts.manifests["index"].summary.get("search_params", {})
    table, searcher = folder / "items.parquet", Searcher.open(folder / "index.faiss", search_params)
    return OpenIndex(
        searcher, Items.open(table), Columns.open(table), ScoreNormaliser(searcher.sample(_SAMPLED, seed=0))
    )


def _read_removals(parts: Parts) -> dict[str, datetime]:
    if "removals" not in parts.folders:
        return {}
    table = pq.read_table(parts.folders["removals"] / REMOVALS_FILE)
    return dict(zip(table["item_id"].to_pylist(), table["removed_at"].to_pylist(), strict=True))


def _load_head(parts: Parts) -> Head | None:
    return Head.load(parts.folders["classifier"]) if "classifier" in parts.folders else None


def _model_name(manifest: Manifest, encoder: Encoder) -> str:
    for source in (manifest.summary, manifest.parameters):
        for key in ("name", "pretrained"):
            if isinstance(source.get(key), str):
                return source[key]
    return getattr(encoder, "name", manifest.id)


def self_test(snapshot: Snapshot) -> None:
    """Ask it what a visitor would, before any visitor can: words, an image, a category. Also warms it up.

    Raises ArtifactCorrupt naming what does not fit.
    """
    release, rows, searchable = snapshot.release.id, snapshot.items.rows, len(snapshot.items)
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
    _, found = snapshot.searcher.search(
        vectors, top_k=min(5, max(searchable, 1)), allowed=snapshot.choices.of(None).packed
    )
    if searchable and not ((found >= 0) & (found < rows)).any(axis=1).all():
        raise ArtifactCorrupt(f"Release {release}: a test query found no product among {rows}. Build the index again.")
    if snapshot.head is not None and rows:
        snapshot.head.predict(vectors[1:], top_k=1)
