"""Claims: what a publisher is about to use, so that garbage collection leaves it alone.

No lock, only an order. A publisher writes its claim first and then looks for a deletion under way; the collector
announces a deletion first and then reads the claims. However their steps fall, one of the two sees the other.

What is claimed is named by its path: ``models/<id>``, ``releases/<id>``, ``images`` (every image).
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tasks.schema.errors import BeingCollected
from tasks.schema.manifest import Manifest
from tasks.store.objects.retries import patient
from tasks.store.objects.store import Store

FOLDER = "claims"
DELETIONS = "tombstones/deleting"
IMAGES = "images"
#: A claim outlives the longest run that rests on it; nobody has to give it back.
LASTS = timedelta(days=3)
#: After this long without an end a deletion was abandoned: its collector stops by itself in a third of it.
DELETION_LASTS = timedelta(minutes=15)
#: Younger artifacts need no claim: the shortest grace of garbage collection (twice this) covers them.
YOUNG = timedelta(hours=12)


def claim(store: Store, paths: Sequence[str], lasts: timedelta = LASTS, beside: Sequence[str] = ()) -> str:
    """Claim what is stored at ``paths``, and return the claim's own path.

    From here on garbage collection keeps it with all it is made of; whether it still exists is to be looked at after
    this call. ``beside`` names more that must not be under deletion. Raises BeingCollected, which passes.
    """
    mine = f"{FOLDER}/{uuid.uuid4().hex}.json"
    for attempt in patient(store.settings.store_tries, BeingCollected):
        with attempt:
            store.write_json(mine, {"paths": list(paths), "lasts": lasts.total_seconds()})
            try:
                refuse_if_deleting(store, [*paths, *beside], since=mine)
            except BeingCollected:
                store.delete(mine)
                raise
    return mine


@contextmanager
def claimed(store: Store, paths: Sequence[str], lasts: timedelta = LASTS) -> Iterator[None]:
    """Claim for the time of the block only. Left by a crash it ends by itself after ``lasts``."""
    mine = claim(store, paths, lasts)
    try:
        yield
    finally:
        store.delete(mine)


def claim_if_old(store: Store, manifest: Manifest) -> bool:
    """Claim an artifact that is old enough to be collected; tells whether it was (then look again that it exists)."""
    # Of two clocks, this machine's and its maker's; hours of margin make their difference harmless.
    if datetime.now(UTC) - manifest.created_at < YOUNG:
        return False
    claim(store, [str(manifest.ref)])
    return True


def refuse_if_deleting(store: Store, paths: Sequence[str], since: str) -> None:
    """Raise BeingCollected where one of ``paths`` is being deleted.

    ``since`` is the path of what the caller wrote before, to say what it needs.
    """
    for path in paths:
        announced = store.stat(deletion_path(path))
        if announced is None:
            continue
        written = store.stat(since)  # compared with each other, both times are the server's
        if written is None or written.modified - announced.modified <= DELETION_LASTS:
            raise BeingCollected(
                f"{store.url(path)} is being deleted by collect_garbage at this moment; try again in a minute, "
                f"then it is made anew"
            )


def deletion_path(path: str) -> str:
    """Path of the tombstone that stands while ``path`` is being deleted."""
    return f"{DELETIONS}/{path}.json"
