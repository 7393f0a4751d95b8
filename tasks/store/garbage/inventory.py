"""What is in the store, what each thing is made of, and which of it is needed: the ground garbage collection stands on.

Releases, artifacts and each model's folder of embeddings are *holdings*. A holding names others: a release its parts,
an artifact its parents, a model its embeddings. What can be reached from a root is needed.
"""

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing
from tasks.schema.manifest import FOLDERS, ArtifactRef, Manifest
from tasks.schema.release import Release
from tasks.store.artifacts import claims, embeddings
from tasks.store.artifacts.manifests import MANIFEST, load_manifest
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.protocol import ObjectInfo
from tasks.store.objects.store import Store
from tasks.store.releases import pins, releases
from tasks.store.releases import reader_leases as readers
from tasks.store.releases.live import list_channels, read_live

#: Role of a parent that tells where something came from, and is not needed to use or to explain it.
LINEAGE = "previous"
_READERS = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holding:
    """One release, artifact or folder of embeddings. ``files`` in the order in which they may be deleted."""

    path: str
    files: tuple[ObjectInfo, ...]
    names: frozenset[str] = frozenset()
    whole: bool = True  # has its manifest
    trains: str | None = None  # of a checkpoint: path of the model it is on the way to

    @property
    def bytes(self) -> int:
        """Size of all its files."""
        return sum(info.size for info in self.files)

    @property
    def modified(self) -> datetime:
        """When it became what it is: its record's or manifest's time, else that of its newest file."""
        return self.files[0].modified if self.whole else max(info.modified for info in self.files)


@dataclass(frozen=True)
class Need:
    """A wish to keep what is at ``path``: why, since when, and when it ended. ``record`` is the object that says so."""

    path: str
    why: str
    since: datetime
    ends: datetime | None = None
    record: str | None = None


@dataclass
class Stock:
    """Everything that is there, at one moment of the server's clock."""

    now: datetime
    holdings: dict[str, Holding]
    needs: list[Need]
    pointed: dict[str, str] = field(default_factory=dict)  # release path -> which channel, as what

    def named(self) -> set[str]:
        """Paths that something which is still there names, needed or not."""
        return {name for holding in self.holdings.values() for name in holding.names}

    def claimed(self, path: str) -> bool:
        """Whether a claim that counts is on ``path`` itself."""
        return any(need.path == path and self._counts(need) for need in self.needs)

    def last_needed(self) -> dict[str, datetime]:
        """Path -> when somebody last said that it is needed, also where that has run out."""
        found: dict[str, datetime] = {}
        for need in self.needs:
            found[need.path] = max(need.since, found.get(need.path, need.since))
        return found

    def kept(self, *, grace: timedelta, abandoned: timedelta, releases_kept: int) -> dict[str, str]:
        """Path -> why it must stay, for every holding that a root reaches."""
        reached: dict[str, str] = {}
        waiting = list(self._roots(grace, abandoned, releases_kept))
        while waiting:
            path, why = waiting.pop()
            if path in reached:
                continue
            reached[path] = why
            if path in self.holdings:
                waiting.extend((name, f"part of {path}") for name in sorted(self.holdings[path].names))
        return reached

    def _roots(self, grace: timedelta, abandoned: timedelta, releases_kept: int) -> Iterable[tuple[str, str]]:
        """Least telling reason first: the last one given is the one that is kept."""
        for path, holding in self.holdings.items():
            age = self.now - holding.modified
            if not holding.whole and age < abandoned:
                yield path, "may still be being made"
            if holding.trains and age < abandoned and not self._is_whole(holding.trains):
                yield path, "a training can go on from it"
            if age < grace:
                yield path, "young"
        stored = [holding for path, holding in self.holdings.items() if path.startswith(f"{releases.FOLDER}/")]
        newest = sorted(stored, key=lambda holding: (holding.modified, holding.path), reverse=True)
        for holding in newest[:releases_kept]:
            yield holding.path, f"one of the last {releases_kept} releases"
        for need in self.needs:
            if self._counts(need):
                yield need.path, need.why
        yield from self.pointed.items()

    def _counts(self, need: Need) -> bool:
        return need.ends is None or self.now <= need.ends

    def _is_whole(self, path: str) -> bool:
        return path in self.holdings and self.holdings[path].whole


