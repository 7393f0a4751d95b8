"""Runs that were interrupted by a stop of the stack: found when it starts or stops, and given a final state.

A worker that is stopped kills its flow run and leaves it RUNNING for ever, with its slot. A machine that was off for a
week has a week of missed nightly runs, which would all start at once when a worker returns.
"""

from datetime import UTC, datetime

from tasks.runs.abandoned import end_run, end_subflows
from tasks.runs.orchestrator import Orchestrator
from tasks.runs.resumption import RESUMING


def settle_runs(api_url: str, why: str) -> tuple[int, int]:
    """Crash runs that have not ended, cancel those that are overdue; returns how many of each.

    Only for a server whose workers are all stopped. ``why`` is what the run's history will say.
    """
    with Orchestrator(api_url) as server:
        crashed = [run for run in server.unfinished() if end_run(server, run, why)]
        now = datetime.now(UTC).isoformat()
        waiting = {"type": {"any_": ["SCHEDULED"]}, "name": {"not_any_": [RESUMING]}}
        overdue = server.runs({"state": waiting, "expected_start_time": {"before_": now}})
        missed = [run for run in overdue if server.set_state(run, "CANCELLED", f"Missed: {why}")]
    return len(crashed), len(missed)


def settle_runs_of(worker: str, api_url: str, why: str) -> int:
    """Crash the runs, and their subflows, that one stopped worker had; returns how many."""
    with Orchestrator(api_url) as server:
        settled = [run for run in server.unfinished() if run.worker == worker and end_run(server, run, why)]
        return len(settled) + len(end_subflows(server, [run.id for run in settled], why))
