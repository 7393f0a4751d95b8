"""Everything one release needs to answer, loaded and tested as one immutable whole."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from app.serving.columns import Columns
from app.serving.items import Items
from app.serving.row_filters import RowFilters
from app.serving.suggestions import Suggestions
from app.settings import AppSettings
from tasks.catalog.images import ImageLimits
from tasks.classifier.head import Head
from tasks.clip.encoder import Encoder
from tasks.lexical.search import LexicalSearcher
from tasks.retrieval.mixing import ScoreNormaliser
from tasks.retrieval.search import Searcher
from tasks.schema.errors import ArtifactCorrupt
from tasks.schema.manifest import ArtifactRef, Manifest
from tasks.schema.release import LivePointer, Release
from tasks.store.artifacts.cache import fetch, local_copy
from tasks.store.artifacts.manifests import find_manifest, load_manifest
from tasks.store.objects.store import Store
from tasks.store.releases.removals import FILE as REMOVALS_FILE

log = logging.getLogger(__name__)

_SAMPLED = 2_000  # vectors from which the spread of scores is estimated
_ONLY = {"index": ("index.faiss", "items.parquet")}  # an index may carry its vectors too; serving needs none


@dataclass(frozen=True)
class ReleaseFiles:
    """Verified local folders of a release, with the manifests that vouch for them, by role: model, index, ...

    Of the catalogue there is the manifest alone, and none where the store lacks it.
    """

    folders: Mapping[str, Path]
    manifests: Mapping[str, Manifest]


@dataclass(frozen=True)
class OpenIndex:
    """The index and its tables, row by row: opened once, shared by every release that names it."""

    searcher: Searcher
    items: Items  # with the products that were taken down
    columns: Columns
    suggestions: Suggestions
    normaliser: ScoreNormaliser


@dataclass(frozen=True)
class Snapshot:
    """One release, ready to answer. Never changes; the next release is another Snapshot."""

    release: Release
    pointer: LivePointer
    files: ReleaseFiles
    items: Items
    encoder: Encoder
    index: OpenIndex
    row_filters: RowFilters
    suggestions: Suggestions
    words: LexicalSearcher | None  # None in a release without a word index
    head: Head | None
    model_name: str
    loaded_at: datetime
    stale: bool = False  # loaded from the cache while the store did not answer

    @property
    def searcher(self) -> Searcher:
        """The index to search."""
        return self.index.searcher

    @property
    def picture_side(self) -> int:
        """Longest side in pixels of its products' images."""
        catalog = self.files.manifests.get("catalog")
        return int((catalog.parameters if catalog else {}).get("picture_side", ImageLimits().side))

    @property
    def label(self) -> str:
        """Its name in logs and pages."""
        return f"{self.release.id} (generation {self.pointer.generation})"

    def has_open(self, folder: Path, role: str) -> bool:
        """Whether this role was loaded from that folder, which is named by its contents; an artifact's id is not."""
        return self.files.folders.get(role) == folder


def refs_of(release: Release) -> dict[str, ArtifactRef]:
    """Role -> artifact of what a process must load to serve ``release``."""
    refs = {"model": release.model, "index": release.index}
    more = {"lexical": release.lexical, "classifier": release.classifier, "removals": release.removals}
    return refs | {role: ref for role, ref in more.items() if ref is not None}


def fetch_files(store: Store, release: Release, loaded: Snapshot | None = None) -> ReleaseFiles:
    """Fetch a release's files to this machine and verify every byte of them, except those that ``loaded`` has open.

    A local copy that was damaged since it was fetched is fetched again.
    """
    manifests = {role: load_manifest(store, ref) for role, ref in refs_of(release).items()}
    folders = {}
    for role, manifest in manifests.items():
        opened = loaded is not None and loaded.has_open(local_copy(store, manifest), role)
        folders[role] = fetch(store, manifest.ref, only=_ONLY.get(role), thorough=not opened)
    return ReleaseFiles(folders, manifests | _catalog_manifest(store, release))


def _catalog_manifest(store: Store, release: Release) -> dict[str, Manifest]:
    """It says how images were read. A release serves without it too."""
    try:
        manifest = find_manifest(store, release.catalog)
    except ArtifactCorrupt as error:
        log.warning("Release %s: how its images were read is unknown: %s", release.id, error)
        return {}
    return {"catalog": manifest} if manifest else {}


