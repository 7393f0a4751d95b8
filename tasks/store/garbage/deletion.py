"""The deleting half of the claims protocol: announce, delete within a budget and a time limit, withdraw.

The other half is in `tasks/store/artifacts/claims.py`.
"""

from collections.abc import Iterable, Sequence
from time import monotonic

from tasks.schema.errors import ArtifactMissing
from tasks.store.artifacts.claims import DELETION_TIMEOUT, DELETIONS, deletion_path
from tasks.store.garbage.inventory_reader import server_time
from tasks.store.objects.interface import ConditionFailed, ConditionsUnsupported, ObjectInfo
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.store import Store, dump_json

_TIME_LIMIT = DELETION_TIMEOUT.total_seconds() / 3  # the rest is for a last call that hangs


class Deleter:
    """Deletes files, at most ``budget`` objects in all. Counts objects (``deleted``) and bytes (``freed``)."""

    def __init__(self, store: Store, budget: int) -> None:
        self._store, self._budget = store, budget
        self.deleted = self.freed = 0
        self.finished = True  # False once time or budget ran out amid a deletion

    def delete(self, files: Sequence[ObjectInfo], begun: float) -> bool:
        """Delete the first file, then the others; returns whether all are gone.

        ``begun`` is when the deletion was announced, as `time.monotonic` gave it.
        """
        allowed = files[: self._budget - self.deleted]

        def delete_one(info: ObjectInfo) -> int | None:
            if monotonic() - begun > _TIME_LIMIT:
                return None
            self._store.delete(info.path)
            return info.size

        done = [delete_one(info) for info in allowed[:1]]  # the manifest, if there is one
        done += map_ordered(delete_one, allowed[1:])
        sizes = [size for size in done if size is not None]
        self.deleted += len(sizes)
        self.freed += sum(sizes)
        self.finished = len(sizes) == len(files)
        return self.finished


def announce(store: Store, path: str) -> bool:
    """Write the tombstone of ``path``; False where another collector's stands, which is then at work on it."""
    where, data = deletion_path(path), dump_json({"path": path})
    try:
        try:
            _, etag = store.objects.read_tagged(where)
        except ArtifactMissing:
            store.objects.create(where, data)
            return True
        announced = store.stat(where)
        if announced is not None and server_time(store) - announced.modified <= DELETION_TIMEOUT:
            return False
        store.objects.replace(where, data, etag)
    except ConditionFailed:
        return False
    except ConditionsUnsupported:
        store.write_bytes(where, data)
    return True


def withdraw(store: Store, paths: Iterable[str]) -> None:
    """Remove the tombstones of ``paths``."""
    for path in paths:
        store.delete(deletion_path(path))


def withdraw_abandoned(store: Store) -> None:
    """Remove the tombstones that dead collectors left."""
    for info in store.list(DELETIONS):
        if announce(store, info.path.removeprefix(f"{DELETIONS}/").removesuffix(".json")):
            store.delete(info.path)  # ours now: another collector at work would have kept it
