"""Verified local copies of artifacts: fetched once a machine, checked against the manifest, never changed in place."""

import errno
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError, TerminalError
from tasks.schema.manifest import FOLDERS, ArtifactRef, FileEntry, Manifest
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.store import Store

_STAMP = ".verified"
_DOWNLOADS = 4
_log = logging.getLogger(__name__)

#: What a stamp records of a verified file: [size, mtime in ns, inode, sha256].
Stamp = dict[str, list[int | str]]


def fetch(store: Store, ref: ArtifactRef, only: Sequence[str] | None = None, thorough: bool = False) -> Path:
    """Local folder with the artifact's files (or ``only`` these), each equal in size and sha256 to the manifest.

    The folder is named by its contents, so a copy in use is never changed: an artifact that is made again gets another
    folder. ``thorough`` reads every byte of a copy again, which is otherwise trusted while its size, time and inode are
    those of the file that was checked. One process at a time fetches an artifact; others wait and reuse. A file that
    does not match is fetched once more (with the manifest, which may be newer by then). Raises ArtifactMissing,
    ArtifactCorrupt, StoreUnavailable, TerminalError where the disk is full.
    """
    for attempt in (1, 2):
        manifest = load_manifest(store, ref)
        try:
            return _fetch(store, manifest, _wanted(manifest, only), thorough)
        except (ArtifactCorrupt, ArtifactMissing) as error:
            if attempt == 2:
                raise
            _log.warning("fetching %s once more: %s", ref, error)
    raise AssertionError("unreachable")


def local_copy(store: Store, manifest: Manifest) -> Path:
    """Folder where `fetch` puts an artifact of this manifest, whether or not it is there yet."""
    return store.settings.store_cache.absolute() / manifest.ref.folder / _contents(manifest)


def prune_cache(store: Store, keep: Collection[ArtifactRef], unused_for: float = 3600.0) -> int:
    """Delete local copies of artifacts not in ``keep`` and not fetched for ``unused_for`` seconds; returns how many.

    The store itself is not touched. Files that a process has mapped stay readable for it.
    """
    kept = {ref.folder for ref in keep}
    dropped = 0
    for kind in FOLDERS.values():
        for folder in (store.settings.store_cache / kind).glob("*/*/"):
            stamp = folder / _STAMP
            used = stamp.stat().st_mtime if stamp.exists() else folder.stat().st_mtime
            if f"{kind}/{folder.parent.name}" not in kept and time.time() - used > unused_for:
                shutil.rmtree(folder, ignore_errors=True)
                dropped += 1
    return dropped


def _wanted(manifest: Manifest, only: Sequence[str] | None) -> list[FileEntry]:
    if only is None:
        return list(manifest.files)
    try:
        return [manifest.file(path) for path in only]
    except KeyError as error:
        raise ConfigError(str(error.args[0])) from None


def _fetch(store: Store, manifest: Manifest, wanted: list[FileEntry], thorough: bool) -> Path:
    ref = manifest.ref
    folder = local_copy(store, manifest)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".lock-{folder.name}"):
            folder.mkdir(exist_ok=True)
            stamp = {} if thorough else _read_stamp(folder)
            stale = [entry for entry in wanted if not _is_verified(folder, entry, stamp)]
            try:
                for entry in map_ordered(lambda entry: _fetch_file(store, ref, folder, entry), stale, _DOWNLOADS):
                    stamp[entry.path] = _stamp_of(folder / entry.path, entry)
            finally:
                _write_stamp(folder, stamp)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            need = sum(entry.size for entry in wanted)
            raise TerminalError(
                f"{folder}: {error.strerror}; {ref} needs {need} bytes there: free space or move STORE_CACHE"
            ) from error
        raise
    return folder


def _fetch_file(store: Store, ref: ArtifactRef, folder: Path, entry: FileEntry) -> FileEntry:
    target = folder / entry.path
    if entry.matches(target):
        return entry  # intact, only the stamp was lost
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".tmp-{os.getpid()}-{uuid.uuid4().hex}"
    try:
        size, sha256 = store.download(f"{ref.folder}/{entry.path}", temporary)
        if (size, sha256) != (entry.size, entry.sha256):
            raise ArtifactCorrupt(
                f"{store.url(f'{ref.folder}/{entry.path}')} has {size} bytes, sha256 {sha256[:12]}; its manifest says "
                f"{entry.size} bytes, {entry.sha256[:12]}. Make {ref} again with refresh, or restore the file"
            )
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return entry


def _contents(manifest: Manifest) -> str:
    digest = hashlib.sha256()
    for entry in sorted(manifest.files, key=lambda entry: entry.path):
        digest.update(f"{entry.path}\0{entry.sha256}\n".encode())
    return digest.hexdigest()[:16]


def _read_stamp(folder: Path) -> Stamp:
    try:
        return dict(json.loads((folder / _STAMP).read_text()))
    except (OSError, ValueError):
        return {}


def _write_stamp(folder: Path, stamp: Stamp) -> None:
    temporary = folder / f".tmp-{os.getpid()}-stamp"
    temporary.write_text(json.dumps(stamp))
    os.replace(temporary, folder / _STAMP)  # its time also shows prune_cache when the copy was last used


def _stamp_of(file: Path, entry: FileEntry) -> list[int | str]:
    found = file.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino, entry.sha256]


def _is_verified(folder: Path, entry: FileEntry, stamp: Stamp) -> bool:
    try:
        return stamp.get(entry.path) == _stamp_of(folder / entry.path, entry)
    except OSError:
        return False


def fetch_table(store: Store, ref: ArtifactRef, path: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A parquet table of an artifact (or only some columns), read from the verified local copy. Raises as `fetch`."""
    return pq.read_table(fetch(store, ref, only=[path]) / path, columns=None if columns is None else list(columns))
