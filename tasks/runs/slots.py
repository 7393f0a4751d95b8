"""Concurrency slots of deployments that are taken although no run holds them.

A slot is freed when its run ends or its lease expires. A server that keeps leases in memory forgets them when it
restarts: the slot is then taken for ever, and a nightly run that yields to a running one cancels itself every night.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.runs.orchestrator import Deployment, Orchestrator


@dataclass(frozen=True)
class Freed:
    """How many slots of a deployment were freed."""

    deployment: str
    slots: int


def free_leaked_slots(server: Orchestrator, settled: timedelta) -> list[Freed]:
    """Free the slots that no run holds, of deployments where no run ended within ``settled``.

    ``settled`` must exceed the lifetime of a lease (5 minutes): a slot that a lease will free has not leaked.
    """
    freed = []
    for deployment in server.deployments():
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
