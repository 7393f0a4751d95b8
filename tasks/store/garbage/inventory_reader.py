"""Reads the inventory of a store: nodes, holds and live pointers, on the storage's own clock."""

import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing
from tasks.schema.manifest import FOLDERS, ArtifactRef, Manifest
from tasks.schema.release import Release
from tasks.store.artifacts import claims, embeddings
from tasks.store.artifacts.manifests import MANIFEST, load_manifest
from tasks.store.garbage.inventory import Hold, Inventory, Node
from tasks.store.objects.interface import ObjectInfo
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.store import Store
from tasks.store.releases import pins, reader_leases, releases
from tasks.store.releases.live import list_channels, read_live

T = TypeVar("T")

#: Role of a parent that says where something came from, and is not needed to use or to explain it.
LINEAGE = "previous"
_log = logging.getLogger(__name__)


class InventoryReader:
    """Reads the inventory of one store repeatedly; records that cannot have changed are read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: dict[tuple[str, datetime], Any] = {}

    def read(self) -> Inventory:
        """What is stored now. Raises ArtifactCorrupt where a record that decides over others cannot be read."""
        now = server_time(self._store)
        # Holds first: what is made while this reads the rest is young.
        holds = [*self._pins(), *self._expiring(reader_leases.FOLDER), *self._expiring(claims.FOLDER)]
        live = self._live()
        nodes = {node.path: node for node in (*self._releases(), *self._artifacts(), *self._embeddings())}
        return Inventory(now, nodes, holds, live)

    def _live(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for channel in list_channels(self._store):
            state = read_live(self._store, channel)
            if state is None:
                continue
            pointer = state.pointer
            if pointer.previous:
                found.setdefault(f"{releases.FOLDER}/{pointer.previous}", f"a roll-back of {channel} goes there")
            found[f"{releases.FOLDER}/{pointer.release}"] = f"live on {channel}"
            if pointer.removals:
                found[str(pointer.removals)] = f"taken down on {channel}"
        return found

    def _pins(self) -> Iterator[Hold]:
        for info in self._store.list(pins.FOLDER):
            release = info.path.removeprefix(f"{pins.FOLDER}/").removesuffix(".json")
            yield Hold(f"{releases.FOLDER}/{release}", "pinned", info.modified)

    def _expiring(self, folder: str) -> Iterator[Hold]:
        """Reader leases or claims: records that expire by themselves."""
        infos = self._store.list(folder)
        for info, record in zip(infos, map_ordered(self._read_json, infos), strict=True):
            if record is None:  # released between listing and reading
                continue
            ends = info.modified + timedelta(seconds=record["lasts"])
            why = f"read under {info.path}" if folder == reader_leases.FOLDER else "a run builds upon it"
            for path in record["paths"]:
                yield Hold(path, why, info.modified, ends, info.path)

    def _read_json(self, info: ObjectInfo) -> Any:
        try:
            return self._store.read_json(info.path)
        except ArtifactMissing:
            return None

    def _releases(self) -> Iterator[Node]:
        infos = self._store.list(releases.FOLDER)
        for info, release in zip(infos, map_ordered(self._release, infos), strict=True):
            if release is not None:
                yield Node(info.path.removesuffix(".json"), (info,), frozenset(map(str, release.refs)))

    def _release(self, info: ObjectInfo) -> Release | None:
        name = info.path.removeprefix(f"{releases.FOLDER}/").removesuffix(".json")
        try:
            return self._once(info, lambda: releases.read_release(self._store, name))
        except ArtifactMissing:
            return None

    def _artifacts(self) -> Iterator[Node]:
        for kind, folder in FOLDERS.items():
            files: dict[str, list[ObjectInfo]] = defaultdict(list)
            for info in self._store.list(folder):
                parts = info.path.split("/")
                if len(parts) > 2:
                    files[parts[1]].append(info)
            yield from map_ordered(partial(self._artifact, kind), files.items())

    def _artifact(self, kind: str, entry: tuple[str, list[ObjectInfo]]) -> Node:
        name, files = entry
        path = f"{FOLDERS[kind]}/{name}"
        ordered = sorted(files, key=lambda info: (info.path != f"{path}/{MANIFEST}", info.path))
        if ordered[0].path != f"{path}/{MANIFEST}":
            return Node(path, tuple(ordered), complete=False)
        manifest = self._once(ordered[0], lambda: self._manifest(path, kind, name))
        if manifest is None:
            return Node(path, tuple(ordered))
        references = {str(ref) for role, ref in manifest.parents.items() if role != LINEAGE}
        if kind == "model":
            references.add(f"{embeddings.FOLDER}/{name}")
        model = manifest.parameters.get("model") if kind == "checkpoint" else None
        return Node(path, tuple(ordered), frozenset(references), trains=model and f"{FOLDERS['model']}/{model}")

    def _manifest(self, path: str, kind: str, name: str) -> Manifest | None:
        try:
            return load_manifest(self._store, ArtifactRef.model_validate({"kind": kind, "id": name}))
        except (ArtifactCorrupt, ArtifactMissing, ValidationError) as error:
            _log.warning("what %s is made of is unknown: %s", path, error)
            return None

    def _once(self, info: ObjectInfo, read: Callable[[], T]) -> T:
        """What ``read`` gave for this version of an object, kept from the first time on."""
        key = (info.path, info.modified)
        if key not in self._records:
            self._records[key] = read()
        found: T = self._records[key]
        return found

    def _embeddings(self) -> Iterator[Node]:
        files: dict[str, list[ObjectInfo]] = defaultdict(list)
        for info in self._store.list(embeddings.FOLDER):
            files[info.path.split("/")[1]].append(info)
        for model, infos in files.items():
            newest_first = sorted(infos, key=lambda info: (info.modified, info.path), reverse=True)
            yield Node(f"{embeddings.FOLDER}/{model}", tuple(newest_first))


def server_time(store: Store) -> datetime:
    """The storage's own clock, which also dates every object: ages measured by it need no agreement of machines."""
    path = f"tombstones/.probe-{uuid.uuid4().hex}"
    store.write_bytes(path, b"now")
    try:
        written = store.stat(path)
        if written is None:
            raise ArtifactMissing(f"{store.url(path)} was written a moment ago and is gone; try again")
        return written.modified
    finally:
        store.delete(path)
