"""Slots of deployments that no run holds any more.

A slot is given back when its run ends or its lease runs out. A server that keeps leases in memory and restarts forgets
them: the slot is then taken for good, and a nightly run that cancels when another is on cancels itself every night.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.runs.orchestrator import Deployment, Orchestrator


@dataclass(frozen=True)
class Freed:
    """Slots that were given back to a deployment."""

    deployment: str
    slots: int


def free_leaked_slots(server: Orchestrator, settled: timedelta, tags: Sequence[str] = ()) -> list[Freed]:
    """Give back the slots that no run holds, of deployments where nothing ended within ``settled``.

    ``settled`` must exceed the life of a lease (5 minutes): what a lease will give back is no leak.
    """
    freed = []
    for deployment in server.deployments(tags):
        if deployment.limit and (leaked := _leaked(server, deployment, settled)):
            server.free_slots(deployment.limit, leaked)
            freed.append(Freed(deployment.name, leaked))
    return freed


def _leaked(server: Orchestrator, deployment: Deployment, settled: timedelta) -> int:
    # Slots are read before runs: a run that starts in between makes the difference smaller, never larger.
    if deployment.limit is None or deployment.limit.active_slots == 0:
        return 0
    ours = {"deployment_id": {"any_": [str(deployment.id)]}}
    held = len(server.unfinished(ours)) + len(server.runs(ours | {"state": {"name": {"any_": ["AwaitingRetry"]}}}))
    after = (datetime.now(UTC) - settled).isoformat()
    if server.runs(ours | {"end_time": {"after_": after}}, most=1):
        return 0
    return max(deployment.limit.active_slots - held, 0)
