"""Where an image is, from what a shop writes in its image cell; nothing outside the shop's own folder."""

import json
import posixpath
import re
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from tasks.catalog.config import CatalogConfig, store_of
from tasks.catalog.text import cell_text, word

_ENDING = re.compile(r"\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif|heic|svg)$", re.IGNORECASE)
_BEFORE_URI = re.compile(r"\s*[,;\s]\s*(?=[a-zA-Z][a-zA-Z0-9+.-]*://)")


def first_image(value: object) -> str:
    """The first image a cell names: of a list, a JSON list, or several separated by comma, semicolon or bar."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, dict):  # {"bytes", "path"} of data sets, {"url"} or {"src"} of shop exports
        value = value.get("path") or value.get("url") or value.get("src")
    if isinstance(value, (list, tuple)):
        return next((image for image in map(first_image, value) if image), "")
    text = cell_text(value).strip()
    if not word(text):
        return ""
    text = re.split(r"[|\n]", text, maxsplit=1)[0].strip()
    text = _BEFORE_URI.split(text, maxsplit=1)[0].strip() or text
    if "://" not in text:
        text = _first_of_paths(text)
    return text.strip(" ,;\"'")


def _first_of_paths(text: str) -> str:
    """Commas and semicolons may also stand in a file name: only the one after an image's ending separates."""
    for at in (match.start() for match in re.finditer(r"[,;]", text)):
        if _ENDING.search(text[:at].strip()):
            return text[:at]
    return text


class OutsideShop(Exception):
    """Raised for an image path that leads out of the shop's folder."""

    def __init__(self, image: str, folder: str) -> None:
        super().__init__(f"{image!r} leads out of {folder}; set images_root to the folder that holds the pictures")


@dataclass(frozen=True)
class Base:
    """The folder that relative image paths start from, and the root that everything local must stay below.

    ``folder`` is relative to the source's root ("" is the root itself) or a URI in another store.
    """

    root: str
    folder: str

    def locate(self, image: str) -> str:
        """What to ask the source for: a path relative to its root, or a URI. Raises OutsideShop."""
        scheme = urlsplit(image).scheme if "://" in image else ""
        if scheme in ("http", "https", "s3", "gs", "az"):
            return image
        if scheme == "file":
            return self._absolute(unquote(urlsplit(image).path), image)
        path = image.replace("\\", "/")
        if path.startswith("/") or re.match(r"^[a-zA-Z]:/", path) or scheme:
            return self._absolute(path, image)
        return self._relative(path, image)

    def _relative(self, path: str, image: str) -> str:
        inside = posixpath.normpath(path)
        if inside == ".." or inside.startswith("../"):
            raise OutsideShop(image, self._name)
        if not self.folder:
            return inside
        scheme = store_of(self.folder)
        return scheme + posixpath.normpath(posixpath.join(self.folder[len(scheme) :], inside))

    @property
    def _name(self) -> str:
        return self.folder if "://" in self.folder else posixpath.join(self.root, self.folder)

    def _absolute(self, path: str, image: str) -> str:
        """An absolute path is fine where it leads into the folder anyway."""
        if store_of(self.folder) not in ("", "file://") or store_of(self.root) not in ("", "file://"):
            raise OutsideShop(image, self._name)
        root = self.root.removeprefix("file://")
        folder = posixpath.normpath(posixpath.join(root, self.folder.removeprefix("file://")))
        wanted = posixpath.normpath(path)
        if not wanted.startswith(folder.rstrip("/") + "/"):
            raise OutsideShop(image, self._name)
        return posixpath.relpath(wanted, posixpath.normpath(root))


def images_base(config: CatalogConfig, root: str) -> Base:
    """Where image paths of a table start: ``images_root`` if set, else the table's folder."""
    return Base(root, config.anchor.images if config.images_root else posixpath.dirname(config.table))
