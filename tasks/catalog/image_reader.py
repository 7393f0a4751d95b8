"""Reads every image of a shop with several threads and bounded memory; a bad one is named, never fatal."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.catalog.images import JUDGE, LEAST_SIDE, ImageFault, ImageLimits, normalise
from tasks.catalog.slices import slices
from tasks.catalog.text import showable
from tasks.schema.errors import SourceMissing, SourceRefused
from tasks.schema.files import Reading, SourceFiles
from tasks.schema.progress import Progress
from tasks.schema.tables import SOURCES

_TOLD = 200  # images between two reports of progress
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


def sources_of(locations: Sequence[str], images: Sequence[SourceImage]) -> pa.Table:
    """The SOURCES table of what is at each location, in their order."""
    rows = [_row(location, image) for location, image in zip(locations, images, strict=True)]
    return pa.table({name: [row[at] for row in rows] for at, name in enumerate(SOURCES.names)}, schema=SOURCES)


def _row(location: str, image: SourceImage) -> tuple[object, ...]:
    found = image.found
    if isinstance(found, ImageFault):
        return location, image.version, "", "", 0, 0, found.reason, found.detail
    return location, image.version, found.source_sha256, found.sha256, found.width, found.height, "", ""


class ImageReader:
    """Reads, normalises and writes images. ``write_image`` is called from several threads, once per hash.

    ``known`` (SOURCES) is what lay at each location when it was last read; where its version still holds nothing is
    read.
    """

    def __init__(
        self,
        files: SourceFiles,
        write_image: Callable[[str, bytes], None],
        limits: ImageLimits,
        threads: int,
        known: pa.Table | None = None,
    ) -> None:
        self._files = files
        self._write_image = write_image
        self._limits = limits
        self._threads = threads
        self._known = SOURCES.empty_table() if known is None else known
        self._versions = _still_judged(self._known)
        self.images_read = 0
        self._written: set[str] = set()
        self._lock = threading.Lock()

    def read_all(self, locations: pa.Array | pa.ChunkedArray, progress: Progress) -> pa.Table:
        """What is at each distinct location (SOURCES): the stored image, or why it cannot be used.

        Raises TransientError (SourceUnavailable, StoreUnavailable) at once: then everything is to be read again.
        """
        distinct = pc.unique(locations)
        known = pc.index_in(distinct, value_set=self._known["location"])
        versions = self._versions.take(known).combine_chunks()
        places = np.flatnonzero(~self._unchanged(distinct, versions))
        left = distinct.take(pa.array(places))
        fresh: dict[int, SourceImage] = {}
        for at, image in zip(places.tolist(), self._in_order(left, versions.take(pa.array(places))), strict=True):
            if image is not None:
                fresh[at] = image
            if at % _TOLD == 0:
                progress(at / len(distinct), f"image {at:,} of {len(distinct):,}")
        progress(1.0, f"image {len(distinct):,} of {len(distinct):,}")
        read = np.zeros(len(distinct), np.bool_)
        read[list(fresh)] = True
        new = sources_of(distinct.filter(pa.array(read)).to_pylist(), list(fresh.values()))
        order = np.argsort(np.concatenate([np.flatnonzero(~read), np.flatnonzero(read)]))
        return pa.concat_tables([self._known.take(known.filter(pa.array(~read))), new]).take(pa.array(order))

    def _unchanged(self, locations: pa.Array, versions: pa.Array) -> npt.NDArray[np.bool_]:
        """Which locations still have the version that is known, where the source tells all of them at once."""
        same = [np.zeros(0, np.bool_)]
        for places, tags in zip(slices(locations), slices(versions), strict=True):
            known = tags.to_pylist()
            now = self._files.versions(places.to_pylist()) if any(known) else known
            same.append(np.array([bool(old) and old == new for old, new in zip(known, now, strict=True)]))
        return np.concatenate(same)

    def _in_order(self, locations: pa.Array, versions: pa.Array) -> Iterator[SourceImage | None]:
        pending: deque[Future[SourceImage | None]] = deque()
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="image")
        try:
            for location, version in zip(locations.to_pylist(), versions.to_pylist(), strict=True):
                pending.append(pool.submit(self._read_one, location, version or ""))
                if len(pending) >= 4 * self._threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _read_one(self, location: str, version: str) -> SourceImage | None:
        """What is there; None where it still is what is known."""
        try:
            reading = self._reading(location, version)
        except ImageFault as fault:
            return SourceImage("", fault)
        if reading.data is None:
            return None
        with self._lock:
            self.images_read += 1
        found = self._stored(reading.data)
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


def _still_judged(known: pa.Table) -> pa.ChunkedArray:
    """The source's tag of each image that would be judged as it was, "" where it has to be read again."""
    is_good = pc.equal(known["reason"], "")
    # from before such images were refused
    is_tiny = pc.less(pc.max_element_wise(known["image_width"], known["image_height"]), LEAST_SIDE)
    refused_now = pc.ends_with(known["version"], _JUDGED)
    of_refused = pc.if_else(refused_now, pc.replace_substring(known["version"], _JUDGED, ""), "")
    return pc.if_else(is_good, pc.if_else(is_tiny, "", known["version"]), of_refused)


def _refusal(error: SourceRefused) -> str:
    """A source refuses for one of two reasons; only its message says which."""
    words = str(error).lower()
    too_large = "over the limit" in words or "larger than" in words
    return "picture_too_large" if too_large else "picture_outside_root"
