"""Stored images: JPEG bytes named by their own sha256, so that equal images are one object.

Next to them, what is known of the files they were made from: ``sources/<id>.parquet`` and, of the shop as a whole,
``sources/<id>.json``, overwritten each night. They only save reading: without them everything is read again.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, ConfigError
from tasks.schema.tables import SOURCES
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store, open_store

FOLDER = "images"
SOURCES_FOLDER = "sources"
_log = logging.getLogger(__name__)
_HEX = frozenset("0123456789abcdef")


def image_path(sha256: str) -> str:
    """Path of an image: ``images/<first two digits>/<sha256>.jpg``. Raises ConfigError."""
    if len(sha256) != 64 or not _HEX.issuperset(sha256):
        raise ConfigError(f"{sha256!r:.80} is no sha256; expected 64 lower-case hex digits")
    return f"{FOLDER}/{sha256[:2]}/{sha256}.jpg"


def write_image(store: Store, sha256: str, jpeg_bytes: bytes) -> None:
    """Store an image; nothing happens where it already is. Raises ConfigError if the bytes have another hash."""
    path = image_path(sha256)
    if hashlib.sha256(jpeg_bytes).hexdigest() != sha256:
        raise ConfigError(f"the bytes given for image {sha256[:12]} hash to something else; hash what you store")
    found = store.stat(path)
    if found is None or found.size != len(jpeg_bytes):  # a power cut may leave an empty file
        store.write_bytes(path, jpeg_bytes, durable=False)


@contextmanager
def image_writer(store: Store, threads: int = 16) -> Iterator[Callable[[str, bytes], None]]:
    """Yield ``write(sha256, jpeg_bytes)``, which stores in the background and returns at once while few are waiting.

    Worth it for a bucket, where each write takes milliseconds. Leaving the block waits for all writes; the first
    failure is raised by a later ``write`` or on leaving.
    """
    slots = threading.BoundedSemaphore(4 * threads)  # bounds the bytes in memory
    failed: list[BaseException] = []

    def done(future: Future[None]) -> None:
        slots.release()
        error = None if future.cancelled() else future.exception()
        if error is not None:
            failed.append(error)

    def write(sha256: str, jpeg_bytes: bytes) -> None:
        if failed:
            raise failed[0]
        slots.acquire()
        pool.submit(write_image, store, sha256, jpeg_bytes).add_done_callback(done)

    pool = ThreadPoolExecutor(threads, thread_name_prefix="images")
    try:
        yield write
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown(wait=True)
    if failed:
        raise failed[0]


def read_image(store: Store, sha256: str) -> bytes:
    """JPEG bytes of an image, verified against its name. Raises ArtifactMissing, ArtifactCorrupt."""
    path = image_path(sha256)
    try:
        data = store.read_bytes(path)
    except ArtifactMissing as error:
        raise ArtifactMissing(f"no image {sha256} in {store.root}; prepare the catalogue again") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ArtifactCorrupt(
            f"{store.url(path)} is damaged ({len(data)} bytes); delete it and prepare the catalogue again"
        )
    return data


def read_images(store: Store, hashes: Iterable[str], threads: int = 16) -> Iterator[bytes]:
    """Yield the verified bytes of many images in the order asked, read ahead by ``threads`` threads."""
    return map_ordered(lambda sha256: read_image(store, sha256), hashes, threads)


def image_reader(root: str) -> Callable[[Sequence[str]], Iterator[bytes]]:
    """`read_images` of the store whose root is ``root``, its other settings from the environment."""
    return partial(read_images, open_store(StoreSettings(store_uri=root)))


def has_images(store: Store) -> set[str]:
    """Hashes of every stored image (one listing; about a second for 100 000 on a file system)."""
    found = set()
    for info in store.list(FOLDER):
        name = info.path.rsplit("/", 1)[-1].removesuffix(".jpg")
        if len(name) == 64 and info.size > 0:
            found.add(name)
    return found


def read_sources(store: Store, sources_id: str) -> pa.Table | None:
    """What is known of a shop's files (SOURCES schema), without those whose stored image is gone; None if nothing."""
    try:
        known = store.read_table(f"{SOURCES_FOLDER}/{sources_id}.parquet")
    except ArtifactMissing:
        return None
    except ArtifactCorrupt as error:
        _log.warning("every image of the shop is read again: %s", error)
        return None
    if known.schema != SOURCES:
        return None
    there = pa.array(["", *has_images(store)], pa.string())  # "": an image that was refused has none
    return known.filter(pc.is_in(known["image_sha256"], value_set=there))


def write_sources(store: Store, sources_id: str, sources: pa.Table) -> None:
    """Keep what is known of a shop's files (SOURCES schema), over what was known before."""
    store.write_table(f"{SOURCES_FOLDER}/{sources_id}.parquet", sources)


def read_fingerprint(store: Store, sources_id: str) -> Any:
    """What `write_fingerprint` kept of the shop; None where nothing can be read."""
    try:
        return store.read_json(f"{SOURCES_FOLDER}/{sources_id}.json")
    except (ArtifactMissing, ArtifactCorrupt):
        return None


def write_fingerprint(store: Store, sources_id: str, fingerprint: Any) -> None:
    """Keep, as JSON, what the shop was when it was last read."""
    store.write_json(f"{SOURCES_FOLDER}/{sources_id}.json", fingerprint)
