"""Claims: what a publisher is about to use, so that garbage collection leaves it alone.

There is no lock, only an order. A publisher writes its claim first and then looks for a deletion in progress; the
collector announces a deletion first and then reads the claims. However their steps interleave, one sees the other.

What is claimed is named by its path: ``models/<id>``, ``releases/<id>``, ``images`` (every image).
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tasks.schema.errors import BeingCollected
from tasks.schema.manifest import ArtifactRef, Manifest
from tasks.store.artifacts.manifests import find_manifest
from tasks.store.objects.retries import attempts
from tasks.store.objects.store import Store

FOLDER = "claims"
DELETIONS = "tombstones/deleting"
IMAGES = "images"
#: A claim outlives the longest run that relies on it, so that a crashed run need not release it.
CLAIM_LIFETIME = timedelta(days=3)
#: After this long without an end a deletion was abandoned: a collector stops by itself in a third of it.
DELETION_TIMEOUT = timedelta(minutes=15)
#: Younger artifacts need no claim: the shortest grace of garbage collection (twice this) covers them.
YOUNG = timedelta(hours=12)


def claim(store: Store, paths: Sequence[str], check_also: Sequence[str] = ()) -> str:
    """Claim what is stored at ``paths``, and return the claim's own path.

    From here on garbage collection keeps it with all that it is made of; whether it still exists must be checked after
    this call. Nothing at ``check_also`` may be under deletion either. Raises BeingCollected, which is temporary.
    """
    own_path = f"{FOLDER}/{uuid.uuid4().hex}.json"
    for attempt in attempts(store.settings.store_tries, BeingCollected):
        with attempt:
            store.write_json(own_path, {"paths": list(paths), "lasts": CLAIM_LIFETIME.total_seconds()})
            try:
                refuse_if_deleting(store, [*paths, *check_also], since=own_path)
            except BeingCollected:
                store.delete(own_path)
                raise
    return own_path


@contextmanager
def claimed(store: Store, paths: Sequence[str]) -> Iterator[None]:
    """Claim for the duration of the block. A claim left by a crash expires after CLAIM_LIFETIME."""
    own_path = claim(store, paths)
    try:
        yield
    finally:
        store.delete(own_path)


def claim_artifact(store: Store, ref: ArtifactRef) -> Manifest | None:
    """The manifest of an artifact to build upon, None where there is none (never made, or not finished).

    An old artifact is claimed, so that garbage collection leaves it. Raises ArtifactCorrupt, BeingCollected.
    """
    manifest = find_manifest(store, ref)
    if manifest is not None and claim_if_old(store, manifest):
        return find_manifest(store, ref)
    return manifest


def claim_if_old(store: Store, manifest: Manifest) -> bool:
    """Claim an artifact that is old enough to be collected; returns whether it was (then check that it is there)."""
    # Compares two clocks, this machine's and its maker's; hours of margin make their difference harmless.
    if datetime.now(UTC) - manifest.created_at < YOUNG:
        return False
    claim(store, [str(manifest.ref)])
    return True


def refuse_if_deleting(store: Store, paths: Sequence[str], since: str) -> None:
    """Raise BeingCollected where one of ``paths`` is being deleted.

    ``since`` is the path of what the caller wrote before this call to say what it needs.
    """
    for path in paths:
        announced = store.stat(deletion_path(path))
        if announced is None:
            continue
        written = store.stat(since)  # both times are the server's
        if written is None or written.modified - announced.modified <= DELETION_TIMEOUT:
            raise BeingCollected(
                f"{store.url(path)} is being deleted by collect_garbage at this moment; try again in a minute, "
                f"then it is made again"
            )


def deletion_path(path: str) -> str:
    """Path of the tombstone that stands while ``path`` is being deleted."""
    return f"{DELETIONS}/{path}.json"
