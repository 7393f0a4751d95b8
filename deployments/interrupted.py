"""Runs that nobody works on: found when the stack starts or stops, and given the state that tells what happened.

A worker that is told to stop kills its flow run and leaves it RUNNING for ever, slot and all. A computer that was off
for a week has a week of missed nightly runs, which all start at once when a worker returns.
"""

from datetime import UTC, datetime
from typing import Any

import httpx

_PAGE = 200
_ABANDONED = ("RUNNING", "PENDING", "CANCELLING")


def settle_runs(api_url: str, why: str) -> tuple[int, int]:
    """Crash runs that seem to run, cancel those that are overdue; returns how many of each.

    Only for a server whose workers are all stopped. ``why`` is what the run's history will say.
    """
    with httpx.Client(base_url=api_url, trust_env=False, timeout=30.0) as client:
        crashed = _set_each(client, _find(client, {"state": {"type": {"any_": list(_ABANDONED)}}}), "CRASHED", why)
        now = datetime.now(UTC).isoformat()
        overdue = {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": now}}
        missed = _set_each(client, _find(client, overdue), "CANCELLED", f"Missed: {why}")
    return crashed, missed


def _find(client: httpx.Client, flow_runs: dict[str, Any]) -> list[str]:
    found: list[str] = []
    while True:
        query = {"flow_runs": flow_runs, "limit": _PAGE, "offset": len(found)}
        page = client.post("/flow_runs/filter", json=query).raise_for_status().json()
        found += [run["id"] for run in page]
        if len(page) < _PAGE:
            return found


def _set_each(client: httpx.Client, runs: list[str], state: str, message: str) -> int:
    for run in runs:
        wanted = {"state": {"type": state, "message": message}, "force": True}
        client.post(f"/flow_runs/{run}/set_state", json=wanted).raise_for_status()
    return len(runs)
