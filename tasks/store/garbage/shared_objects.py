"""Images and shards of vectors that no catalogue needs: too many to be nodes, so they are reported by folder."""

from collections.abc import Iterable
from datetime import timedelta

import pyarrow as pa

from tasks.schema.errors import ArtifactMissing
from tasks.schema.manifest import FOLDERS
from tasks.schema.tables import FURTHER_IMAGES_FILE
from tasks.store.artifacts import embeddings, images
from tasks.store.garbage.inventory import Inventory
from tasks.store.objects.interface import ObjectInfo
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.store import Store


def shared_folder(path: str) -> str:
    """Folder that is announced when the shared object at ``path`` is deleted: all images, or a model's embeddings."""
    return images.FOLDER if path.startswith(f"{images.FOLDER}/") else "/".join(path.split("/")[:2])


class SharedObjects:
    """Finds the shared objects that nothing needs. What catalogues and shards hold never changes: it is read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hashes: dict[str, pa.ChunkedArray | None] = {}
        self._needed: tuple[frozenset[str], set[str]] = (frozenset(), set())

    def unneeded(
        self, inventory: Inventory, catalogs: Iterable[str], age: timedelta, abandoned: timedelta
    ) -> list[ObjectInfo]:
        """Images, shards and plans older than ``age`` that none of these catalogues (paths) needs.

        A plan goes when it is ``abandoned``.
        """
        needed = self.hashes_of(catalogs)
        found = [info for info in self._store.list(images.FOLDER) if _image_hash(info.path) not in needed]
        old = [info for info in found if inventory.now - info.modified >= age]
        for path, node in inventory.nodes.items():
            if path.startswith(f"{embeddings.FOLDER}/"):
                aged = [info for info in node.files if inventory.now - info.modified >= age]
                old += [info for info in aged if _is_shard(info.path) and not self._holds(info.path, needed)]
                plans = [info for info in aged if not _is_shard(info.path)]
                old += [info for info in plans if inventory.now - info.modified >= abandoned]
        return old

    def is_needed(self, path: str, hashes: set[str]) -> bool:
        """Whether the object at ``path`` is, or holds the vector of, one of the images with these ``hashes``."""
        if path.startswith(f"{images.FOLDER}/"):
            return _image_hash(path) in hashes
        return _is_shard(path) and self._holds(path, hashes)

    def hashes_of(self, catalogs: Iterable[str]) -> set[str]:
        """Hashes of every image that these catalogues (paths) name. Raises ArtifactCorrupt, ArtifactMissing."""
        wanted = frozenset(catalogs)
        if wanted != self._needed[0]:
            hashes: set[str] = set()
            for column in map_ordered(self._read, (f"{path}/items.parquet" for path in sorted(wanted))):
                if column is None:
                    raise ArtifactMissing(
                        f"a catalogue of {sorted(wanted)} in {self._store.root} has a manifest but no items.parquet, "
                        f"so that the images it needs are unknown: restore it, or delete its folder"
                    )
                hashes.update(column.to_pylist())
            further = (f"{path}/{FURTHER_IMAGES_FILE}" for path in sorted(wanted))
            for column in map_ordered(self._read, further):
                hashes.update(column.to_pylist() if column is not None else ())
            self._needed = (wanted, hashes)
        return self._needed[1]

    def _holds(self, shard: str, hashes: set[str]) -> bool:
        column = self._read(shard)
        return column is not None and any(sha256 in hashes for sha256 in column.to_pylist())

    def _read(self, path: str) -> pa.ChunkedArray | None:
        if path not in self._hashes:
            try:
                self._hashes[path] = self._store.read_table(path, ["image_sha256"])["image_sha256"]
            except ArtifactMissing:
                return None
        return self._hashes[path]


def complete_catalogs(inventory: Inventory, among: Iterable[str] | None = None) -> list[str]:
    """Paths of the complete catalogues in the store (or of those ``among`` these paths)."""
    paths = inventory.nodes if among is None else [path for path in among if path in inventory.nodes]
    return [path for path in paths if path.startswith(f"{FOLDERS['catalog']}/") and inventory.nodes[path].complete]


def _image_hash(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".jpg")


def _is_shard(path: str) -> bool:
    return path.rsplit("/", 1)[-1].startswith("part-")
