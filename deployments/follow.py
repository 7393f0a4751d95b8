"""Starts a run of a deployment through the server, and follows it on a terminal until it ends."""

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas import filters
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort, LogSort

_ERROR = 40
_POLL = 1.0
_SECONDS_TO_START = 60.0


class RunFailed(RuntimeError):
    """The run ended in a state other than Completed. The message says which, why, and the last errors logged."""


class Follower:
    """Follows one flow run. ``line`` prints a line that stays, ``now`` a status that is overwritten."""

    def __init__(self, client: SyncPrefectClient, line: Callable[[str], None], now: Callable[[str], None]) -> None:
        self._client = client
        self._line = line
        self._now = now
        self._names: dict[UUID, str] = {}
        self._reported: dict[UUID, StateType] = {}

    def start(self, deployment: str, parameters: dict[str, Any]) -> FlowRun:
        """Ask the server for a run of ``deployment`` ("flow/name")."""
        found = self._client.read_deployment_by_name(deployment)
        return self._client.create_flow_run_from_deployment(found.id, parameters=parameters)

    def follow(self, run: FlowRun, check: Callable[[], None] = lambda: None) -> FlowRun:
        """Return the run once it is Completed. Raises RunFailed for any other end, and what ``check`` raises."""
        begin = time.monotonic()
        while True:
            check()
            run = self._client.read_flow_run(run.id)
            steps = self._steps(run.id)
            for step in steps:
                self._report(step)
            if run.state is not None and run.state.is_final():
                break
            self._now(self._doing(run, steps, time.monotonic() - begin))
            time.sleep(_POLL)
        if run.state.is_completed():
            return run
        raise RunFailed(self._why(run, steps))

    def summary(self, run: FlowRun) -> list[dict[str, Any]]:
        """Rows of the run's "summary" table artifact; empty where it left none."""
        wanted = filters.ArtifactFilter(
            flow_run_id=filters.ArtifactFilterFlowRunId(any_=[run.id]), key=filters.ArtifactFilterKey(any_=["summary"])
        )
        found = self._client.read_artifacts(artifact_filter=wanted)
        if not found:
            return []
        data = found[0].data
        return list(json.loads(data) if isinstance(data, str) else data or [])

    def _steps(self, parent: UUID) -> list[FlowRun]:
        wanted = filters.FlowRunFilter(parent_flow_run_id=filters.FlowRunFilterParentFlowRunId(any_=[parent]))
        return self._client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.START_TIME_ASC)

    def _report(self, step: FlowRun) -> None:
        state = step.state
        if state is None or self._reported.get(step.id) == state.type or not state.is_final():
            return
        self._reported[step.id] = state.type
        mark = "[green]✓[/]" if state.is_completed() else "[red]✗[/]"
        self._line(f"{mark} {self._name(step):<18} {step.total_run_time.total_seconds():6.1f} s")

    def _doing(self, run: FlowRun, steps: list[FlowRun], elapsed: float) -> str:
        if run.state is None or run.state.type in (StateType.SCHEDULED, StateType.PENDING):
            late = f"; is a worker running? ({elapsed:.0f} s)" if elapsed > _SECONDS_TO_START else ""
            return f"waiting for the worker{late}"
        running = [step for step in steps if step.state is not None and step.state.is_running()]
        words = [self._name(step) for step in running] or ["pipeline"]
        return " ".join([*words, *self._progress([step.id for step in running] or [run.id])])

    def _progress(self, runs: list[UUID]) -> list[str]:
        owners = filters.FlowRunFilter(id=filters.FlowRunFilterId(any_=runs))
        running = filters.TaskRunFilter(
            state=filters.TaskRunFilterState(type=filters.TaskRunFilterStateType(any_=[StateType.RUNNING]))
        )
        tasks = self._client.read_task_runs(flow_run_filter=owners, task_run_filter=running, limit=3)
        wanted = filters.ArtifactFilter(
            flow_run_id=filters.ArtifactFilterFlowRunId(any_=runs), type=filters.ArtifactFilterType(any_=["progress"])
        )
        shares = self._client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.UPDATED_DESC, limit=1)
        words = ["›", tasks[0].name.rpartition("-")[0] or tasks[0].name] if tasks else []
        if shares and isinstance(shares[0].data, (int, float)) and shares[0].data < 100:
            words.append(f"{shares[0].data:.0f} %")
        return words

    def _name(self, step: FlowRun) -> str:
        if step.flow_id not in self._names:
            self._names[step.flow_id] = self._client.read_flow(step.flow_id).name
        return self._names[step.flow_id]

    def _why(self, run: FlowRun, steps: list[FlowRun]) -> str:
        assert run.state is not None
        wanted = filters.LogFilter(
            flow_run_id=filters.LogFilterFlowRunId(any_=[run.id, *(step.id for step in steps)]),
            level=filters.LogFilterLevel(ge_=_ERROR),
        )
        errors = self._client.read_logs(wanted, limit=3, sort=LogSort.TIMESTAMP_DESC)
        lines = [f"the run ended as {run.state.name}: {run.state.message}"]
        lines += [
            f"    {error.message.strip().splitlines()[-1]}" for error in reversed(errors) if error.message.strip()
        ]
        return "\n".join(dict.fromkeys(lines))
