"""What is in the store at one moment, what refers to what, and what is reachable: the facts that collection rests on.

Releases, artifacts and each model's folder of embeddings are *nodes*. A node refers to others: a release to its parts,
an artifact to its parents, a model to its embeddings. What can be reached from a root is needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tasks.store.objects.interface import ObjectInfo
from tasks.store.releases import releases


@dataclass(frozen=True)
class Node:
    """One release, artifact or folder of embeddings. ``files`` in the order in which they may be deleted."""

    path: str
    files: tuple[ObjectInfo, ...]
    references: frozenset[str] = frozenset()
    complete: bool = True  # has its manifest
    trains: str | None = None  # of a checkpoint: path of the model that its training will make

    @property
    def bytes(self) -> int:
        """Size of all its files."""
        return sum(info.size for info in self.files)

    @property
    def modified(self) -> datetime:
        """When it was completed: its record's or manifest's time, else that of its newest file."""
        return self.files[0].modified if self.complete else max(info.modified for info in self.files)


@dataclass(frozen=True)
class Hold:
    """A request to keep what is at ``path``: why, since when, until when. ``record`` is the object that says so."""

    path: str
    why: str
    since: datetime
    ends: datetime | None = None
    record: str | None = None


@dataclass
class Inventory:
    """Everything in the store at one moment of the server's clock."""

    now: datetime
    nodes: dict[str, Node]
    holds: list[Hold]
    live: dict[str, str] = field(default_factory=dict)  # path -> what a live pointer uses it as

    def referenced(self) -> set[str]:
        """Paths that any stored node refers to, needed or not."""
        return {path for node in self.nodes.values() for path in node.references}

    def is_held(self, path: str) -> bool:
        """Whether a hold in force is on ``path`` itself."""
        return any(hold.path == path and self._in_force(hold) for hold in self.holds)

    def last_held(self) -> dict[str, datetime]:
        """Path -> when it was last asked for, also where that hold has expired."""
        found: dict[str, datetime] = {}
        for hold in self.holds:
            found[hold.path] = max(hold.since, found.get(hold.path, hold.since))
        return found

    def reachable(self, *, grace: timedelta, abandoned: timedelta, releases_kept: int) -> dict[str, str]:
        """Path -> why it must stay, for everything that a root reaches."""
        reached: dict[str, str] = {}
        pending = list(self._roots(grace, abandoned, releases_kept))
        while pending:
            path, why = pending.pop()
            if path in reached:
                continue
            reached[path] = why
            if path in self.nodes:
                pending.extend((reference, f"part of {path}") for reference in sorted(self.nodes[path].references))
        return reached

    def _roots(self, grace: timedelta, abandoned: timedelta, releases_kept: int) -> Iterator[tuple[str, str]]:
        """Least informative reason first: the last one given for a path is the one reported."""
        for path, node in self.nodes.items():
            age = self.now - node.modified
            if not node.complete and age < abandoned:
                yield path, "may still be in the making"
            if node.trains and age < abandoned and not self._is_complete(node.trains):
                yield path, "a training can resume from it"
            if age < grace:
                yield path, "young"
        stored = [node for path, node in self.nodes.items() if path.startswith(f"{releases.FOLDER}/")]
        newest = sorted(stored, key=lambda node: (node.modified, node.path), reverse=True)
        for node in newest[:releases_kept]:
            yield node.path, f"one of the last {releases_kept} releases"
        for hold in self.holds:
            if self._in_force(hold):
                yield hold.path, hold.why
        yield from self.live.items()

    def _in_force(self, hold: Hold) -> bool:
        return hold.ends is None or self.now <= hold.ends

    def _is_complete(self, path: str) -> bool:
        return path in self.nodes and self.nodes[path].complete
