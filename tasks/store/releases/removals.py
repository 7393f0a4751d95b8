"""Products taken down by hand: a list that a channel's live release refers to, and every later release inherits."""

import hashlib
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import GateReport, LivePointer, Release
from tasks.schema.tables import REMOVALS
from tasks.store.artifacts.building import building
from tasks.store.artifacts.cache import fetch_table
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.parquet import table_bytes
from tasks.store.objects.store import Store
from tasks.store.releases.releases import claim_release, write_release

FILE = "removals.parquet"
RECIPE = 1


def read_removals(store: Store, ref: ArtifactRef | None) -> pa.Table:
    """Table of REMOVALS, empty where ``ref`` is None. Raises as `fetch`."""
    return REMOVALS.empty_table() if ref is None else fetch_table(store, ref, FILE)


def store_removals(store: Store, removals: pa.Table) -> ArtifactRef:
    """Store the complete list, also an empty one, which brings back whatever was on an older list."""
    data = table_bytes(removals.sort_by("item_id").cast(REMOVALS))
    with building(store, "removals", RECIPE, {}, {"sha256": hashlib.sha256(data).hexdigest()}) as build:
        if build.reused is None:
            (build.folder / FILE).write_bytes(data)
            build.commit({"items": removals.num_rows}, {FILE: removals.num_rows})
        return build.ref


def carry_removals(store: Store, release: Release, live: LivePointer | None, run: str | None) -> Release:
    """What may go live in place of ``live``: ``release``, or where its removals are not those in force, it with them.

    In force is the list of the live pointer, whatever list ``release`` was made with: promoting an older release must
    not bring a recalled product back. Where the channel never had a list, ``release`` keeps its own.
    """
    if live is None or live.removals is None or live.removals == release.removals:
        return release
    why = f"{release.id} with the removals in force. {release.why}"
    return with_removals(store, release, live.removals, parent=live.release, why=why, run=run)


def with_removals(
    store: Store, release: Release, removals: ArtifactRef, *, parent: str, why: str, run: str | None
) -> Release:
    """Store (or find) the release of the same parts as ``release`` with another list of removals, and return it."""
    # Not with the parent: the same parts under the same list are one release, whichever was live before. Found first,
    # since a release is written once.
    verdicts = GateReport(gates=release.gates)
    release_id = release.parts.model_copy(update={"removals": removals}).release_id(verdicts)
    return claim_release(store, release_id) or write_release(
        store,
        release.model_copy(
            update={
                "id": release_id,
                "created_at": datetime.now(UTC),
                "removals": removals,
                "items": count_searchable(store, release.index, removals),
                "parent": parent,
                "why": why,
                "run": run,
            }
        ),
    )


def count_searchable(store: Store, index: ArtifactRef, removals: ArtifactRef | None) -> int:
    """Items of an index that are not taken down."""
    items = int(load_manifest(store, index).summary["items"])
    gone = read_removals(store, removals)["item_id"]
    if not len(gone):
        return items
    return items - int(pc.sum(pc.is_in(indexed_ids(store, index), value_set=gone)).as_py() or 0)


def indexed_ids(store: Store, index: ArtifactRef) -> pa.ChunkedArray:
    """The item_id of every row of an index. Reads only that column, so that a recall need not wait for a download."""
    return store.read_table(f"{index.folder}/items.parquet", columns=["item_id"])["item_id"]
