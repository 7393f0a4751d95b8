"""Images that a table does not name as they are: files called like the ids, and other spellings of a file's name."""

import posixpath
import threading
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote

from tasks.catalog.cells import as_text, each
from tasks.catalog.columns import candidates_for
from tasks.catalog.config import CatalogConfig
from tasks.catalog.tables.rows import Block, EmbeddedImage
from tasks.schema.errors import SourceMissing, SourceRefused
from tasks.schema.files import Reading, SourceFiles, within

_FOLDERS = ("images", "img", "imgs", "pictures", "photos", "image", "")
_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff")
_ENOUGH = 0.5  # share of ids with a file by their name


def named_by_id(config: CatalogConfig, files: SourceFiles, found: Sequence[str], sample: Block) -> dict[str, str]:
    """The pattern of images where no column names them and files beside the table are called like the ids; else {}."""
    holds_bytes = any(isinstance(cell, EmbeddedImage) for cells in sample.columns.values() for cell in cells[:1])
    if config.columns.get("image") or holds_bytes or candidates_for("image", found):
        return {}
    column = config.columns.get("item_id") or next(iter(candidates_for("item_id", found)), "")
    ids = {found.strip() for found in each(as_text, sample.column(column))}
    base = config.anchor.images if config.images_root else config.table_folder
    if column and ids and "://" not in base:
        for folder in _FOLDERS:
            ending = _ending_of(files, posixpath.join(base, folder), ids)
            if ending:
                return {"image": posixpath.join(folder, f"{{{column}}}{ending}")}
    return {}


def _ending_of(files: SourceFiles, folder: str, ids: set[str]) -> str:
    """The ending of the files in ``folder`` that are called like the ids, "" where few are."""
    try:
        names = [posixpath.splitext(posixpath.basename(name)) for name in files.list(folder)]
    except (SourceMissing, SourceRefused):
        return ""
    endings = Counter(ending for stem, ending in names if stem in ids and ending.lower() in _ENDINGS)
    return endings.most_common(1)[0][0] if endings and endings.total() >= _ENOUGH * len(ids) else ""


class ForgivingFiles:
    """A shop's files. Where a path is not there, its other spellings are tried.

    These are: the other Unicode normal form (files that were on a Mac), the percent-decoded name, the name without its
    query, and another case. ``respelled`` counts them.
    """

    def __init__(self, files: SourceFiles, embedded: Mapping[str, EmbeddedImage]) -> None:
        self.root, self._files, self._embedded = files.root, files, embedded
        self.respelled = 0
        self._names = lru_cache(maxsize=256)(self._listed)
        self._lock = threading.Lock()  # images are read by several threads: one lists a folder, and all are counted

    def read(self, uri: str, limit_bytes: int | None = None) -> bytes:
        """As `SourceFiles.read`."""
        return self._files.read(uri, limit_bytes)

    def read_changed(self, uri: str, version: str, limit_bytes: int | None = None) -> Reading:
        """As `SourceFiles.read_changed`."""
        if image := self._embedded.get(uri):
            found = image.version()
            return Reading(None if found == version else within(image.data(), limit_bytes, uri), found)
        try:
            return self._files.read_changed(uri, version, limit_bytes)
        except SourceMissing:
            with self._lock:
                other = self._other(uri)
            if not other:
                raise
            reading = self._files.read_changed(other, version, limit_bytes)
            with self._lock:
                self.respelled += 1
            return reading

    def versions(self, uris: Sequence[str]) -> Sequence[str]:
        """As `SourceFiles.versions`."""
        return self._files.versions(uris)

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """As `SourceFiles.list`."""
        return self._files.list(folder, suffix)

    def _other(self, uri: str) -> str:
        if "://" in uri:
            return ""
        spellings = [name for plain in (uri, uri.partition("?")[0]) for name in (plain, unquote(plain))]
        found = (self._names(posixpath.dirname(name)).get(_folded(name)) for name in spellings)
        return next((name for name in found if name), "")

    def _listed(self, folder: str) -> dict[str, str]:
        try:
            return {_folded(name): name for name in self._files.list(folder)}
        except (SourceMissing, SourceRefused):
            return {}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
