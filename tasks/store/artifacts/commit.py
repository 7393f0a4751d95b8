"""Storing an artifact: its files first, then the manifest that makes the folder an artifact; and deleting one."""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.schema.errors import ConfigError
from tasks.schema.manifest import ArtifactRef, FileEntry, Kind, Manifest
from tasks.store.artifacts.claims import claim, deletion_path
from tasks.store.artifacts.manifests import MANIFEST
from tasks.store.artifacts.provenance import code_version, library_versions
from tasks.store.objects.checksum import add_checksum
from tasks.store.objects.folder import FolderObjects
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.store import Store

_log = logging.getLogger(__name__)


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

    An artifact of the same id is replaced: its manifest goes first, so that no reader sees a mix of both. ``rows`` is
    the number of rows of each file that is a table. Raises ConfigError where the folder is empty or holds a link,
    BeingCollected where an older one of this id is being deleted.
    """
    ref = ArtifactRef(kind=kind, id=id)
    files = _files_of(folder)
    unknown = set(rows or {}) - set(files)
    if unknown:
        raise ConfigError(f"rows name {sorted(unknown)}, which {folder} does not hold; it holds {sorted(files)}")
    if store.list(ref.folder) or store.exists(deletion_path(ref.folder)):
        claim(store, [ref.folder])
    with _exclusive(store, ref):
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
            libraries=library_versions(),
            created_at=datetime.now(UTC),
            files=tuple(entries),
        )
        store.write_bytes(f"{ref.folder}/{MANIFEST}", add_checksum(manifest.model_dump(mode="json")))
    _log.info("stored %s: %d files, %d bytes", ref, len(entries), sum(entry.size for entry in entries))
    return manifest


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

    return list(map_ordered(one, files))


def _drop_leftovers(store: Store, ref: ArtifactRef, files: set[str]) -> None:
    for info in store.list(ref.folder):
        if info.path.removeprefix(f"{ref.folder}/") not in files:
            store.delete(info.path)


def _exclusive(store: Store, ref: ArtifactRef) -> AbstractContextManager[None]:
    # Two workers that make the same artifact would mix their files. A bucket has no lock: there fetch() detects it.
    objects = store.objects
    return objects.lock(f"{ref.folder}/{MANIFEST}", 900.0) if isinstance(objects, FolderObjects) else nullcontext()