class Inventory:
    """Takes stock of a store again and again; what cannot have changed is not read twice."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[tuple[str, datetime], Release | Manifest | None] = {}

    def take(self) -> Stock:
        """What is there now. Raises ArtifactCorrupt where a record that decides over others cannot be read."""
        now = server_time(self._store)
        # Wishes first: what is made while this reads the rest is young.
        needs = [*self._pins(), *self._lasting(readers.FOLDER), *self._lasting(claims.FOLDER)]
        pointed = self._pointed()
        holdings = {holding.path: holding for holding in (*self._releases(), *self._artifacts(), *self._embeddings())}
        return Stock(now, holdings, needs, pointed)

    def _pointed(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for channel in list_channels(self._store):
            state = read_live(self._store, channel)
            if state is not None:
                if state.pointer.previous:
                    found.setdefault(
                        f"{releases.FOLDER}/{state.pointer.previous}", f"a roll-back of {channel} goes there"
                    )
                found[f"{releases.FOLDER}/{state.pointer.release}"] = f"live on {channel}"
                if state.pointer.removals:
                    found[str(state.pointer.removals)] = f"taken down on {channel}"
        return found

    def _pins(self) -> Iterable[Need]:
        for info in self._store.list(pins.FOLDER):
            release = info.path.removeprefix(f"{pins.FOLDER}/").removesuffix(".json")
            yield Need(f"{releases.FOLDER}/{release}", "pinned", info.modified)

    def _lasting(self, folder: str) -> Iterable[Need]:
        """Leases or claims: records that end by themselves."""
        infos = self._store.list(folder)
        for info, record in zip(infos, map_ordered(self._read_json, infos, _READERS), strict=True):
            if record is None:  # given up between listing and reading
                continue
            ends = info.modified + timedelta(seconds=record["lasts"])
            why = f"read under {info.path}" if folder == readers.FOLDER else "a run builds upon it"
            for path in record["paths"]:
                yield Need(path, why, info.modified, ends, info.path)

    def _read_json(self, info: ObjectInfo) -> Any:
        try:
            return self._store.read_json(info.path)
        except ArtifactMissing:
            return None

    def _releases(self) -> Iterable[Holding]:
        infos = self._store.list(releases.FOLDER)
        for info, release in zip(infos, map_ordered(self._release, infos, _READERS), strict=True):
            if release is not None:
                path = info.path.removesuffix(".json")
                yield Holding(path, (info,), frozenset(map(str, release.refs)))

    def _release(self, info: ObjectInfo) -> Release | None:
        key = (info.path, info.modified)
        if key not in self._read:
            try:
                name = info.path.removeprefix(f"{releases.FOLDER}/").removesuffix(".json")
                self._read[key] = releases.read_release(self._store, name)
            except ArtifactMissing:
                return None
        found = self._read[key]
        assert isinstance(found, Release)
        return found

    def _artifacts(self) -> Iterable[Holding]:
        for kind, folder in FOLDERS.items():
            files: dict[str, list[ObjectInfo]] = defaultdict(list)
            for info in self._store.list(folder):
                parts = info.path.split("/")
                if len(parts) > 2:
                    files[parts[1]].append(info)
            made = map_ordered(lambda one: self._artifact(kind, *one), files.items(), _READERS)  # noqa: B023
            yield from made

    def _artifact(self, kind: str, name: str, files: list[ObjectInfo]) -> Holding:
        path = f"{FOLDERS[kind]}/{name}"
        ordered = sorted(files, key=lambda info: (info.path != f"{path}/{MANIFEST}", info.path))
        if ordered[0].path != f"{path}/{MANIFEST}":
            return Holding(path, tuple(ordered), whole=False)
        manifest = self._manifest(ordered[0], kind, name)
        if manifest is None:
            return Holding(path, tuple(ordered))
        names = {str(ref) for role, ref in manifest.parents.items() if role != LINEAGE}
        if kind == "model":
            names.add(f"{embeddings.FOLDER}/{name}")
        model = manifest.parameters.get("model") if kind == "checkpoint" else None
        return Holding(path, tuple(ordered), frozenset(names), trains=model and f"{FOLDERS['model']}/{model}")

    def _manifest(self, info: ObjectInfo, kind: str, name: str) -> Manifest | None:
        key = (info.path, info.modified)
        if key not in self._read:
            try:
                self._read[key] = load_manifest(self._store, ArtifactRef.model_validate({"kind": kind, "id": name}))
            except (ArtifactCorrupt, ArtifactMissing, ValidationError) as error:
                _log.warning("what %s is made of cannot be told: %s", info.path, error)
                self._read[key] = None
        found = self._read[key]
        return found if isinstance(found, Manifest) else None

    def _embeddings(self) -> Iterable[Holding]:
        files: dict[str, list[ObjectInfo]] = defaultdict(list)
        for info in self._store.list(embeddings.FOLDER):
            files[info.path.split("/")[1]].append(info)
        for model, infos in files.items():
            newest_first = sorted(infos, key=lambda info: (info.modified, info.path), reverse=True)
            yield Holding(f"{embeddings.FOLDER}/{model}", tuple(newest_first))


def server_time(store: Store) -> datetime:
    """The storage's own clock, which also dates every object: ages told by it need no agreement between machines."""
    path = f"tombstones/.probe-{uuid.uuid4().hex}"
    store.write_bytes(path, b"now")
    try:
        written = store.stat(path)
        if written is None:
            raise ArtifactMissing(f"{store.url(path)} was written a moment ago and is gone; try again")
        return written.modified
    finally:
        store.delete(path)
