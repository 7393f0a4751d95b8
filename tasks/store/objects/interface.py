"""The interface of a place that holds objects, whether a folder or a bucket."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa

#: Path segments with these prefixes are internal to the store and never listed.
_INTERNAL = (".tmp-", ".lock-", ".probe-")
_SCRATCH = (".tmp-", ".probe-")  # a lock may be held at any age


@dataclass(frozen=True)
class ObjectInfo:
    """One stored object: path relative to the root, size in bytes, time of the last write (aware, UTC)."""

    path: str
    size: int
    modified: datetime


class ConditionFailed(Exception):
    """Raised when a conditional write was refused: another writer was first."""


class ConditionsUnsupported(Exception):
    """Raised when a server answers that it does not support conditional writes."""


class Objects(Protocol):
    """Objects below one root. Paths are relative, "/"-separated and already checked.

    Every method raises ArtifactMissing, StoreUnavailable (after its own retries) or TerminalError.
    """

    root: str

    def url(self, path: str) -> str:
        """URI of an object."""
        ...

    def read(self, path: str) -> bytes:
        """Bytes of an object."""
        ...

    def write(self, path: str, data: bytes, durable: bool) -> None:
        """Write an object, over an older one. ``durable`` survives a power cut."""
        ...

    def stat(self, path: str) -> ObjectInfo | None:
        """Size and time of an object, None where there is none."""
        ...

    def list(self, folder: str) -> list[ObjectInfo]:
        """Every object below ``folder`` ("" is the root), sorted by path, internal ones left out."""
        ...

    def delete(self, path: str) -> None:
        """Remove an object; absent is fine."""
        ...

    def upload(self, path: str, file: Path) -> tuple[int, str]:
        """Store a local file; returns its size and sha256."""
        ...

    def download(self, path: str, file: Path) -> tuple[int, str]:
        """Copy an object into a local file; returns size and sha256 of what arrived."""
        ...

    def read_columns(self, path: str, columns: Sequence[str] | None) -> pa.Table:
        """A parquet table, or only these columns of it. Raises ArtifactCorrupt."""
        ...

    def drop_scratch(self, before: datetime) -> int:
        """Remove what writers that died before ``before`` left unfinished; returns how many."""
        ...

    def read_tagged(self, path: str) -> tuple[bytes, str]:
        """Bytes and etag of an object."""
        ...

    def read_if_changed(self, path: str, etag: str | None) -> tuple[bytes, str] | None:
        """Bytes and etag of an object, None where it still has ``etag``."""
        ...

    def create(self, path: str, data: bytes) -> str:
        """Write where no object is; one attempt. Returns the etag. Raises ConditionFailed."""
        ...

    def replace(self, path: str, data: bytes, etag: str) -> str:
        """Overwrite the object that has ``etag``; one attempt. Returns the new etag. Raises ConditionFailed."""
        ...


def is_internal(path: str) -> bool:
    """Whether ``path`` is internal to the store: scratch or a lock."""
    return path.startswith(_INTERNAL) or any(f"/{start}" in path for start in _INTERNAL)


def is_scratch(path: str) -> bool:
    """Whether ``path`` belongs to a write or a probe, which last minutes at most."""
    return path.rsplit("/", 1)[-1].startswith(_SCRATCH)
