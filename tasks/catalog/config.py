"""Settings of a catalogue: where the shop is, what its columns are called, which images are refused."""

import codecs
import os
import posixpath
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from tasks.schema.config import Config

TABLE_ENDINGS = (
    ".csv", ".tsv", ".txt", ".parquet", ".pq", ".jsonl", ".ndjson", ".json", ".xml", ".rss", ".atom", ".xlsx",
)  # fmt: skip
#: Files that people try as well, and what to write instead.
_UNREAD_ENDINGS = (
    ".xls",
    ".xlsb",
    ".ods",
    ".numbers",
    ".sql",
    ".db",
    ".sqlite",
    ".feather",
    ".orc",
    ".avro",
    ".zip",
    ".html",
    ".yaml",
    ".yml",
    ".pkl",
    ".npy",
    ".7z",
    ".rar",
    ".tar",
    ".tgz",
    ".bz2",
    ".xz",
    ".zst",
)

#: Our columns of a shop's own table; the first three must be found.
TABLE_FIELDS = (
    "item_id",
    "title",
    "image",
    "description",
    "brand",
    "category",
    "product_type",
    "color",
    "material",
    "pattern",
    "price",
    "group_id",
    "language",
)
REQUIRED_FIELDS = TABLE_FIELDS[:3]
_ANY_SHOPS_TABLE = ("products", "catalog", "catalogue", "items", "listings", "export", "data", "table")


def is_table(source: str) -> bool:
    """Whether a path or URI ends like a table; a trailing ``.gz`` is looked through."""
    path = source.partition("?")[0] if _is_web(source) else source
    return path.lower().removesuffix(".gz").endswith(TABLE_ENDINGS)


def _is_web(source: str) -> bool:
    return source.lower().startswith(("http://", "https://"))


Format = Literal[
    "auto", "abo", "table", "shopify", "woocommerce", "magento", "bigcommerce", "google", "kaggle_styles",
    "amazon_reviews",
]  # fmt: skip


