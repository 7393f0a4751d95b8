"""Garbage collection: what nothing needs is marked, and deleted a grace period later if still nothing needs it.

Marks are the collector's own notes (``tombstones/marked.json``) and stop nobody. A deletion is announced, object by
object, in ``tombstones/deleting/``; what is needed is then read once more, and only what is still unneeded goes. That
order is half of the protocol of `tasks/store/artifacts/claims.py`.

What refers goes before what it refers to (release, then index, then model): whatever can still be found is complete.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from time import monotonic

from tasks.schema.errors import ArtifactMissing
from tasks.store.artifacts import claims
from tasks.store.garbage.config import GarbageConfig
from tasks.store.garbage.deletion import Deleter, announce, withdraw, withdraw_abandoned
from tasks.store.garbage.inventory import Inventory, Node
from tasks.store.garbage.inventory_reader import InventoryReader
from tasks.store.garbage.report import Collected, Verdict, report_lines
from tasks.store.garbage.shared_objects import SharedObjects, complete_catalogs, shared_folder
from tasks.store.objects.store import Store

MARKS = "tombstones/marked.json"
_BATCH = 200  # nodes or shared objects announced together: what is needed is read once for all of them


def collect(store: Store, config: GarbageConfig) -> Collected:
    """One run: mark what is unneeded, and delete what was marked a grace period ago and still is unneeded.

    A dry run writes nothing. What a run leaves undone (out of budget, killed) the next one finishes. Raises
    ArtifactCorrupt where a record that decides over others cannot be read: then nothing is deleted.
    """
    return _Run(store, config).run()


class _Run:
    def __init__(self, store: Store, config: GarbageConfig) -> None:
        self.store, self.config = store, config
        self.reader, self.shared = InventoryReader(store), SharedObjects(store)
        self.deleter = Deleter(store, config.max_objects)
        self.marks: dict[str, datetime] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.gone: set[str] = set()

    def run(self) -> Collected:
        inventory = self.reader.read()
        needed = self._needed(inventory)
        unneeded = {path: node for path, node in inventory.nodes.items() if path not in needed}
        shared = self._unneeded_shared(inventory, needed, unneeded)
        self._mark(inventory, unneeded | {node.path: node for node in shared})
        due = [node for node in (*unneeded.values(), *shared) if self._is_due(inventory, node.path)]
        scraps = 0
        if self.config.dry_run:
            self.verdicts |= {node.path: "due" for node in due}
        else:
            self._write_marks()
            self._delete_nodes(inventory, [node for node in due if node.path in unneeded])
            self._delete_shared([node for node in due if node.path not in unneeded])
            withdraw_abandoned(self.store)
            self._delete_expired_holds(inventory)
            scraps = self.store.objects.drop_scratch(inventory.now - self.config.abandoned)
            self._write_marks()
        lines = list(report_lines(inventory, needed, shared, self.verdicts))
        done = self.deleter
        return Collected(self.config.dry_run, lines, done.deleted, done.freed, scraps, done.finished)

    def _needed(self, inventory: Inventory) -> dict[str, str]:
        config = self.config
        return inventory.reachable(grace=config.grace, abandoned=config.abandoned, releases_kept=config.keep_releases)

    def _unneeded_shared(
        self, inventory: Inventory, needed: Mapping[str, str], unneeded: Mapping[str, Node]
    ) -> list[Node]:
        catalogs = complete_catalogs(inventory, needed)
        found = self.shared.unneeded(inventory, catalogs, self.config.grace, self.config.abandoned)
        # A folder that goes as a whole is one node already.
        return [Node(info.path, (info,)) for info in found if shared_folder(info.path) not in unneeded]

    # Marks

    def _mark(self, inventory: Inventory, unneeded: Mapping[str, Node]) -> None:
        marked_before = self._read_marks()
        last_held = inventory.last_held()
        for path, node in unneeded.items():
            since = max(node.modified, last_held.get(path, node.modified))
            known = marked_before.get(path)
            if known is None or known < since:
                self.marks[path], self.verdicts[path] = inventory.now, "marked"
            else:
                self.marks[path], self.verdicts[path] = known, "waiting"

    def _is_due(self, inventory: Inventory, path: str) -> bool:
        return inventory.now - self.marks[path] >= self.config.grace

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

    def _delete_nodes(self, inventory: Inventory, due: list[Node]) -> None:
        """Round after round: what nothing refers to any more goes, and with it the last reference to something else."""
        while due and self.deleter.finished:
            remaining = (node for path, node in inventory.nodes.items() if path not in self.gone)
            referenced = {path for node in remaining for path in node.references}
            ready = [node for node in due if node.path not in referenced][:_BATCH]
            if not ready:
                return
            inventory = self._delete_together(ready)
            tried = {node.path for node in ready}
            due = [node for node in due if node.path not in tried]

    def _delete_shared(self, due: list[Node]) -> None:
        for start in range(0, len(due), _BATCH):
            if self.deleter.finished:
                self._delete_together(due[start : start + _BATCH])

    def _delete_together(self, due: Sequence[Node]) -> Inventory:
        """Announce, read again what is needed, and delete what is not. Returns the inventory that was read."""
        begun = monotonic()
        announced = {path for path in sorted({_announced_as(node.path) for node in due}) if announce(self.store, path)}
        inventory = self.reader.read()
        needed = self._needed(inventory).keys() | inventory.referenced()
        for node in due:
            if _announced_as(node.path) not in announced:
                continue
            is_node = _announced_as(node.path) == node.path
            if (node.path in needed) if is_node else self._is_shared_needed(inventory, node.path):
                self.verdicts[node.path] = "taken back"
            elif self.deleter.delete(inventory.nodes.get(node.path, node).files, begun):
                self.verdicts[node.path] = "deleted"
                self.gone.add(node.path)
        # Not in a finally: after an error a delete may still be on its way, and the announcement has to outlast it.
        withdraw(self.store, announced)
        return inventory

    def _is_shared_needed(self, inventory: Inventory, path: str) -> bool:
        if shared_folder(path) == claims.IMAGES and inventory.is_held(claims.IMAGES):
            return True
        return self.shared.is_needed(path, self.shared.hashes_of(complete_catalogs(inventory)))

    def _delete_expired_holds(self, inventory: Inventory) -> None:
        """Delete leases and claims a grace period after they expired: until then they show when something was used."""
        for hold in inventory.holds:
            if hold.record and hold.ends is not None and inventory.now - hold.ends > self.config.grace:
                self.store.delete(hold.record)


def _announced_as(path: str) -> str:
    """Path that the deletion of ``path`` is announced for: of a shared object, its folder."""
    return shared_folder(path) if path.count("/") > 1 else path
