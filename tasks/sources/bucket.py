"""A shop's own files in a bucket."""

import posixpath
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tasks.schema.errors import ArtifactMissing, SourceMissing, SourceUnavailable, StoreUnavailable
from tasks.schema.files import within
from tasks.store.objects.retries import attempts
from tasks.store.objects.s3_clients import open_s3fs
from tasks.store.objects.s3_errors import status_of, translated
from tasks.store.objects.settings import StoreSettings

T = TypeVar("T")
_TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json", ".gz", ".zst", ".txt")


class BucketRoot:
    """Files below ``s3://bucket/prefix``."""

    def __init__(self, uri: str, anonymous: bool, settings: StoreSettings) -> None:
        parts = urlsplit(uri)
        prefix = parts.path.strip("/")
        if prefix.lower().endswith(_TABLES):
            prefix = posixpath.dirname(prefix)
        self._top = f"{parts.netloc}/{prefix}".rstrip("/")
        self.uri = f"s3://{self._top}"
        self._tries = settings.store_tries
        endpoint = settings.source_endpoint_url or (None if anonymous else settings.aws_endpoint_url)
        self._files = open_s3fs(settings, endpoint, anonymous)
        self._versions: dict[str, dict[str, str]] = {}  # of each folder asked about
        self._listing: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def holds(self, uri: str) -> str | None:
        """Path below the prefix of an s3:// URI, None where it is elsewhere."""
        if not uri.lower().startswith("s3://"):
            return None
        path = posixpath.normpath(uri[len("s3://") :])
        return path.removeprefix(f"{self._top}/") if path.startswith(f"{self._top}/") else None

    def read(self, path: str, limit_bytes: int | None) -> bytes:
        full = f"{self._top}/{path}"
        end = None if limit_bytes is None else limit_bytes + 1
        data = self._try(full, lambda: self._files.cat_file(full, start=None if end is None else 0, end=end), b"")
        return within(data, limit_bytes, f"s3://{full}")

    def version(self, path: str) -> str:
        """ETag and size of an object as its folder was listed when first asked about; "" where nothing is.

        One request lists a thousand objects, so that a whole shop costs less than reading one image in a hundred.
        """
        folder = posixpath.dirname(path)
        with self._lock:
            listing = self._listing[folder]
        with listing:
            if folder not in self._versions:
                self._versions[folder] = self._list_versions(folder)
        return self._versions[folder].get(path, "")

    def _list_versions(self, folder: str) -> dict[str, str]:
        try:
            found = self._entries(folder)
        except SourceMissing:
            return {}
        tags = {info["name"].removeprefix(f"{self._top}/"): (info.get("ETag"), info["size"]) for info in found}
        return {path: f"{etag}-{size}" for path, (etag, size) in tags.items() if etag}

    def list(self, folder: str, suffix: str) -> list[str]:
        names = [info["name"] for info in self._entries(folder)]
        return sorted(name.removeprefix(f"{self._top}/") for name in names if name.endswith(suffix))

    def _entries(self, folder: str) -> Sequence[dict[str, Any]]:
        """The entry that s3fs lists for each object directly in ``folder``."""
        full = posixpath.join(self._top, folder) if folder else self._top
        nothing: Sequence[dict[str, Any]] = []
        found = self._try(full, lambda: self._files.ls(full, detail=True), nothing)
        return [info for info in found if info["type"] == "file" and info["name"].rstrip("/") != full]

    def _try(self, full: str, call: Callable[[], T], empty: T) -> T:
        for attempt in attempts(self._tries, SourceUnavailable):
            with attempt:
                try:
                    return call()
                except Exception as error:
                    if status_of(error) == 416:  # a range of an empty object
                        return empty
                    found = translated(error, f"s3://{full}")
                    if isinstance(found, ArtifactMissing):
                        raise SourceMissing(f"s3://{full} is not there; check the row's path") from error
                    if isinstance(found, StoreUnavailable):
                        raise SourceUnavailable(str(found)) from error
                    raise found from error
        raise AssertionError("unreachable")
