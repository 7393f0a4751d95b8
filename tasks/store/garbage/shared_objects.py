"""Images and shards of vectors that no catalogue wants: too many to be holdings, so they are counted by the heap."""

from collections.abc import Iterable
from datetime import timedelta

import pyarrow as pa

from tasks.schema.errors import ArtifactMissing
from tasks.schema.manifest import FOLDERS
from tasks.store.artifacts import embeddings, images
from tasks.store.garbage.inventory import Stock
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.protocol import ObjectInfo
from tasks.store.objects.store import Store

_READERS = 8


def heap_of(path: str) -> str:
    """What is announced when the leaf at ``path`` is deleted: all images, or all embeddings of its model."""
    return images.FOLDER if path.startswith(f"{images.FOLDER}/") else "/".join(path.split("/")[:2])


class Leaves:
    """Finds the leaves that nobody wants. What catalogues and shards hold never changes, so it is read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hashes: dict[str, pa.ChunkedArray | None] = {}
        self._wanted: tuple[frozenset[str], set[str]] = (frozenset(), set())

    def unwanted(self, stock: Stock, catalogs: Iterable[str], age: timedelta, abandoned: timedelta) -> list[ObjectInfo]:
        """Images, shards and plans older than ``age`` that none of these catalogues (paths) wants.

        Of shards only those whose whole folder is not unneeded anyway; a plan goes when it is ``abandoned``.
        """
        wanted = self.wanted_by(catalogs)
        found = [info for info in self._store.list(images.FOLDER) if _image(info.path) not in wanted]
        old = [info for info in found if stock.now - info.modified >= age]
        for path, holding in stock.holdings.items():
            if path.startswith(f"{embeddings.FOLDER}/"):
                aged = [info for info in holding.files if stock.now - info.modified >= age]
                old.extend(info for info in aged if _is_shard(info.path) and not self._holds(info.path, wanted))
                old.extend(info for info in aged if not _is_shard(info.path) and stock.now - info.modified >= abandoned)
        return old

    def is_wanted(self, path: str, wanted: set[str]) -> bool:
        """Whether the leaf at ``path`` is, or holds, one of the ``wanted`` images."""
        if path.startswith(f"{images.FOLDER}/"):
            return _image(path) in wanted
        return _is_shard(path) and self._holds(path, wanted)

    def wanted_by(self, catalogs: Iterable[str]) -> set[str]:
        """Hashes of every image that these catalogues (paths) name. Raises ArtifactCorrupt, ArtifactMissing."""
        asked = frozenset(catalogs)
        if asked != self._wanted[0]:
            wanted: set[str] = set()
            for column in map_ordered(self._read, (f"{path}/items.parquet" for path in sorted(asked)), _READERS):
                if column is None:
                    raise ArtifactMissing(
                        f"a catalogue of {sorted(asked)} in {self._store.root} has a manifest but no items.parquet; "
                        f"which images it needs cannot be told: restore it, or delete its folder"
                    )
                wanted.update(column.to_pylist())
            self._wanted = (asked, wanted)
        return self._wanted[1]

    def _holds(self, shard: str, wanted: set[str]) -> bool:
        column = self._read(shard)
        return column is not None and any(sha256 in wanted for sha256 in column.to_pylist())

    def _read(self, path: str) -> pa.ChunkedArray | None:
        if path not in self._hashes:
            try:
                self._hashes[path] = self._store.read_table(path, ["image_sha256"])["image_sha256"]
            except ArtifactMissing:
                return None
        return self._hashes[path]


def whole_catalogs(stock: Stock, among: Iterable[str] | None = None) -> list[str]:
    """Paths of the catalogues that are there (or of those ``among`` them)."""
    paths = stock.holdings if among is None else [path for path in among if path in stock.holdings]
    return [path for path in paths if path.startswith(f"{FOLDERS['catalog']}/") and stock.holdings[path].whole]


def _image(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".jpg")


def _is_shard(path: str) -> bool:
    return path.rsplit("/", 1)[-1].startswith("part-")
