"""Task: plan the night, from what differs between the live release's catalogue and tonight's."""

import pyarrow as pa
import pyarrow.compute as pc

from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import show_table
from tasks.schema.manifest import ArtifactRef
from tasks.schema.tables import CHANGE_KINDS
from tasks.stages import changes
from tasks.stages.changes import ChangePlan
from tasks.store.artifacts.cache import fetch_table
from tasks.store.objects.store import open_store

_SHOWN = 80  # items of each kind


@io_task()
def plan_changes(old: ArtifactRef, new: ArtifactRef) -> ChangePlan:
    """Compare two catalogues, keep what differs as a plan, and show it at the run."""
    store = open_store()
    plan = changes.plan_changes(store, old, new)
    _show(plan.counts, fetch_table(store, plan.ref, "changes.parquet"))
    return plan


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
