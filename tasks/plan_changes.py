"""Task: plan the night, from what differs between the live release's catalogue and tonight's."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from tasks.catalog.changes import compare
from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import show_table
from tasks.schema.manifest import ArtifactRef, Manifest, artifact_id
from tasks.schema.tables import CHANGE_KINDS
from tasks.store.artifacts import artifacts
from tasks.store.artifacts.cache import fetch_table
from tasks.store.objects.store import Store, open_store

RECIPE = 1
_SHOWN = 80  # items of each kind


class ChangePlan(BaseModel):
    """A stored plan: how many items are of each kind of CHANGE_KINDS; which, lies in its ``changes.parquet``."""

    model_config = ConfigDict(frozen=True)
    ref: ArtifactRef
    counts: dict[str, int]

    @property
    def is_empty(self) -> bool:
        """Whether every item is as it was."""
        return not any(count for kind, count in self.counts.items() if kind != "unchanged")


@io_task(name="plan-changes")
def plan_changes(old: ArtifactRef, new: ArtifactRef) -> ChangePlan:
    """Compare two catalogues, keep what differs as a plan, and tell it at the run."""
    store = open_store()
    parents = {"old": old, "new": new}
    ref = ArtifactRef(kind="plan", id=artifact_id("plan", parents, {}, RECIPE))
    manifest = artifacts.find(store, ref) or _store_plan(store, ref.id, parents)
    counts = manifest.summary["changes"]
    _show(counts, fetch_table(store, ref, "changes.parquet"))
    return ChangePlan(ref=ref, counts=counts)


def _store_plan(store: Store, plan_id: str, parents: dict[str, ArtifactRef]) -> Manifest:
    changes = compare(*(fetch_table(store, catalog, "items.parquet") for catalog in parents.values()))
    table = changes.table()
    with tempfile.TemporaryDirectory() as scratch:
        pq.write_table(table, Path(scratch) / "changes.parquet", compression="zstd", write_page_checksum=True)
        return artifacts.commit(
            store,
            "plan",
            plan_id,
            Path(scratch),
            recipe=RECIPE,
            parents=parents,
            summary={"changes": changes.counts},
            rows={"changes.parquet": table.num_rows},
        )


def _show(counts: dict[str, int], changes: pa.Table) -> None:
    shown = {kind: changes.filter(pc.equal(changes["change"], kind)).slice(0, _SHOWN) for kind in CHANGE_KINDS}
    samples = {kind: rows["item_id"].to_pylist() for kind, rows in shown.items()}
    show_table(
        "changes",
        [{"change": kind, "items": counts[kind], "for example": ", ".join(samples[kind][:5])} for kind in CHANGE_KINDS],
        "What changed in the shop",
    )
    rows = [{"change": kind, "item_id": item_id} for kind, found in samples.items() for item_id in found]
    if rows:
        show_table("changed-items", rows, f"Items that changed, at most {_SHOWN} of each kind")
