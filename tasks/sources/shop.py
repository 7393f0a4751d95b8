"""The shop's own files: below one folder or bucket, and images on the web. Read only, and never outside the root."""

import posixpath
from collections.abc import Sequence
from urllib.parse import urlsplit

from tasks.schema.errors import SourceMissing, SourceRefused
from tasks.schema.files import Reading, SourceFiles
from tasks.sources.folder import FolderRoot
from tasks.sources.root import Root
from tasks.sources.settings import read_source_settings
from tasks.sources.web import WebImages, WebRoot
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import local_path


class ShopFiles:
    """Files of one shop; see `tasks.schema.files.SourceFiles`. Thread-safe."""

    def __init__(self, root: Root, others: tuple[Root, ...], web: WebImages) -> None:
        self.root = root.uri
        self._root, self._others, self._web = root, others, web

    def read(self, uri: str, limit_bytes: int | None = None) -> bytes:
        """Bytes at ``uri``: http(s) anywhere; else below the root (or the images root), absolute or relative.

        Raises SourceMissing, SourceRefused (outside, or more than ``limit_bytes``), SourceUnavailable.
        """
        if address := self._address(uri):
            return self._web.read(address, limit_bytes)
        root, path = self._place(uri)
        return root.read(path, limit_bytes)

    def read_changed(self, uri: str, version: str, limit_bytes: int | None = None) -> Reading:
        """Bytes and version of the file at ``uri``; no bytes where it still has ``version``. Raises as `read`."""
        if address := self._address(uri):
            return self._web.read_changed(address, version, limit_bytes)
        root, path = self._place(uri)
        # Before the bytes: a file that changes in between has an older version noted, and is read again next time.
        found = root.version(path)
        if version and found == version:
            return Reading(None, found)
        return Reading(root.read(path, limit_bytes), found)

    def versions(self, uris: Sequence[str]) -> Sequence[str]:
        """The version of each file as `read_changed` has it; "" for one on the web, outside the root, or not there."""
        return [self._version(uri) for uri in uris]

    def _version(self, uri: str) -> str:
        if self._address(uri):
            return ""
        try:
            root, path = self._place(uri)
            return root.version(path)
        except SourceRefused:
            return ""

    def _address(self, uri: str) -> str:
        """The URL of what is on the web, "" for other files."""
        if _is_web(uri):
            return uri
        return self._root.address(uri) if isinstance(self._root, WebRoot) and not _is_absolute(uri) else ""

    def _place(self, uri: str) -> tuple[Root, str]:
        if not _is_absolute(uri):
            return self._root, _inside(uri, self.root)
        for root in (self._root, *self._others):
            path = root.holds(uri)
            if path is not None:
                return root, path
        raise SourceRefused(
            f"{uri!r:.200} is outside {self.root}; name it relative to the root, or set images_root to its folder"
        )

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """Names relative to the root of the files directly in ``folder`` ("" is the root), sorted."""
        return self._root.list(_inside(folder, self.root) if folder.strip("/.") else "", suffix)


def open_source(
    uri: str,
    *,
    anonymous: bool = False,
    images_root: str | None = None,
    settings: StoreSettings | None = None,
) -> SourceFiles:
    """Files of the shop at ``uri``: a folder, file://, s3://bucket/prefix, or https://host/path, which lists no files.

    A ``uri`` in a folder or bucket that names a table file has its folder as root. ``anonymous`` reads a public bucket
    without credentials, at AWS unless SOURCE_ENDPOINT_URL says otherwise. ``images_root`` is a second place that rows
    may name images in by absolute path. Raises SourceMissing where the folder does not exist, ConfigError for another
    scheme and for settings of the environment that are not understood.
    """
    settings = StoreSettings() if settings is None else settings
    web = WebImages(settings=read_source_settings())
    root = WebRoot(uri, web) if _is_web(uri) else _open_root(uri, anonymous, settings)
    others: tuple[Root, ...] = ()
    if images_root and _is_absolute(images_root) and urlsplit(images_root).scheme.lower() not in ("http", "https"):
        others = (_open_root(images_root, anonymous, settings),)
    return ShopFiles(root, others, web)


def _open_root(uri: str, anonymous: bool, settings: StoreSettings) -> Root:
    if urlsplit(uri).scheme.lower() == "s3":
        from tasks.sources.bucket import BucketRoot  # s3fs costs a second that a folder need not pay

        return BucketRoot(uri, anonymous, settings)
    folder = local_path(uri, "the source").absolute()
    if folder.is_file():
        folder = folder.parent
    if not folder.is_dir():
        raise SourceMissing(f"{folder} does not exist; check the source's path")
    return FolderRoot(folder)


def _is_web(uri: str) -> bool:
    return uri.lower().startswith(("http://", "https://"))


def _is_absolute(uri: str) -> bool:
    drive = len(uri) > 2 and uri[0].isalpha() and uri[1] == ":" and uri[2] in "\\/"
    return drive or "://" in uri or uri.startswith(("/", "\\", "file:"))


def _inside(path: str, root: str) -> str:
    """A relative path made plain. Raises SourceRefused where it climbs out of the root."""
    plain = posixpath.normpath(path.replace("\\", "/"))
    if plain == "." or plain.startswith("../") or plain == ".." or "\0" in plain:
        raise SourceRefused(f"{path!r:.200} leads out of {root}; name a file below the root")
    return plain
