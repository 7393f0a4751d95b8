"""Reads every image of a shop with several threads and bounded memory; a bad one is named, never fatal."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from tasks.catalog.images import JUDGE, LEAST_SIDE, ImageFault, ImageLimits, normalise
from tasks.catalog.text import showable
from tasks.schema.errors import SourceMissing, SourceRefused
from tasks.schema.files import Reading, SourceFiles
from tasks.schema.progress import Progress

_JUDGED = f" judge {JUDGE}"  # ends the version of what was refused: the next judge may accept it


@dataclass(frozen=True, slots=True)
class StoredImage:
    """What is known of an image once its bytes are written."""

    sha256: str
    width: int
    height: int
    source_sha256: str


@dataclass(frozen=True, slots=True)
class SourceImage:
    """What is at one location, and the source's version tag of it ("" where it has none).

    The tag of a refused image names its judge too, so that it is read again when there is another one.
    """

    version: str
    found: StoredImage | ImageFault


class ImageReader:
    """Reads, normalises and writes images. ``write_image`` is called from several threads, once per hash.

    ``known`` is what lay at each location when it was last read; where its version still holds nothing is read.
    """

    def __init__(
        self,
        files: SourceFiles,
        write_image: Callable[[str, bytes], None],
        limits: ImageLimits,
        threads: int,
        known: Mapping[str, SourceImage] | None = None,
    ) -> None:
        self._files = files
        self._write_image = write_image
        self._limits = limits
        self._threads = threads
        self._known = known or {}
        self.images_read = 0
        self._written: set[str] = set()
        self._lock = threading.Lock()

    def read_all(self, locations: Sequence[str], progress: Progress) -> dict[str, SourceImage]:
        """Each distinct location -> the stored image, or why it cannot be used.

        Raises TransientError (SourceUnavailable, StoreUnavailable) at once: then everything is to be read again.
        """
        distinct = list(dict.fromkeys(locations))
        results: dict[str, SourceImage] = {}
        for location, result in self._in_order(distinct):
            results[location] = result
            if len(results) % 200 == 0 or len(results) == len(distinct):
                progress(len(results) / len(distinct), f"image {len(results):,} of {len(distinct):,}")
        return results

    def _in_order(self, locations: Iterable[str]) -> Iterator[tuple[str, SourceImage]]:
        pending: deque[tuple[str, Future[SourceImage]]] = deque()
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="image")
        try:
            for location in locations:
                pending.append((location, pool.submit(self._read_one, location)))
                if len(pending) >= 4 * self._threads:
                    yield pending[0][0], pending.popleft()[1].result()
            while pending:
                yield pending[0][0], pending.popleft()[1].result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _read_one(self, location: str) -> SourceImage:
        known = self._known.get(location)
        try:
            reading = self._reading(location, _version(known) if known else "")
        except ImageFault as fault:
            return SourceImage("", fault)
        if known is not None and reading.data is None:
            return known
        with self._lock:
            self.images_read += 1
        found = self._stored(reading.data or b"")
        judged = _JUDGED if isinstance(found, ImageFault) and reading.version else ""
        return SourceImage(reading.version + judged, found)

    def _stored(self, data: bytes) -> StoredImage | ImageFault:
        try:
            image = normalise(data, self._limits)
        except ImageFault as fault:
            return fault
        with self._lock:
            is_new = image.sha256 not in self._written
            self._written.add(image.sha256)
        if is_new:
            self._write_image(image.sha256, image.jpeg)
        return StoredImage(image.sha256, image.width, image.height, image.source_sha256)

    def _reading(self, location: str, version: str) -> Reading:
        """What is at ``location``; ImageFault for every failure that a retry would not fix."""
        try:
            return self._files.read_changed(location, version, limit_bytes=self._limits.max_bytes)
        except (SourceMissing, FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise ImageFault("picture_not_found", showable(str(error))) from error
        except SourceRefused as error:
            raise ImageFault(_refusal(error), showable(str(error))) from error
        except (OSError, ValueError) as error:
            raise ImageFault("picture_unreadable", showable(f"{type(error).__name__}: {error}")) from error


def _version(known: SourceImage) -> str:
    """The source's tag of an image that would be judged as it was, "" where it has to be read again."""
    found = known.found
    if isinstance(found, ImageFault):
        return known.version.removesuffix(_JUDGED) if known.version.endswith(_JUDGED) else ""
    tiny = max(found.width, found.height) < LEAST_SIDE  # from before such images were refused
    return "" if tiny else known.version


def _refusal(error: SourceRefused) -> str:
    """A source refuses for one of two reasons; only its message says which."""
    words = str(error).lower()
    too_large = "over the limit" in words or "larger than" in words
    return "picture_too_large" if too_large else "picture_outside_root"