def load_snapshot(
    release: Release,
    pointer: LivePointer,
    files: ReleaseFiles,
    settings: AppSettings,
    loaded: Snapshot | None = None,
    stale: bool = False,
) -> Snapshot:
    """Load and self-test a release.

    What ``loaded`` has open of the same files is shared, so that taking a product down costs neither time nor memory.
    Raises ArtifactCorrupt where the artifacts do not fit together, and whatever loading a damaged one raises.
    """
    shared = {role: loaded is not None and loaded.has_open(folder, role) for role, folder in files.folders.items()}
    encoder = loaded.encoder if loaded and shared["model"] else Encoder.load(files.folders["model"], settings.device)
    index = loaded.index if loaded and shared["index"] else _open_index(files)
    items = index.items.without(_read_removals(files))
    snapshot = Snapshot(
        release=release,
        pointer=pointer,
        files=files,
        items=items,
        encoder=encoder,
        index=index,
        row_filters=RowFilters(index.columns, items.allowed()),
        suggestions=index.suggestions.shown(items, index.columns),
        words=loaded.words if loaded and shared.get("lexical") else _open_words(files),
        head=loaded.head if loaded and shared.get("classifier") else _load_head(files),
        model_name=_model_name(files.manifests["model"], encoder),
        loaded_at=datetime.now(UTC),
        stale=stale,
    )
    self_test(snapshot)
    return snapshot


def _open_index(files: ReleaseFiles) -> OpenIndex:
    folder, search_params = files.folders["index"], files.manifests["index"].summary.get("search_params", {})
    table, searcher = folder / "items.parquet", Searcher.open(folder / "index.faiss", search_params)
    columns = Columns.open(table)
    return OpenIndex(
        searcher=searcher,
        items=Items.open(table),
        columns=columns,
        suggestions=Suggestions.open(table, columns),
        normaliser=ScoreNormaliser(searcher.sample(_SAMPLED, seed=0)),
    )


def _read_removals(files: ReleaseFiles) -> dict[str, datetime]:
    if "removals" not in files.folders:
        return {}
    table = pq.read_table(files.folders["removals"] / REMOVALS_FILE)
    return dict(zip(table["item_id"].to_pylist(), table["removed_at"].to_pylist(), strict=True))


def _open_words(files: ReleaseFiles) -> LexicalSearcher | None:
    return LexicalSearcher.open(files.folders["lexical"]) if "lexical" in files.folders else None


def _load_head(files: ReleaseFiles) -> Head | None:
    return Head.load(files.folders["classifier"]) if "classifier" in files.folders else None


def _model_name(manifest: Manifest, encoder: Encoder) -> str:
    for source in (manifest.summary, manifest.parameters):
        for key in ("name", "pretrained"):
            if isinstance(name := source.get(key), str):
                return name
    return getattr(encoder, "name", manifest.id)


def self_test(snapshot: Snapshot) -> None:
    """Ask it what a visitor would, before any visitor can: words, an image, a category. Also a warm-up.

    Raises ArtifactCorrupt naming what does not fit.
    """
    release, rows, searchable = snapshot.release.id, snapshot.items.rows, len(snapshot.items)
    if snapshot.searcher.ntotal != rows:
        raise ArtifactCorrupt(
            f"Release {release}: the index holds {snapshot.searcher.ntotal} vectors and items.parquet {rows} products; "
            f"they must be equal. Build the index again with refresh."
        )
    if snapshot.words is not None and snapshot.words.rows != rows:
        raise ArtifactCorrupt(
            f"Release {release}: the word index holds {snapshot.words.rows} products and items.parquet {rows}; they "
            f"must be the same. Start the pipeline again, which builds it from the catalogue of the index."
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
        vectors, top_k=min(5, max(searchable, 1)), allowed=snapshot.row_filters.matching(None).packed
    )
    if searchable and not ((found >= 0) & (found < rows)).any(axis=1).all():
        raise ArtifactCorrupt(f"Release {release}: a test query found no product among {rows}. Build the index again.")
    if snapshot.words is not None:
        snapshot.words.match("a product")
    if snapshot.head is not None and rows:
        snapshot.head.predict(vectors[1:], top_k=1)
