"""The store: bytes, JSON and tables below one root, in a folder or in a bucket."""

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from tasks.schema.errors import ArtifactCorrupt, ConfigError
from tasks.store.objects.folder import FolderObjects
from tasks.store.objects.interface import ObjectInfo, Objects
from tasks.store.objects.parquet import table_bytes
from tasks.store.objects.settings import StoreSettings

_opened: dict[tuple[Any, ...], "Store"] = {}
_opening = threading.Lock()


class Store:
    """Everything stored, by path relative to the root. Every write is atomic; safe to share between threads.

    Every method raises StoreUnavailable where the storage did not answer after a few tries.
    """

    def __init__(self, objects: Objects, settings: StoreSettings) -> None:
        self.objects, self.settings = objects, settings

    def __repr__(self) -> str:
        return f"Store({self.root!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return open_store, (self.settings,)  # a worker process opens its own connections

    @property
    def root(self) -> str:
        """URI of the root, without a slash at the end."""
        return self.objects.root

    def url(self, path: str) -> str:
        """URI that a person or a tool can open: file:///... or s3://..."""
        return self.objects.url(check_path(path))

    def exists(self, path: str) -> bool:
        """Whether an object is at ``path``."""
        return self.stat(path) is not None

    def stat(self, path: str) -> ObjectInfo | None:
        """Size and time of the object at ``path``, None where there is none."""
        return self.objects.stat(check_path(path))

    def list(self, prefix: str = "") -> list[ObjectInfo]:
        """Every object below the folder ``prefix`` and its subfolders, sorted by path. Empty where there is none."""
        prefix = prefix.strip("/")
        return self.objects.list(check_path(prefix) if prefix else "")

    def delete(self, path: str) -> None:
        """Remove the object at ``path``; absent is fine."""
        self.objects.delete(check_path(path))

    def read_bytes(self, path: str) -> bytes:
        """Bytes of an object. Raises ArtifactMissing."""
        return self.objects.read(check_path(path))

    def write_bytes(self, path: str, data: bytes, *, durable: bool = True) -> None:
        """Write an object, over an older one. ``durable=False`` skips the fsync of a file system."""
        self.objects.write(check_path(path), data, durable)

    def upload(self, path: str, file: Path) -> tuple[int, str]:
        """Store a local file; returns its size and sha256."""
        return self.objects.upload(check_path(path), file)

    def download(self, path: str, file: Path) -> tuple[int, str]:
        """Copy an object into a local file; returns size and sha256 of what arrived. Raises ArtifactMissing."""
        return self.objects.download(check_path(path), file)

    def read_json(self, path: str) -> Any:
        """The JSON value of an object. Raises ArtifactMissing, ArtifactCorrupt."""
        return parse_json(self.read_bytes(path), self.url(path))

    def write_json(self, path: str, value: Any) -> None:
        """Write ``value`` as JSON a person can read (sorted keys, two spaces)."""
        self.write_bytes(path, dump_json(value))

    def read_table(self, path: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A parquet table, or only some of its columns. Page checksums are verified.

        Raises ArtifactMissing, ArtifactCorrupt.
        """
        return self.objects.read_columns(check_path(path), columns)

    def write_table(self, path: str, table: pa.Table) -> None:
        """Write a parquet table (zstd, with a checksum in every page, so that a flipped byte is found on reading)."""
        self.write_bytes(path, table_bytes(table))


def check_path(path: str) -> str:
    """``path`` if it stays below a root. Raises ConfigError: paths come from code, so a bad one is a bug."""
    parts = path.split("/")
    if not path or "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(f"{path!r} is not a path in the store; expected names with single '/' between, without '..'")
    return path


def open_store(settings: StoreSettings | None = None) -> Store:
    """The store that the settings (default: the environment) name. Cheap; one per process and set of settings."""
    settings = StoreSettings() if settings is None else settings
    key = (os.getpid(), settings.model_dump_json(), settings.aws_access_key_id, settings.aws_secret_access_key)
    with _opening:
        if key not in _opened:
            _opened[key] = Store(_open_objects(settings), settings)
        return _opened[key]


def _open_objects(settings: StoreSettings) -> Objects:
    uri = settings.store_uri
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        from tasks.store.objects.bucket import BucketObjects  # boto3 and s3fs cost a second that a folder need not pay

        if not parts.netloc:
            raise ConfigError(f"STORE_URI is {uri!r}; expected s3://bucket or s3://bucket/prefix")
        prefix = parts.path.strip("/")
        return BucketObjects(parts.netloc, check_path(prefix) if prefix else "", settings)
    return FolderObjects(local_path(uri, "STORE_URI"))


def local_path(uri: str, name: str) -> Path:
    """Folder that a plain path or a file:// URI names. Raises ConfigError for any other scheme."""
    parts = urlsplit(uri)
    if "://" not in uri and parts.scheme != "file":
        return Path(uri).expanduser()
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise ConfigError(f"{name} is {uri!r}; expected a folder, file:///folder or s3://bucket/prefix")
    return Path(unquote(parts.path))


def dump_json(value: Any) -> bytes:
    """Readable JSON bytes, the same for equal values. Raises ValueError on NaN, which JSON does not have."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parse_json(data: bytes, url: str) -> Any:
    """Value of JSON bytes. Raises ArtifactCorrupt naming ``url``."""
    try:
        return json.loads(data)
    except ValueError as error:
        raise ArtifactCorrupt(f"{url} is not JSON ({error}); it was cut short or overwritten, make it again") from error
