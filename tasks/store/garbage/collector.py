"""Garbage collection: what nothing needs is marked, and a grace later, if nothing needs it still, deleted.

Marks are the collector's own notes (``tombstones/marked.json``): they stop nobody. A deletion is announced, object by
object, in ``tombstones/deleting/``; who needs what is then read once more, and only what is still unneeded goes. That
order is half of the protocol of `tasks/store/artifacts/claims.py`.

Names go before what they name (release, then index, then model): whatever can still be found is whole.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Literal

from tasks.schema.errors import ArtifactMissing
from tasks.store.artifacts import claims, embeddings
from tasks.store.artifacts.claims import DELETION_LASTS, DELETIONS, deletion_path
from tasks.store.garbage.config import GarbageConfig
from tasks.store.garbage.inventory import Holding, Inventory, Stock, server_time
from tasks.store.garbage.shared_objects import Leaves, heap_of, whole_catalogs
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.protocol import ConditionFailed, ConditionsUnsupported, ObjectInfo
from tasks.store.objects.store import Store, dump_json

MARKS = "tombstones/marked.json"
Verdict = Literal["kept", "missing", "marked", "waiting", "due", "deleted", "taken back"]
_AT_ONCE = 200  # holdings or leaves announced together: who needs them is read once for all of these
_DELETERS = 8
_TIME_TO_DELETE = DELETION_LASTS.total_seconds() / 3  # the rest is for a last call that hangs
_log = logging.getLogger(__name__)
_OPTIONAL = f"{embeddings.FOLDER}/"  # a model may have none
_NOTHING = "nothing needs it"


@dataclass(frozen=True)
class Line:
    """What became of one holding, or of the leaves of one heap."""

    path: str
    verdict: Verdict
    why: str
    objects: int
    bytes: int


@dataclass
class Collected:
    """What a run found and did. ``lines`` name every holding; ``deleted`` counts objects, ``scraps`` dead writes."""

    dry_run: bool
    lines: list[Line] = field(default_factory=list)
    deleted: int = 0
    freed: int = 0
    scraps: int = 0
    finished: bool = True


def collect(store: Store, config: GarbageConfig) -> Collected:
    """One run: mark what is unneeded, and delete what was marked a grace ago and still is.

    A dry run writes nothing. What a run leaves undone (its budget, its death) the next one finishes. Raises
    ArtifactCorrupt where a record that decides over others cannot be read: then nothing is deleted.
    """
    return _Run(store, config).run()


class _Run:
    def __init__(self, store: Store, config: GarbageConfig) -> None:
        self.store, self.config = store, config
        self.inventory, self.leaves = Inventory(store), Leaves(store)
        self.marks: dict[str, datetime] = {}
        self.result = Collected(config.dry_run)
        self.verdicts: dict[str, Verdict] = {}
        self.gone: set[str] = set()

    def run(self) -> Collected:
        stock = self.inventory.take()
        kept = self._kept(stock)
        unneeded = {path: holding for path, holding in stock.holdings.items() if path not in kept}
        leaves = self._unwanted_leaves(stock, kept, unneeded)
        everything = unneeded | {leaf.path: leaf for leaf in leaves}
        self._mark(stock, everything)
        due = [holding for path, holding in everything.items() if self._is_due(stock, path)]
        if self.config.dry_run:
            self.verdicts |= {holding.path: "due" for holding in due}
        else:
            self._write_marks()
            self._delete_holdings(stock, [holding for holding in due if holding.path in unneeded])
            self._delete_leaves([holding for holding in due if holding.path not in unneeded])
            self._forget_expired(stock)
            self.result.scraps = self.store.objects.drop_scratch(stock.now - self.config.abandoned)
            self._write_marks()
        self._tell(stock, kept, leaves)
        return self.result

    def _kept(self, stock: Stock) -> dict[str, str]:
        config = self.config
        return stock.kept(grace=config.grace, abandoned=config.abandoned, releases_kept=config.keep_releases)

    def _unwanted_leaves(self, stock: Stock, kept: Mapping[str, str], unneeded: Mapping[str, Holding]) -> list[Holding]:
        catalogs = whole_catalogs(stock, kept)
        found = self.leaves.unwanted(stock, catalogs, self.config.grace, self.config.abandoned)
        return [Holding(info.path, (info,)) for info in found if heap_of(info.path) not in unneeded]

    # Marks

    def _mark(self, stock: Stock, unneeded: Mapping[str, Holding]) -> None:
        before = self._read_marks()
        used = stock.last_needed()
        for path, holding in unneeded.items():
            since = max(holding.modified, used.get(path, holding.modified))
            known = before.get(path)
            if known is None or known < since:
                self.marks[path], self.verdicts[path] = stock.now, "marked"
            else:
                self.marks[path], self.verdicts[path] = known, "waiting"

    def _is_due(self, stock: Stock, path: str) -> bool:
        return stock.now - self.marks[path] >= self.config.grace

    def _read_marks(self) -> dict[str, datetime]:
        try:
            return {path: datetime.fromisoformat(when) for path, when in self.store.read_json(MARKS).items()}
        except ArtifactMissing:
            return {}

    def _write_marks(self) -> None:
        marks = {path: when.isoformat() for path, when in self.marks.items() if path not in self.gone}
        if marks or self.store.exists(MARKS):
            self.store.write_json(MARKS, marks)

    # Deletion

    def _delete_holdings(self, stock: Stock, due: list[Holding]) -> None:
        """Round after round: what nothing names any more goes, and with it the last name of something else."""
        while due and self.result.finished:
            named = {name for path, one in stock.holdings.items() if path not in self.gone for name in one.names}
            ready = [holding for holding in due if holding.path not in named][:_AT_ONCE]
            if not ready:
                return
            stock = self._delete_together(ready)
            tried = {holding.path for holding in ready}
            due = [holding for holding in due if holding.path not in tried]

    def _delete_leaves(self, due: list[Holding]) -> None:
        for start in range(0, len(due), _AT_ONCE):
            if self.result.finished:
                self._delete_together(due[start : start + _AT_ONCE])

    def _delete_together(self, due: Sequence[Holding]) -> Stock:
        """Announce, read again who needs what, and delete what nobody does. Returns what was read."""
        begun = monotonic()
        announced = {path for path in sorted({_announced(holding.path) for holding in due}) if self._announce(path)}
        stock = self.inventory.take()
        kept, named = self._kept(stock), stock.named()
        for holding in due:
            unit = _announced(holding.path)
            if unit not in announced:
                continue
            if unit == holding.path:
                wanted, now = unit in kept or unit in named, stock.holdings.get(unit, holding)
            else:
                wanted, now = self._is_wanted(stock, unit, holding.path), holding
            if wanted:
                self.verdicts[holding.path] = "taken back"
            elif self._delete_files(now.files, begun):
                self.verdicts[holding.path] = "deleted"
                self.gone.add(holding.path)
        # Not in a finally: after an error a delete may still be on its way, and the announcement has to outlast it.
        for unit in announced:
            self.store.delete(deletion_path(unit))
        return stock

    def _is_wanted(self, stock: Stock, heap: str, path: str) -> bool:
        if heap == claims.IMAGES and stock.claimed(heap):
            return True
        return self.leaves.is_wanted(path, self.leaves.wanted_by(whole_catalogs(stock)))

    def _delete_files(self, files: Sequence[ObjectInfo], begun: float) -> bool:
        """Delete the first file, then the others; tells whether all are gone, or the time or the budget was over."""
        allowed = files[: self.config.max_objects - self.result.deleted]

        def delete(info: ObjectInfo) -> int | None:
            if monotonic() - begun > _TIME_TO_DELETE:
                return None
            self.store.delete(info.path)
            return info.size

        done = [delete(info) for info in allowed[:1]]  # the manifest, if there is one
        done += map_ordered(delete, allowed[1:], _DELETERS)
        sizes = [size for size in done if size is not None]
        self.result.deleted += len(sizes)
        self.result.freed += sum(sizes)
        self.result.finished = len(sizes) == len(files)
        return self.result.finished

    def _announce(self, path: str) -> bool:
        """Write the tombstone; False where another collector's stands, which is then at work on it."""
        where, data = deletion_path(path), dump_json({"path": path})
        try:
            try:
                _, etag = self.store.objects.read_tagged(where)
            except ArtifactMissing:
                self.store.objects.create(where, data)
                return True
            announced = self.store.stat(where)
            if announced is not None and server_time(self.store) - announced.modified <= DELETION_LASTS:
                return False
            self.store.objects.replace(where, data, etag)
        except ConditionFailed:
            return False
        except ConditionsUnsupported:
            self.store.write_bytes(where, data)
        return True

    def _forget_expired(self, stock: Stock) -> None:
        """Drop what the dead left: announcements, and a grace after their end (when they last tell of use) claims."""
        for info in self.store.list(DELETIONS):
            unit = info.path.removeprefix(f"{DELETIONS}/").removesuffix(".json")
            if self._announce(unit):  # ours now: another collector's would have refused
                self.store.delete(info.path)
        for need in stock.needs:
            if need.record and need.ends is not None and stock.now - need.ends > self.config.grace:
                self.store.delete(need.record)

    # Telling

    def _tell(self, stock: Stock, kept: Mapping[str, str], leaves: Sequence[Holding]) -> None:
        lines = self.result.lines
        for path, holding in sorted(stock.holdings.items()):
            verdict = self.verdicts.get(path, "kept")
            lines.append(Line(path, verdict, kept.get(path, _NOTHING), len(holding.files), holding.bytes))
        for path, why in sorted(kept.items()):
            if path not in stock.holdings and why.startswith("part of") and not path.startswith(_OPTIONAL):
                lines.append(Line(path, "missing", why, 0, 0))
        counts: Counter[tuple[str, Verdict]] = Counter()
        sizes: Counter[tuple[str, Verdict]] = Counter()
        for leaf in leaves:
            key = (heap_of(leaf.path), self.verdicts[leaf.path])
            counts[key] += 1
            sizes[key] += leaf.bytes
        lines += [
            Line(f"{heap}/...", verdict, "no catalogue wants them", number, sizes[heap, verdict])
            for (heap, verdict), number in sorted(counts.items())
        ]


def _announced(path: str) -> str:
    """Path that the deletion of ``path`` is announced for: of an image or a shard, its heap."""
    return heap_of(path) if path.count("/") > 1 else path
