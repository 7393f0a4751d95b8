"""Runs that nobody works on any more, and the state that says so.

A process that is killed, or whose machine is, cannot report it. Its run stays RUNNING or PENDING for ever and holds its
deployment's slot, so that every later night is cancelled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from tasks.runs.orchestrator import Orchestrator, Run

_PROC = Path("/proc")
#: Runs started by hand may send heartbeats only every 180 s, which is Prefect's default; deployed ones every 30 s.
_BY_HAND = timedelta(minutes=10)
#: How many times longer a silent run is spared while its worker is on, since that would have noticed its end.
_WITH_WORKER = 4
_AFTER_PARENT = timedelta(seconds=60)
_FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass(frozen=True)
class Patience:
    """How long a run may give no sign of life."""

    running: timedelta
    pending: timedelta


@dataclass(frozen=True)
class Abandoned:
    """A run nobody works on, in the state it was found in, and what tells so."""

    run: Run
    why: str


def find_abandoned(server: Orchestrator, patience: Patience) -> list[Abandoned]:
    """Runs that seem to run and gave no sign of life for longer than ``patience``."""
    looked = ((run, _why(server, run, patience)) for run in server.unfinished())
    return [Abandoned(run, why) for run, why in looked if why]


def crash_abandoned(server: Orchestrator, found: Sequence[Abandoned], patience: Patience) -> list[Abandoned]:
    """Crash those of ``found`` that still are abandoned, subflows too; returns them.

    The server refuses to crash a run that ended between our look and our word, so none is ever turned from Completed.
    """
    crashed = []
    for entry in found:
        now = server.run(entry.run.id)
        if now.state.id == entry.run.state.id and _why(server, now, patience) and end_run(server, now, entry.why):
            crashed.append(entry)
            end_subflows(server, [now.id], f"its parent run {now.name} was given up")
    return crashed


def end_run(server: Orchestrator, run: Run, why: str) -> bool:
    """Give a run that nobody works on its final state, which frees its slots; False if it has one already."""
    kind = "CANCELLED" if run.state.type == "CANCELLING" else "CRASHED"  # the server takes no other end of cancelling
    return server.set_state(run, kind, why)


def end_subflows(server: Orchestrator, parents: Sequence[UUID], why: str) -> list[Run]:
    """End the unfinished runs that ``parents`` called, and theirs; returns them."""
    ended: list[Run] = []
    while parents:
        children = server.unfinished({"parent_flow_run_id": {"any_": [str(parent) for parent in parents]}})
        ended += [child for child in children if end_run(server, child, why)]
        parents = [child.id for child in children]
    return ended


def _why(server: Orchestrator, run: Run, patience: Patience) -> str | None:
    """What tells that nobody works on the run; None where somebody may."""
    now = datetime.now(UTC)
    if run.is_subflow:
        return _orphaned(server, run, now)
    if run.state.type == "PENDING":
        silent = _is_silent(server, run, now - patience.pending) and not _process_lives(run)
        return f"pending for {_words(patience.pending)} without a process that runs it" if silent else None
    limit = patience.running if run.deployment_id else max(patience.running, _BY_HAND)
    if not _is_silent(server, run, now - limit) or _process_lives(run):
        return None
    if _worker_lives(server, run) and not _is_silent(server, run, now - _WITH_WORKER * limit):
        return None
    return f"no heartbeat for {_words(limit)}: its process or machine is gone"


def _orphaned(server: Orchestrator, run: Run, now: datetime) -> str | None:
    # A subflow lives in its parent's process and is ended with it, unless only the parent's end was reported.
    parent = server.parent_of(run)
    if parent is None:
        return "its parent run is gone"
    ended = parent.state.type in _FINAL and parent.state.timestamp < now - _AFTER_PARENT
    return f"its parent run {parent.name} ended as {parent.state.name}" if ended else None


def _is_silent(server: Orchestrator, run: Run, since: datetime) -> bool:
    return run.state.timestamp < since and not server.gave_a_sign_of_life(run, since)


def _process_lives(run: Run) -> bool:
    """Whether the run's process is on this machine: the proof, where heartbeats were lost with the server."""
    mark = f"PREFECT__FLOW_RUN_ID={run.id}".encode()
    for folder in _PROC.glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                return True
        except OSError:
            continue  # ended meanwhile, or somebody else's
    return False


def _worker_lives(server: Orchestrator, run: Run) -> bool:
    return bool(run.work_pool_name and run.worker and run.worker in server.workers_on(run.work_pool_name))


def _words(time: timedelta) -> str:
    seconds = time.total_seconds()
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"
