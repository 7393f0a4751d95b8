"""Runs without a process that works on them: found, and given the final state that nobody else will report.

A process that is killed, or whose machine is, cannot report it. Its run stays RUNNING or PENDING for ever and holds its
deployment's slot, so that every later nightly run is cancelled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psutil

from tasks.runs.orchestrator import Orchestrator, Run

#: Runs started by hand may send heartbeats only every 180 s, which is Prefect's default; deployed ones every 30 s.
_BY_HAND = timedelta(minutes=10)
#: How many times longer a silent run is spared while its worker is online, which would have reported its end.
_WITH_WORKER = 4
_AFTER_PARENT = timedelta(seconds=60)
_FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass(frozen=True)
class Timeouts:
    """How long a run may be silent before it counts as abandoned."""

    running: timedelta
    pending: timedelta


@dataclass(frozen=True)
class Abandoned:
    """A run that no process works on, in the state it was found in, and the evidence."""

    run: Run
    why: str


def find_abandoned(server: Orchestrator, timeouts: Timeouts) -> list[Abandoned]:
    """Runs that seem to run and were silent for longer than ``timeouts``."""
    looked = ((run, _why(server, run, timeouts)) for run in server.unfinished())
    return [Abandoned(run, why) for run, why in looked if why]


def crash_abandoned(server: Orchestrator, found: Sequence[Abandoned], timeouts: Timeouts) -> list[Abandoned]:
    """Crash those of ``found`` that still are abandoned, subflows too; returns them.

    The server refuses to crash a run that ended in the meantime, so none is ever turned from Completed.
    """
    crashed = []
    for entry in found:
        now = server.run(entry.run.id)
        if now.state.id == entry.run.state.id and _why(server, now, timeouts) and end_run(server, now, entry.why):
            crashed.append(entry)
            end_subflows(server, [now.id], f"its parent run {now.name} was abandoned")
    return crashed


def end_run(server: Orchestrator, run: Run, why: str) -> bool:
    """Give an abandoned run its final state, which frees its slots; False if it has one already."""
    kind = "CANCELLED" if run.state.type == "CANCELLING" else "CRASHED"  # the server accepts no other end of cancelling
    return server.set_state(run, kind, why)


def end_subflows(server: Orchestrator, parents: Sequence[UUID], why: str) -> list[Run]:
    """End the unfinished runs that ``parents`` called, and theirs; returns them."""
    ended: list[Run] = []
    while parents:
        children = server.unfinished({"parent_flow_run_id": {"any_": [str(parent) for parent in parents]}})
        ended += [child for child in children if end_run(server, child, why)]
        parents = [child.id for child in children]
    return ended


def _why(server: Orchestrator, run: Run, timeouts: Timeouts) -> str | None:
    """The evidence that no process works on the run; None where one may."""
    now = datetime.now(UTC)
    if run.is_subflow:
        return _orphaned(server, run, now)
    if run.state.type == "PENDING":
        silent = _is_silent(server, run, now - timeouts.pending) and not _process_lives(run)
        return f"pending for {_in_words(timeouts.pending)} without a process that runs it" if silent else None
    limit = timeouts.running if run.deployment_id else max(timeouts.running, _BY_HAND)
    if not _is_silent(server, run, now - limit) or _process_lives(run):
        return None
    if _worker_lives(server, run) and not _is_silent(server, run, now - _WITH_WORKER * limit):
        return None
    return f"no heartbeat for {_in_words(limit)}: its process or machine is gone"


def _orphaned(server: Orchestrator, run: Run, now: datetime) -> str | None:
    # A subflow runs in its parent's process and ends with it, unless only the parent's end was reported.
    parent = server.parent_of(run)
    if parent is None:
        return "its parent run is gone"
    ended = parent.state.type in _FINAL and parent.state.timestamp < now - _AFTER_PARENT
    return f"its parent run {parent.name} ended as {parent.state.name}" if ended else None


def _is_silent(server: Orchestrator, run: Run, since: datetime) -> bool:
    return run.state.timestamp < since and not server.has_events(run, since)


def _process_lives(run: Run) -> bool:
    """Whether the run's process is on this machine: that is proof where heartbeats were lost with the server."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == str(run.id):
                return True
        except psutil.Error:
            continue  # ended in the meantime, or of another user
    return False


def _worker_lives(server: Orchestrator, run: Run) -> bool:
    return bool(run.work_pool_name and run.worker and run.worker in server.workers_on(run.work_pool_name))


def _in_words(time: timedelta) -> str:
    seconds = time.total_seconds()
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"
