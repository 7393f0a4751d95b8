"""Task: collect garbage, and show what stays, why, and what goes."""

from collections import Counter
from typing import Any

from prefect.logging import get_run_logger

from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import show_markdown, show_table
from tasks.store.garbage.collector import collect
from tasks.store.garbage.config import GarbageConfig
from tasks.store.garbage.report import Collected
from tasks.store.objects.store import open_store

_SHOWN = 1000
_GOING = ("deleted", "due", "marked", "waiting", "taken back", "missing")  # told before what simply stays


@io_task()
def collect_garbage(config: GarbageConfig) -> dict[str, Any]:
    """Mark and delete what nothing needs; returns objects and bytes by verdict."""
    result = collect(open_store(), config)
    lines = sorted(result.lines, key=lambda line: (line.verdict not in _GOING, line.verdict, line.path))
    rows = [{**vars(line), "bytes": f"{line.bytes:,}"} for line in lines]
    show_table("garbage", rows[:_SHOWN], "What stays and why, what is marked, and what is deleted")
    totals = _totals(result)
    show_markdown("garbage-summary", _summary(result, totals), "How much stays and how much goes")
    for line in lines:
        if line.verdict == "missing":
            get_run_logger().warning(
                "%s is missing in the store (%s): restore it, or make it anew", line.path, line.why
            )
    return {"dry_run": result.dry_run, "finished": result.finished, "deleted": result.deleted, "freed": result.freed,
            "bytes": totals}  # fmt: skip


def _totals(result: Collected) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for line in result.lines:
        sizes[line.verdict] += line.bytes
    return dict(sizes)


def _summary(result: Collected, totals: dict[str, int]) -> str:
    table = "\n".join(f"| {verdict} | {size / 1e6:,.1f} MB |" for verdict, size in sorted(totals.items()))
    if result.dry_run:
        done = "Nothing was deleted: a dry run. To do it: `python -m flows.collect_garbage --no-dry_run`"
    else:
        done = f"{result.deleted} objects deleted, {result.freed / 1e6:,.1f} MB freed."
        done += f" {result.scraps} writes that were never finished are cleared away." if result.scraps else ""
    rest = "" if result.finished else " The run reached its limit; the next one goes on."
    return f"{done}{rest}\n\n| verdict | size |\n|---|---|\n{table}"
