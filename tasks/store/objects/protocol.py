"""What a place for objects can do, whether a folder or a bucket; and which paths are proper."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from tasks.schema.errors import ConfigError

#: A path segment that starts so is the store's own and never listed.
INTERNAL = (".tmp-", ".lock-", ".probe-")
_SCRATCH = (".tmp-", ".probe-")  # a lock may be held at any age


@dataclass(frozen=True)
class ObjectInfo:
    """One stored object: path relative to the root, size in bytes, time of the last write (aware, UTC)."""

    path: str
    size: int
    modified: datetime


class ConditionFailed(Exception):
    """Raised when a conditional write was refused: somebody else wrote first."""


class ConditionsUnsupported(Exception):
    """Raised when a server answers that it does not do conditional writes."""


class Objects(Protocol):
    """Objects below one root. Paths are relative, "/"-separated and already checked.

    Every method raises ArtifactMissing, StoreUnavailable (after its own tries) or TerminalError.
    """

    root: str

    def read(self, path: str) -> bytes: ...
    def write(self, path: str, data: bytes, durable: bool) -> None: ...
    def stat(self, path: str) -> ObjectInfo | None: ...
    def list(self, folder: str) -> list[ObjectInfo]: ...
    def delete(self, path: str) -> None: ...
    def upload(self, path: str, file: Path) -> tuple[int, str]: ...
    def download(self, path: str, file: Path) -> tuple[int, str]: ...
    def read_columns(self, path: str, columns: Sequence[str] | None) -> pa.Table: ...
    def url(self, path: str) -> str: ...

    def drop_scratch(self, before: datetime) -> int:
        """Remove what writers that died before ``before`` left half-written; returns how many."""
        ...

    def read_tagged(self, path: str) -> tuple[bytes, str]:
        """Bytes and etag of an object."""
        ...

    def read_if_changed(self, path: str, etag: str | None) -> tuple[bytes, str] | None:
        """Bytes and etag of an object, None where it still has ``etag``."""
        ...

    def create(self, path: str, data: bytes) -> str:
        """Write where nothing is; one attempt. Returns the etag. Raises ConditionFailed."""
        ...

    def replace(self, path: str, data: bytes, etag: str) -> str:
        """Overwrite the object that has ``etag``; one attempt. Returns the new etag. Raises ConditionFailed."""
        ...


def checked(path: str) -> str:
    """``path`` if it stays below a root. Raises ConfigError: a path comes from code, so a bad one is a fault."""
    parts = path.split("/")
    if not path or "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(f"{path!r} is no path in the store; expected names with single '/' between, without '..'")
    return path


def is_internal(path: str) -> bool:
    """Tell whether ``path`` is the store's own scratch."""
    return any(part.startswith(INTERNAL) for part in path.split("/"))


def is_scratch(path: str) -> bool:
    """Tell whether ``path`` is of a write or a probe, which lasts minutes at most."""
    return path.rsplit("/", 1)[-1].startswith(_SCRATCH)