class CatalogConfig(Config):
    """How a shop is read as a catalogue."""

    source: str = Field(
        description="One table (csv, tsv, parquet, json, jsonl, xml, xlsx; .gz is read too; a path, s3:// or "
        "https://), a folder of parts of one, or an ABO export (s3://amazon-berkeley-objects)",
        min_length=1,
    )
    format: Format = Field(
        "auto",
        description="auto: an ABO export, or a table (a source that ends like one, or a folder of parts of one), whose "
        "export is told by its columns; table: without looking for an export; else the export that it is",
    )
    anonymous: bool = Field(False, description="Read a public bucket without credentials")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Tables: our column -> the shop's, e.g. {'item_id': 'sku'}, or a pattern of columns: "
        "{'image': 'images/{id}.jpg'}; an empty name leaves a column unread",
    )
    images_root: str | None = Field(
        None,
        description="Tables: folder or URI that image paths start from; a relative one starts at the table's folder, "
        "which is the default",
    )
    delimiter: str | None = Field(None, description="Tables: one character; default is sniffed from , ; tab |")
    encoding: str = Field("utf-8", description="Tables: encoding of a csv / tsv file")
    abo_images: Literal["small", "original"] = Field("small", description="ABO: which of the two image sizes")
    languages: tuple[str, ...] = Field(
        ("en_US", "en_GB", "en_*", "en"), description="Language tags in order of preference; * stands for any ending"
    )
    category_level: int = Field(1, ge=1, le=5, description="How many levels of the category path make a class")
    max_items: int | None = Field(
        None, ge=1, description="Take a subset of this size, every category in proportion; default everything"
    )
    train_share: float = Field(0.8, ge=0, le=1, description="Share of the groups to train on")
    val_share: float = Field(0.1, ge=0, le=1, description="Share of the groups that choose the best step")
    test_share: float = Field(0.1, ge=0, le=1, description="Share of the groups that only the final figures see")
    split_seed: str = Field("product-search", description="Another word gives another split")
    max_reject_share: float = Field(0.05, ge=0, le=1, description="More rows refused than this share stop the run")
    images_per_product: int = Field(
        8,
        ge=1,
        le=64,
        description="Images of one product that are read and embedded; the first that can be used is its own",
    )
    picture_side: int = Field(320, ge=32, le=4096, description="Longest side of a stored image, pixels")
    picture_max_bytes: int = Field(25_000_000, ge=1, description="Largest image file that is read, bytes")
    picture_max_pixels: int = Field(
        50_000_000, ge=1, le=178_000_000, description="Largest image that is decoded, pixels"
    )
    reread_pictures: bool = Field(
        False, description="Read every image again, also where size and time, or ETag, are as when it was last read"
    )
    picture_threads: int = Field(8, ge=1, le=64, description="Images read at once")

    @model_validator(mode="after")
    def _no_contradictions(self) -> "CatalogConfig":
        faults = []
        total = self.train_share + self.val_share + self.test_share
        if abs(total - 1) > 1e-6:
            faults.append(f"train_share + val_share + test_share is {total:g}, must be 1")
        unknown = sorted(set(self.columns) - set(TABLE_FIELDS))
        if unknown:
            faults.append(f"columns maps {unknown}, which are none of ours: {list(TABLE_FIELDS)}")
        unread = [name for name in REQUIRED_FIELDS if self.columns.get(name) == ""]
        if unread:
            faults.append(f"columns leaves {unread} unread, which every item needs")
        if self.delimiter is not None and len(self.delimiter) != 1:
            faults.append(f"delimiter must be one character, found {self.delimiter!r}")
        if not _known_encoding(self.encoding):
            faults.append(f"encoding {self.encoding!r} is unknown; examples: utf-8, cp1252, shift_jis")
        if self.format == "abo" and (self.columns or self.images_root):
            faults.append("columns and images_root are for tables, but this source is read as an ABO export")
        ending = posixpath.splitext(self.source.lower().rstrip("/"))[1]
        if ending in _UNREAD_ENDINGS:
            faults.append(
                f"a {ending} file is not read; read are {', '.join(TABLE_ENDINGS)} (also with .gz), a folder of such "
                "files, and a folder of an ABO export: save the products as one of these"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def names_table(self) -> bool:
        """Whether the source names one table, and no folder."""
        return self.format != "abo" and (is_table(self.source) or _is_web(self.source))

    @property
    def anchor(self) -> "Anchor":
        """Where the shop is: the root to open, and the table and its images below it."""
        return _anchor(self.source, self.images_root, self.names_table)

    @property
    def root(self) -> str:
        """Folder or URI that contains everything of this shop: what to open as SourceFiles."""
        return self.anchor.root

    @property
    def table(self) -> str:
        """The table's path relative to ``root``."""
        return self.anchor.table

    @property
    def table_folder(self) -> str:
        """Folder of the table, relative to ``root``."""
        return posixpath.dirname(self.table.partition("?")[0] if _is_web(self.source) else self.table)

    @property
    def shop_name(self) -> str:
        """Name of the shop for the run history: its table's, or its folder's where the table is just 'products'."""
        folder, name = posixpath.split(self.source.partition("?")[0].rstrip("/"))
        table = name.partition(".")[0]
        return (posixpath.basename(folder) or table) if table.lower() in _ANY_SHOPS_TABLE else table

    def same_shop(self, other: "CatalogConfig") -> bool:
        """Whether both read one shop, as much of it: their catalogues differ by what the shop changed, no more."""
        mine, others = ((_absolute(config.root), config.max_items) for config in (self, other))
        return mine == others


class Anchor(NamedTuple):
    """``table`` and ``images`` are relative to ``root``, "" being the root itself; ``images`` may be any URI."""

    root: str
    table: str
    images: str


def _anchor(source: str, images_root: str | None, names_table: bool) -> Anchor:
    """The root is the table's folder or, with ``images_root`` elsewhere in the same store, their common parent."""
    source = source.removeprefix("file://")
    path, mark, query = source.partition("?") if _is_web(source) else (source, "", "")
    folder, name = posixpath.split(path) if names_table else (path.rstrip("/") or "/", "")
    name += mark + query
    if not images_root:
        return Anchor(folder or ".", name, "")
    images = images_root.removeprefix("file://")
    images = posixpath.join(folder, images) if is_relative(images) else images
    scheme = store_of(source)
    if store_of(images) != scheme:
        return Anchor(folder or ".", name, images.rstrip("/"))
    paths = [posixpath.normpath(path[len(scheme) :] or ("/" if scheme else ".")) for path in (folder, images)]
    if not scheme and (len({is_relative(path) for path in paths}) > 1 or any(path.startswith("..") for path in paths)):
        paths = [os.path.abspath(path) for path in paths]
    common = posixpath.commonpath(paths) or "."
    inside = posixpath.relpath(paths[1], common)
    table = posixpath.relpath(posixpath.join(paths[0], name), common)
    return Anchor((scheme + common).rstrip("/") or "/", "" if table == "." else table, "" if inside == "." else inside)


def _known_encoding(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def is_relative(path: str) -> bool:
    """Whether a path is neither a URI nor absolute."""
    return "://" not in path and not path.startswith("/")


def _absolute(root: str) -> str:
    return os.path.abspath(root) if is_relative(root) else root.rstrip("/")


def store_of(uri: str) -> str:
    """``s3://bucket`` of an object, ``https://host`` of a URL, ``file://`` of a file URI, ``""`` of a plain path."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return ""
    return f"{scheme}://" if scheme == "file" else f"{scheme}://{rest.split('/', 1)[0]}"
