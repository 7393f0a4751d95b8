"""What differs between two catalogues, stored as a plan that a release can name."""

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from tasks.catalog.changes import Changes, compare
from tasks.schema.manifest import ArtifactRef
from tasks.store.artifacts.building import building
from tasks.store.artifacts.cache import fetch_table
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.store import Store

RECIPE = 1


class ChangePlan(BaseModel):
    """A stored plan: how many items are of each kind of CHANGE_KINDS; which, lies in its ``changes.parquet``."""

    model_config = ConfigDict(frozen=True)
    ref: ArtifactRef
    counts: dict[str, int]

    @property
    def is_empty(self) -> bool:
        """Whether every item is as it was."""
        return not any(count for kind, count in self.counts.items() if kind != "unchanged")


def plan_changes(store: Store, old: ArtifactRef, new: ArtifactRef) -> ChangePlan:
    """Compare two catalogues and keep what differs as a plan; one that is stored already is reused."""
    parents = {"old": old, "new": new}
    with building(store, "plan", RECIPE, parents, {}) as build:
        manifest = build.reused
        if manifest is None:
            counts, table = _changes(store, old, new)
            pq.write_table(table, build.folder / "changes.parquet", compression="zstd", write_page_checksum=True)
            manifest = build.commit({"changes": counts}, rows={"changes.parquet": table.num_rows})
    return ChangePlan(ref=manifest.ref, counts=manifest.summary["changes"])


def _changes(store: Store, old: ArtifactRef, new: ArtifactRef) -> tuple[dict[str, int], pa.Table]:
    if old == new:
        nothing, items = Changes(), load_manifest(store, new).file("items.parquet").rows
        return nothing.counts | {"unchanged": items or 0}, nothing.table()
    changes = compare(*(fetch_table(store, catalog, "items.parquet") for catalog in (old, new)))
    return changes.counts, changes.table()
