"""Artifacts: a folder of files that a manifest, written last, makes whole."""

import importlib.metadata
import logging
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks.schema.errors import ArtifactCorrupt, ConfigError
from tasks.schema.manifest import FOLDERS, ArtifactRef, FileEntry, Kind, Manifest
from tasks.store.artifacts.cache import fetch, prune_cache
from tasks.store.artifacts.claims import claim, claim_if_old, deletion_path
from tasks.store.artifacts.manifests import MANIFEST, load_manifest
from tasks.store.artifacts.manifests import find as find_manifest
from tasks.store.objects.checksum import seal
from tasks.store.objects.folder import FolderObjects
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.store import Store

__all__ = ["commit", "delete_artifact", "fetch", "find", "list_artifacts", "load_manifest", "prune_cache"]

_LIBRARIES = (
    "torch",
    "torchvision",
    "open_clip_torch",
    "timm",
    "faiss-cpu",
    "faiss-gpu-cuvs",
    "numpy",
    "pyarrow",
    "pillow",
    "scikit-learn",
    "safetensors",
    "prefect",
)
_UPLOADS = 8
_log = logging.getLogger(__name__)


def find(store: Store, ref: ArtifactRef) -> Manifest | None:
    """The manifest of an artifact to build upon, None where there is none (never made, or not finished).

    An old one is claimed, so that garbage collection leaves it. Raises ArtifactCorrupt, BeingCollected.
    """
    manifest = find_manifest(store, ref)
    if manifest is not None and claim_if_old(store, manifest):
        return find_manifest(store, ref)
    return manifest


def commit(
    store: Store,
    kind: Kind,
    id: str,
    folder: Path,
    *,
    recipe: int,
    parents: Mapping[str, ArtifactRef] | None = None,
    parameters: Mapping[str, Any] | None = None,
    summary: Mapping[str, Any] | None = None,
    rows: Mapping[str, int] | None = None,
) -> Manifest:
    """Store every file below the local ``folder`` as artifact ``kind``/``id``, the manifest last, and return it.

    An artifact of the same id is replaced: its manifest goes first, so that nobody meets a mix. ``rows`` tells the
    number of rows of the files that are tables. Raises ConfigError where the folder is empty or holds a link,
    BeingCollected where an older one of this id is being deleted.
    """
    ref = ArtifactRef(kind=kind, id=id)
    files = _files_of(folder)
    unknown = set(rows or {}) - set(files)
    if unknown:
        raise ConfigError(f"rows name {sorted(unknown)}, which {folder} does not hold; it holds {sorted(files)}")
    if store.list(ref.folder) or store.exists(deletion_path(ref.folder)):
        claim(store, [ref.folder])
    with _alone(store, ref):
        store.delete(f"{ref.folder}/{MANIFEST}")
        entries = _upload(store, ref, folder, files, rows or {})
        _drop_leftovers(store, ref, set(files))
        manifest = Manifest(
            kind=kind,
            id=id,
            recipe=recipe,
            parents=dict(parents or {}),
            parameters=dict(parameters or {}),
            summary=dict(summary or {}),
            code_version=code_version(store),
            libraries=_library_versions(),
            created_at=datetime.now(UTC),
            files=tuple(entries),
        )
        store.write_bytes(f"{ref.folder}/{MANIFEST}", seal(manifest.model_dump(mode="json")))
    _log.info("stored %s: %d files, %d bytes", ref, len(entries), sum(entry.size for entry in entries))
    return manifest


def list_artifacts(store: Store, kind: Kind) -> list[Manifest]:
    """Manifests of every whole artifact of a kind, newest first. A damaged manifest is logged and left out."""
    refs = []
    for info in store.list(FOLDERS[kind]):
        parts = info.path.split("/")
        if len(parts) == 3 and parts[2] == MANIFEST:
            refs.append(ArtifactRef(kind=kind, id=parts[1]))

    def load(ref: ArtifactRef) -> Manifest | None:
        try:
            return find_manifest(store, ref)
        except ArtifactCorrupt as error:
            _log.warning("left out of the list: %s", error)
            return None

    found = [manifest for manifest in map_ordered(load, refs, _UPLOADS) if manifest is not None]
    return sorted(found, key=lambda manifest: (manifest.created_at, manifest.id), reverse=True)


def delete_artifact(store: Store, ref: ArtifactRef) -> int:
    """Remove an artifact, its manifest first, and return how many bytes that freed. Absent is fine."""
    freed = 0
    manifest = f"{ref.folder}/{MANIFEST}"
    found = store.list(ref.folder)
    store.delete(manifest)
    for info in found:
        freed += info.size
        if info.path != manifest:
            store.delete(info.path)
    return freed


def _files_of(folder: Path) -> list[str]:
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise ConfigError(f"{path} is a link; an artifact holds plain files only")
        if path.is_file():
            found.append(path.relative_to(folder).as_posix())
    if MANIFEST in found:
        raise ConfigError(f"{folder} already holds a {MANIFEST}; the store writes it, remove it")
    if not found:
        raise ConfigError(f"{folder} holds no file; an artifact needs at least one")
    return found


def _upload(store: Store, ref: ArtifactRef, folder: Path, files: list[str], rows: Mapping[str, int]) -> list[FileEntry]:
    def one(path: str) -> FileEntry:
        size, sha256 = store.upload(f"{ref.folder}/{path}", folder / path)
        return FileEntry(path=path, size=size, sha256=sha256, rows=rows.get(path))

    return list(map_ordered(one, files, _UPLOADS))


def _drop_leftovers(store: Store, ref: ArtifactRef, files: set[str]) -> None:
    for info in store.list(ref.folder):
        if info.path.removeprefix(f"{ref.folder}/") not in files:
            store.delete(info.path)


def _alone(store: Store, ref: ArtifactRef) -> AbstractContextManager[None]:
    # Two workers that make the same artifact would mix their files. A bucket has no lock: there fetch() finds the mix.
    objects = store.objects
    return objects.lock(f"{ref.folder}/{MANIFEST}", 900.0) if isinstance(objects, FolderObjects) else nullcontext()


@lru_cache(maxsize=1)
def _library_versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def code_version(store: Store) -> str:
    """Version of the code that runs, as manifests name it."""
    return store.settings.code_version or _described()


@lru_cache(maxsize=1)
def _described() -> str:
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / ".git").exists():
        try:
            command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--tags"]
            said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
            if said:
                return said
        except (OSError, subprocess.SubprocessError) as error:
            _log.debug("git describe failed: %s", error)
    try:
        return importlib.metadata.version("product-search")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
