"""Where an image is, from what a shop writes in its image cell; nothing outside the shop's own folder."""

import html
import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from tasks.catalog.cells import parsed
from tasks.catalog.config import CatalogConfig, store_of
from tasks.catalog.tables.rows import EmbeddedImage
from tasks.catalog.text import cell_text, word

_ENDING = re.compile(r"\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif|heic|svg)$", re.IGNORECASE)
_BEFORE_URI = re.compile(r"\s*[,;\s]\s*(?=(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//)")
_SEPARATOR = re.compile(r"[,;|\s]")
_ENTITY = re.compile(r"&(?:amp|quot|#\d+|#x[0-9a-fA-F]+);")
#: Keys of an object that is an image, the largest size first: data sets, shop exports, Amazon's reviews.
_IMAGE_KEYS = (
    "hi_res", "original", "large", "path", "url", "src", "image", "link", "href", "medium", "small", "thumb",
    "thumbnail",
)  # fmt: skip


def images_of(value: object) -> list[str | EmbeddedImage]:
    """Every image a cell names, in its order: of a list, an object, or several separated by comma, semicolon or bar.

    A list or an object may be spelled as JSON or as Python prints it. Of one object's sizes the largest counts.
    """
    if isinstance(value, EmbeddedImage):
        return [value]
    value = parsed(value)
    if isinstance(value, (list, tuple)):
        return list(dict.fromkeys(image for entry in value for image in images_of(entry)))
    if isinstance(value, dict):
        found = (images_of(value[key]) for key in _IMAGE_KEYS if value.get(key))
        return next((images for images in found if images), [])
    cell = cell_text(value).strip()
    pieces = _pieces(cell) if word(cell) else []
    return list(dict.fromkeys(image for piece in pieces if (image := _address(piece))))


def _pieces(cell: str) -> list[str]:
    """Commas and semicolons may also stand in a URL or a file name: there only one that ends an image separates."""
    if not _SEPARATOR.search(cell):  # nearly every cell
        return [cell]
    pieces: list[str] = []
    for part in re.split(r"[|\n]", cell):
        for piece in _BEFORE_URI.split(part.strip()):
            pieces += [piece] if "://" in piece or piece.startswith("//") else _paths(piece)
    return pieces


def _paths(text: str) -> list[str]:
    paths, start = [], 0
    for mark in re.finditer(r"[,;]", text):
        if _ENDING.search(text[start : mark.start()].strip()):
            paths.append(text[start : mark.start()])
            start = mark.end()
    return [*paths, text[start:]]


def _address(piece: str) -> str:
    """One path or URL as it is asked for: feeds made from HTML spell & as an entity, themes leave out https:."""
    address = piece.strip(" ,;\"'")
    if "&" in address:
        address = _ENTITY.sub(lambda found: html.unescape(found.group()), address)
    return f"https:{address}" if address.startswith("//") and address.count("/") > 2 else address


class OutsideShop(Exception):
    """Raised for an image path that leads out of the shop's folder."""

    def __init__(self, image: str, folder: str) -> None:
        super().__init__(f"{image!r} leads out of {folder}; set images_root to the folder that holds the pictures")


@dataclass(frozen=True)
class Base:
    """The folder that relative image paths start from, and the root that everything local must stay below.

    ``folder`` is relative to the source's root ("" is the root itself) or a URI in another store. ``rooted``: the shop
    named the folder, so a path with a leading slash may start there.
    """

    root: str
    folder: str
    rooted: bool = False

    def locate(self, image: str) -> str:
        """What to ask the source for: a path relative to its root, or a URI. Raises OutsideShop."""
        scheme = urlsplit(image).scheme if "://" in image else ""
        if scheme in ("http", "https", "s3", "gs", "az"):
            return image
        if scheme == "file":
            return self._absolute(unquote(urlsplit(image).path), image)
        path = image.replace("\\", "/")
        if path.startswith("/") and store_of(self.root).startswith("http"):
            return f"{store_of(self.root)}{path}"  # of a table on the web: from the top of its host, as in HTML
        if self.rooted and path.startswith("/") and not self._is_within(path):
            return self._relative(path.lstrip("/"), image)  # the images' own root, as Magento and others write it
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
        if not self._is_within(path):
            raise OutsideShop(image, self._name)
        return posixpath.relpath(posixpath.normpath(path), posixpath.normpath(self.root.removeprefix("file://")))

    def _is_within(self, path: str) -> bool:
        root = self.root.removeprefix("file://")
        folder = posixpath.normpath(posixpath.join(root, self.folder.removeprefix("file://")))
        return posixpath.normpath(path).startswith(folder.rstrip("/") + "/")


def images_base(config: CatalogConfig, root: str) -> Base:
    """Where image paths of a table start: ``images_root`` if set, else the table's folder."""
    folder = config.anchor.images if config.images_root else config.table_folder
    return Base(root, folder, rooted=bool(config.images_root))
