"""Reads every picture of a shop with several threads and bounded memory; a bad one is named, never fatal."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from tasks.catalog.pictures import PictureFault, PictureLimits, check_size, normalise
from tasks.catalog.text import showable
from tasks.schema.errors import SourceMissing, SourceRefused
from tasks.schema.files import SourceFiles
from tasks.schema.progress import Progress


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """What is known of a picture once its bytes are written."""

    sha256: str
    width: int
    height: int
    source_sha256: str


class PictureReader:
    """Reads, normalises and writes pictures. ``write_picture`` is called from several threads, once per hash."""

    def __init__(
        self,
        files: SourceFiles,
        write_picture: Callable[[str, bytes], None],
        limits: PictureLimits,
        threads: int,
    ) -> None:
        self._files = files
        self._write_picture = write_picture
        self._limits = limits
        self._threads = threads
        self._written: set[str] = set()
        self._lock = threading.Lock()

    def read_all(self, locations: Sequence[str], progress: Progress) -> dict[str, StoredPicture | PictureFault]:
        """Each distinct location -> the stored picture, or why it cannot be used.

        Raises TransientError (SourceUnavailable, StoreUnavailable) at once: then the whole reading is to be repeated.
        """
        distinct = list(dict.fromkeys(locations))
        results: dict[str, StoredPicture | PictureFault] = {}
        for location, result in self._in_order(distinct):
            results[location] = result
            if len(results) % 200 == 0 or len(results) == len(distinct):
                progress(len(results) / len(distinct), f"picture {len(results):,} of {len(distinct):,}")
        return results

    def _in_order(self, locations: Iterable[str]) -> Iterator[tuple[str, StoredPicture | PictureFault]]:
        pending: deque[tuple[str, Future[StoredPicture | PictureFault]]] = deque()
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

    def _read_one(self, location: str) -> StoredPicture | PictureFault:
        try:
            picture = normalise(self._bytes(location), self._limits)
        except PictureFault as fault:
            return fault
        with self._lock:
            is_new = picture.sha256 not in self._written
            self._written.add(picture.sha256)
        if is_new:
            self._write_picture(picture.sha256, picture.jpeg)
        return StoredPicture(picture.sha256, picture.width, picture.height, picture.source_sha256)

    def _bytes(self, location: str) -> bytes:
        """Bytes at ``location``; PictureFault for everything that trying again would not mend."""
        try:
            data = self._files.read(location, limit_bytes=self._limits.max_bytes)
        except (SourceMissing, FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise PictureFault("picture_not_found", showable(str(error))) from error
        except SourceRefused as error:
            raise PictureFault(_refusal(error), showable(str(error))) from error
        except (OSError, ValueError) as error:
            raise PictureFault("picture_unreadable", showable(f"{type(error).__name__}: {error}")) from error
        check_size(len(data), self._limits.max_bytes)
        return data


def _refusal(error: SourceRefused) -> str:
    """A source refuses for one of two causes; only its words tell which."""
    words = str(error).lower()
    too_large = "over the limit" in words or "larger than" in words
    return "picture_too_large" if too_large else "picture_outside_root"
