"""Reads every picture of a shop with several threads and bounded memory; a bad one is named, never fatal."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from tasks.catalog.images import PictureFault, PictureLimits, normalise
from tasks.catalog.text import showable
from tasks.schema.errors import SourceMissing, SourceRefused
from tasks.schema.files import Reading, SourceFiles
from tasks.schema.progress import Progress


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """What is known of a picture once its bytes are written."""

    sha256: str
    width: int
    height: int
    source_sha256: str


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """What lies at one location, and the source's version tag of it ("" where it has none)."""

    version: str
    found: StoredPicture | PictureFault


class PictureReader:
    """Reads, normalises and writes pictures. ``write_picture`` is called from several threads, once per hash.

    ``known`` is what lay at each location when it was last read; where its version still holds nothing is read.
    """

    def __init__(
        self,
        files: SourceFiles,
        write_picture: Callable[[str, bytes], None],
        limits: PictureLimits,
        threads: int,
        known: Mapping[str, SourcePicture] | None = None,
    ) -> None:
        self._files = files
        self._write_picture = write_picture
        self._limits = limits
        self._threads = threads
        self._known = known or {}
        self.pictures_read = 0
        self._written: set[str] = set()
        self._lock = threading.Lock()

    def read_all(self, locations: Sequence[str], progress: Progress) -> dict[str, SourcePicture]:
        """Each distinct location -> the stored picture, or why it cannot be used.

        Raises TransientError (SourceUnavailable, StoreUnavailable) at once: then the whole reading is to be repeated.
        """
        distinct = list(dict.fromkeys(locations))
        results: dict[str, SourcePicture] = {}
        for location, result in self._in_order(distinct):
            results[location] = result
            if len(results) % 200 == 0 or len(results) == len(distinct):
                progress(len(results) / len(distinct), f"picture {len(results):,} of {len(distinct):,}")
        return results

    def _in_order(self, locations: Iterable[str]) -> Iterator[tuple[str, SourcePicture]]:
        pending: deque[tuple[str, Future[SourcePicture]]] = deque()
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="picture")
        try:
            for location in locations:
                pending.append((location, pool.submit(self._read_one, location)))
                if len(pending) >= 4 * self._threads:
                    yield pending[0][0], pending.popleft()[1].result()
            while pending:
                yield pending[0][0], pending.popleft()[1].result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _read_one(self, location: str) -> SourcePicture:
        known = self._known.get(location)
        try:
            reading = self._reading(location, known.version if known else "")
        except PictureFault as fault:
            return SourcePicture("", fault)
        if known is not None and reading.data is None:
            return known
        with self._lock:
            self.pictures_read += 1
        return SourcePicture(reading.version, self._stored(reading.data or b""))

    def _stored(self, data: bytes) -> StoredPicture | PictureFault:
        try:
            picture = normalise(data, self._limits)
        except PictureFault as fault:
            return fault
        with self._lock:
            is_new = picture.sha256 not in self._written
            self._written.add(picture.sha256)
        if is_new:
            self._write_picture(picture.sha256, picture.jpeg)
        return StoredPicture(picture.sha256, picture.width, picture.height, picture.source_sha256)

    def _reading(self, location: str, version: str) -> Reading:
        """What lies at ``location``; PictureFault for everything that trying again would not mend."""
        try:
            return self._files.read_changed(location, version, limit_bytes=self._limits.max_bytes)
        except (SourceMissing, FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise PictureFault("picture_not_found", showable(str(error))) from error
        except SourceRefused as error:
            raise PictureFault(_refusal(error), showable(str(error))) from error
        except (OSError, ValueError) as error:
            raise PictureFault("picture_unreadable", showable(f"{type(error).__name__}: {error}")) from error


def _refusal(error: SourceRefused) -> str:
    """A source refuses for one of two causes; only its words tell which."""
    words = str(error).lower()
    too_large = "over the limit" in words or "larger than" in words
    return "picture_too_large" if too_large else "picture_outside_root"
