"""Runs that nobody works on: found when the stack starts or stops, and given the state that tells what happened.

A worker that is told to stop kills its flow run and leaves it RUNNING for ever, slot and all. A computer that was off
for a week has a week of missed nightly runs, which all start at once when a worker returns.
"""

from datetime import UTC, datetime
from typing import Any

import httpx

_PAGE = 200
_WORKER = "prefect.worker.name"
_ABANDONED = ("RUNNING", "PENDING", "CANCELLING")


def settle_runs(api_url: str, why: str) -> tuple[int, int]:
    """Crash runs that seem to run, cancel those that are overdue; returns how many of each.

    Only for a server whose workers are all stopped. ``why`` is what the run's history will say.
    """
    with _client(api_url) as client:
        crashed = _set_each(client, _find(client, _seems_to_run()), "CRASHED", why)
        now = datetime.now(UTC).isoformat()
        overdue = {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": now}}
        missed = _set_each(client, _find(client, overdue), "CANCELLED", f"Missed: {why}")
    return len(crashed), len(missed)


def settle_runs_of(worker: str, api_url: str, why: str) -> int:
    """Crash the runs, and their subflows, that one stopped worker had; returns how many."""
    with _client(api_url) as client:
        found = _find(client, _seems_to_run())
        settled = parents = _set_each(
            client, [run for run in found if run["labels"].get(_WORKER) == worker], "CRASHED", why
        )
        while parents:
            children = _seems_to_run() | {"parent_flow_run_id": {"any_": parents}}
            parents = _set_each(client, _find(client, children), "CRASHED", why)
            settled = settled + parents
    return len(settled)


def _client(api_url: str) -> httpx.Client:
    return httpx.Client(base_url=api_url, trust_env=False, timeout=30.0)


def _seems_to_run() -> dict[str, Any]:
    return {"state": {"type": {"any_": list(_ABANDONED)}}}


def _find(client: httpx.Client, flow_runs: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        query = {"flow_runs": flow_runs, "limit": _PAGE, "offset": len(found)}
        page = client.post("/flow_runs/filter", json=query).raise_for_status().json()
        found += page
        if len(page) < _PAGE:
            return found


def _set_each(client: httpx.Client, runs: list[dict[str, Any]], state: str, message: str) -> list[str]:
    for run in runs:
        wanted = {"state": {"type": state, "message": message}, "force": True}
        client.post(f"/flow_runs/{run['id']}/set_state", json=wanted).raise_for_status()
    return [run["id"] for run in runs]
