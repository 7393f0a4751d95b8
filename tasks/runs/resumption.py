"""Resuming crashed runs that are safe to repeat: the same run again, with a delay and a maximum number of times."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tasks.runs.orchestrator import UNFINISHED, Orchestrator, Run

#: Name of the state a resumed run waits in. Counted in its history: that is how often it was resumed.
RESUMING = "Resuming"
#: A worker may report the end of a run a second time, seconds after the first, and would crash the run again.
_SECOND_REPORT = timedelta(seconds=15)
_RUNS_EXAMINED = 50
_STARTED = (*UNFINISHED, "COMPLETED", "FAILED", "CRASHED")


@dataclass(frozen=True)
class Policy:
    """Which crashed runs are resumed, and how often. The delay doubles with each time."""

    tag: str
    delay: timedelta
    times: int
    within: timedelta


@dataclass(frozen=True)
class Resumption:
    """What became of a crashed run. ``starts`` is None where it is not started again."""

    run: Run
    what: str
    starts: datetime | None = None
    left_to_a_person: bool = False


def resume_crashed(server: Orchestrator, policy: Policy, abandoned: Collection[UUID] = ()) -> list[Resumption]:
    """Start the crashed runs of ``policy`` again, except those that a later run has replaced.

    ``abandoned`` are runs that were crashed because they had no process, so that no second report of their end follows.
    """
    after = (datetime.now(UTC) - policy.within).isoformat()
    crashed = server.runs(
        {"state": {"type": {"any_": ["CRASHED"]}}, "tags": {"all_": [policy.tag]}, "end_time": {"after_": after}}
    )
    newest = _newest(run for run in crashed if run.deployment_id)
    return [_resume(server, run, policy, at_once=run.id in abandoned) for run in newest]


def _newest(runs: Iterator[Run]) -> list[Run]:
    """The last run of each deployment with the same parameters."""
    last: dict[str, Run] = {}
    for run in sorted(runs, key=_began):
        last[f"{run.deployment_id} {run.parameters}"] = run
    return list(last.values())


def _resume(server: Orchestrator, run: Run, policy: Policy, at_once: bool) -> Resumption:
    if reason := _replaced_by(server, run):
        return Resumption(run, reason)
    times = sum(state.name == RESUMING for state in server.history(run))
    if times >= policy.times:
        return Resumption(run, f"crashed again after being resumed {times} times", left_to_a_person=True)
    now = datetime.now(UTC)
    if not at_once and now < run.state.timestamp + _SECOND_REPORT:
        return Resumption(run, "crashed a moment ago: the next sweep resumes it")
    if server.run(run.id).state.id != run.state.id:
        return Resumption(run, "its state was changed by somebody else")
    starts = max(run.state.timestamp + policy.delay * 2**times, now)
    message = f"Resumed by sweep, time {times + 1} of {policy.times}: what is stored is not made again."
    # Forced, or the server would not schedule a run that has ended.
    server.set_state(run, "SCHEDULED", message, name=RESUMING, scheduled_for=starts, force=True)
    return Resumption(run, f"resumed, time {times + 1} of {policy.times}", starts)


def _replaced_by(server: Orchestrator, run: Run) -> str | None:
    """Why the run is not started now: another run of its deployment is in progress, or did the same since."""
    began = _began(run)
    for other in server.runs(
        {
            "deployment_id": {"any_": [str(run.deployment_id)]},
            "state": {"operator": "or_", "type": {"any_": _STARTED}, "name": {"any_": [RESUMING]}},
        },
        sort="EXPECTED_START_TIME_DESC",
        most=_RUNS_EXAMINED,
    ):
        if other.id == run.id:
            continue
        if other.state.type in UNFINISHED or other.state.name == RESUMING:
            return f"waits until {other.name} has ended"
        if _began(other) > began and other.parameters == run.parameters:
            return f"{other.name} has taken its place"
    return None


def _began(run: Run) -> datetime:
    return run.start_time or run.expected_start_time or run.state.timestamp
