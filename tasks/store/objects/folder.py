"""Objects in a folder of a file system: temp file and rename, hard link to create, lock and compare to replace."""

import errno
import hashlib
import os
import stat
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from filelock import FileLock
from filelock import Timeout as LockTimeout

from tasks.schema.errors import ArtifactMissing, ProductSearchError, StoreUnavailable, TerminalError
from tasks.store.objects.interface import ConditionFailed, ObjectInfo, is_internal, is_scratch
from tasks.store.objects.parquet import read_parquet

_CHUNK = 1 << 20
_PERMANENT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST}


class FolderObjects:
    """Objects below one folder. A reader sees the old bytes or the new ones, never a part."""

    def __init__(self, root: Path) -> None:
        self.folder = root.absolute()
        self.root = self.folder.as_uri()

    def __repr__(self) -> str:
        return f"FolderObjects({str(self.folder)!r})"

    def url(self, path: str) -> str:
        """A file URI that a browser opens."""
        return (self.folder / path).as_uri()

    def read(self, path: str) -> bytes:
        with self._translating(path):
            return (self.folder / path).read_bytes()

    def stat(self, path: str) -> ObjectInfo | None:
        return _info(str(self.folder / path), path)

    def list(self, folder: str) -> list[ObjectInfo]:
        return sorted((info for info in self._walk(folder) if not is_internal(info.path)), key=lambda info: info.path)

    def _walk(self, folder: str) -> Iterator[ObjectInfo]:
        top = self.folder / folder if folder else self.folder
        with self._translating(folder or "/"):
            for parent, _, names in os.walk(top, onerror=_raise_unless_gone):
                inside = Path(parent).relative_to(self.folder).as_posix()
                for name in names:
                    info = _info(f"{parent}/{name}", name if inside == "." else f"{inside}/{name}")
                    if info is not None:  # a file may be removed while we list
                        yield info

    def drop_scratch(self, before: datetime) -> int:
        found = [info for info in self._walk("") if is_scratch(info.path) and info.modified < before]
        for info in found:
            self.delete(info.path)
        return len(found)

    def delete(self, path: str) -> None:
        with self._translating(path):
            (self.folder / path).unlink(missing_ok=True)
            self._drop_empty_parents(path)

    def _drop_empty_parents(self, path: str) -> None:
        for parent in list(Path(path).parents)[:-1]:
            try:
                (self.folder / parent).rmdir()
            except OSError:  # not empty: done
                return

    def write(self, path: str, data: bytes, durable: bool) -> None:
        with self._translating(path), self._temporary(path, durable) as (temporary, file):
            file.write(data)
            _finish(file, durable)
            os.replace(temporary, self.folder / path)

    def upload(self, path: str, file: Path) -> tuple[int, str]:
        with self._translating(path), self._temporary(path, durable=True) as (temporary, target):
            with file.open("rb") as source:
                size, digest = _copy(source, target)
            _finish(target, durable=True)
            os.replace(temporary, self.folder / path)
        return size, digest

    def download(self, path: str, file: Path) -> tuple[int, str]:
        with self._translating(path), (self.folder / path).open("rb") as source, file.open("wb") as target:
            return _copy(source, target)

    def read_columns(self, path: str, columns: Sequence[str] | None) -> pa.Table:
        with self._translating(path), (self.folder / path).open("rb") as source:
            return read_parquet(source, columns, self.url(path))

    def read_tagged(self, path: str) -> tuple[bytes, str]:
        data = self.read(path)
        return data, _etag(data)

    def read_if_changed(self, path: str, etag: str | None) -> tuple[bytes, str] | None:
        data, found = self.read_tagged(path)  # a hash of the bytes: a time stamp would miss a quick second write
        return None if found == etag else (data, found)

    def create(self, path: str, data: bytes) -> str:
        with self._translating(path), self._temporary(path, durable=True) as (temporary, file):
            file.write(data)
            _finish(file, durable=True)
            try:
                os.link(temporary, self.folder / path)  # fails where the name exists: the only atomic "create only"
            except FileExistsError:
                raise ConditionFailed(path) from None
        return _etag(data)

    def replace(self, path: str, data: bytes, etag: str) -> str:
        with self.lock(path):
            try:
                found = _etag(self.read(path))
            except ArtifactMissing:
                found = None
            if found != etag:
                raise ConditionFailed(path)
            self.write(path, data, durable=True)
        return _etag(data)

    @contextmanager
    def lock(self, path: str, seconds: float = 20.0) -> Iterator[None]:
        """Hold the lock of ``path`` against every other process of this file system; wait ``seconds`` at most."""
        # All in one folder, or the empty folder of an artifact could never be removed.
        name = self.folder / ".lock-files" / path.replace("/", "--")
        with self._translating(path):
            name.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(name, timeout=seconds)
            try:
                lock.acquire()
            except LockTimeout:
                raise StoreUnavailable(
                    f"{name} was held by another process for {seconds:.0f} s; try again when it is done"
                ) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _temporary(self, path: str, durable: bool) -> Iterator[tuple[Path, BinaryIO]]:
        # Beside the target: a rename is atomic only within one file system.
        folder = (self.folder / path).parent
        temporary = folder / f".tmp-{os.getpid()}-{uuid.uuid4().hex}"
        file = self._open_new(temporary)
        try:
            with file:
                yield temporary, file
        finally:
            temporary.unlink(missing_ok=True)
        if durable:
            _sync_folder(folder)

    def _open_new(self, temporary: Path) -> BinaryIO:
        for _ in range(3):  # a delete may drop the empty folder between mkdir and open
            try:
                return temporary.open("xb")
            except FileNotFoundError:
                temporary.parent.mkdir(parents=True, exist_ok=True)
        return temporary.open("xb")

    @contextmanager
    def _translating(self, path: str) -> Iterator[None]:
        try:
            yield
        except ProductSearchError:
            raise
        except FileNotFoundError as error:
            raise ArtifactMissing(f"nothing is stored at {self.folder / path}") from error
        except IsADirectoryError as error:
            raise ArtifactMissing(f"{self.folder / path} is a folder, expected an object") from error
        except OSError as error:
            raise _translated(error, self.folder / path) from error


def _translated(error: OSError, path: Path) -> ProductSearchError:
    said = error.strerror or str(error)
    if error.errno in _PERMANENT:
        return TerminalError(f"{path}: {said}; check free space and who may write below STORE_URI")
    return StoreUnavailable(f"{path}: {said}; the file system may recover, try again")


def _info(file: str, path: str) -> ObjectInfo | None:
    try:
        found = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return ObjectInfo(path, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _copy(source: BinaryIO, target: BinaryIO) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def _finish(file: BinaryIO, durable: bool) -> None:
    file.flush()
    if durable:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Without this a power cut may undo the rename although the file's bytes are on the disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
