"""Objects in a bucket.

s3fs lists, transfers files and reads parts of files. boto3 does what takes one request: conditional writes, which s3fs
does not offer, and small objects, which it reads four times as fast (s3fs asks for the size first, on one event loop).
"""

import hashlib
import logging
import mimetypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import s3fs
from botocore.exceptions import ClientError

from tasks.schema.errors import StoreUnavailable, TerminalError
from tasks.store.objects.interface import ConditionFailed, ConditionsUnsupported, ObjectInfo, is_internal, is_scratch
from tasks.store.objects.parquet import read_parquet
from tasks.store.objects.retries import attempts
from tasks.store.objects.s3_clients import open_boto3, open_s3fs
from tasks.store.objects.s3_errors import status_of, translated
from tasks.store.objects.settings import StoreSettings

T = TypeVar("T")
_log = logging.getLogger(__name__)
_ONE_REQUEST = 32 << 20  # larger files go up in parts


class BucketObjects:
    """Objects below ``s3://bucket/prefix``. Thread-safe, and safe to use in a forked child."""

    def __init__(self, bucket: str, prefix: str, settings: StoreSettings) -> None:
        self.bucket, self.prefix, self.settings = bucket, prefix, settings
        self.root = f"s3://{bucket}/{prefix}".rstrip("/")
        self._opened: dict[str, tuple[int, Any]] = {}
        self._opening = threading.RLock()

    def __repr__(self) -> str:
        return f"BucketObjects({self.root!r})"

    def url(self, path: str) -> str:
        """The object's s3:// URL."""
        return f"{self.root}/{path}"

    def read(self, path: str) -> bytes:
        return self.read_tagged(path)[0]

    def write(self, path: str, data: bytes, durable: bool) -> None:
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        self._try(
            path,
            lambda: self._client.put_object(Bucket=self.bucket, Key=self._key(path), Body=data, ContentType=kind),
        )

    def stat(self, path: str) -> ObjectInfo | None:
        def head() -> ObjectInfo | None:
            try:
                # Not s3fs's info: on a 404 it lists, which is slow and may find a "folder".
                found = self._client.head_object(Bucket=self.bucket, Key=self._key(path))
            except ClientError as error:
                if status_of(error) == 404:
                    return None
                raise
            if "ContentLength" not in found or "LastModified" not in found:
                raise self._cut_short(path)
            return ObjectInfo(path, found["ContentLength"], found["LastModified"])

        return self._try(path, head)

    def list(self, folder: str) -> list[ObjectInfo]:
        return sorted((info for info in self._find(folder) if not is_internal(info.path)), key=lambda info: info.path)

    def _find(self, folder: str) -> Iterator[ObjectInfo]:
        found = self._try(folder, lambda: self._files.find(self._full(folder), detail=True))
        start = len(f"{self.bucket}/{self.prefix}".rstrip("/")) + 1
        for full, info in found.items():
            if info["type"] == "file" and not full.endswith("/"):
                yield ObjectInfo(full[start:], info["size"], info["LastModified"])

    def drop_scratch(self, before: datetime) -> int:
        found = [info for info in self._find("") if is_scratch(info.path) and info.modified < before]
        for info in found:
            self.delete(info.path)
        return len(found) + self._abort_uploads(before)

    def _abort_uploads(self, before: datetime) -> int:
        """Parts of unfinished uploads appear in no listing, but on the bill."""

        def pending() -> list[dict[str, Any]]:
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket, Prefix=self._key("")
            )
            return [upload for page in pages for upload in page.get("Uploads", ()) if upload["Initiated"] < before]

        try:
            uploads = self._try("", pending)
        except TerminalError as error:  # a server, or a policy, that does not list them
            _log.warning("unfinished uploads cannot be found: %s", error)
            return 0
        for upload in uploads:
            name = {"Bucket": self.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
            self._try(upload["Key"], partial(self._client.abort_multipart_upload, **name))
        return len(uploads)

    def delete(self, path: str) -> None:
        self._try(path, lambda: self._client.delete_object(Bucket=self.bucket, Key=self._key(path)))

    def upload(self, path: str, file: Path) -> tuple[int, str]:
        size, digest = _measure(file)
        self._try(path, lambda: self._files.put_file(str(file), self._full(path), chunksize=_ONE_REQUEST))
        return size, digest

    def download(self, path: str, file: Path) -> tuple[int, str]:
        self._try(path, lambda: self._files.get_file(self._full(path), str(file)))
        return _measure(file)

    def read_columns(self, path: str, columns: Sequence[str] | None) -> pa.Table:
        def read() -> pa.Table:
            if columns is None:
                source: Any = pa.BufferReader(self._get(path)[0])
            else:  # reads only the footer and these columns
                source = self._files.open(self._full(path), "rb", block_size=256 << 10, cache_type="readahead")
            with source:
                return read_parquet(source, columns, self.url(path))

        return self._try(path, read)

    def read_tagged(self, path: str) -> tuple[bytes, str]:
        return self._try(path, lambda: self._get(path))

    def read_if_changed(self, path: str, etag: str | None) -> tuple[bytes, str] | None:
        def read() -> tuple[bytes, str] | None:
            try:
                return self._get(path, **({"IfNoneMatch": etag} if etag else {}))
            except ClientError as error:
                if status_of(error) == 304:
                    return None
                raise

        return self._try(path, read)

    def _get(self, path: str, **condition: str) -> tuple[bytes, str]:
        answer = self._client.get_object(Bucket=self.bucket, Key=self._key(path), **condition)
        data = answer["Body"].read()
        if answer.get("ContentLength") != len(data) and "transfer-encoding" not in _headers(answer):
            raise self._cut_short(path)
        return data, answer.get("ETag") or hashlib.sha256(data).hexdigest()

    def _cut_short(self, path: str) -> StoreUnavailable:
        # http.client treats a connection that ends amid the headers as the end of the headers, and an answer without
        # a length as complete.
        return StoreUnavailable(f"{self.url(path)}: the answer was cut short; this may be temporary, try again")

    def create(self, path: str, data: bytes) -> str:
        return self._put_if(path, data, IfNoneMatch="*")

    def replace(self, path: str, data: bytes, etag: str) -> str:
        return self._put_if(path, data, IfMatch=etag)

    def _put_if(self, path: str, data: bytes, **condition: str) -> str:
        # One attempt and no retry: a second PUT after a lost answer would be refused by our own first one.
        try:
            answer = self._client.put_object(
                Bucket=self.bucket, Key=self._key(path), Body=data, ContentType="application/json", **condition
            )
        except Exception as error:
            status = status_of(error)
            if status == 412 or (status == 404 and "IfMatch" in condition):
                raise ConditionFailed(path) from error
            if status == 409:
                raise StoreUnavailable(f"{self.url(path)}: another write was in progress (409)") from error
            if status == 501:
                raise ConditionsUnsupported(f"{self.root} does not support conditional writes (501)") from error
            raise translated(error, self.url(path)) from error
        return answer.get("ETag") or hashlib.sha256(data).hexdigest()

    def _try(self, path: str, call: Callable[[], T]) -> T:
        """Run ``call``, and again after growing random pauses while the failure may be temporary."""
        for attempt in attempts(self.settings.store_tries, StoreUnavailable):
            with attempt:
                try:
                    return call()
                except Exception as error:
                    raise translated(error, self.url(path)) from error
        raise AssertionError("unreachable")

    @property
    def _files(self) -> s3fs.S3FileSystem:
        return self._once("files", lambda: open_s3fs(self.settings, self.settings.aws_endpoint_url))

    @property
    def _client(self) -> Any:
        return self._once("client", lambda: open_boto3(self.settings))

    def _once(self, name: str, open_it: Callable[[], T]) -> T:
        # Neither client survives a fork, so each process opens its own.
        found = self._opened.get(name)
        if found is None or found[0] != os.getpid():
            with self._opening:
                found = self._opened.get(name)
                if found is None or found[0] != os.getpid():
                    found = self._opened[name] = (os.getpid(), open_it())
        return found[1]

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    def _full(self, path: str) -> str:
        return f"{self.bucket}/{self._key(path)}".rstrip("/")


def _headers(answer: dict[str, Any]) -> dict[str, str]:
    return dict(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}))


def _measure(file: Path) -> tuple[int, str]:
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        return source.tell(), digest
