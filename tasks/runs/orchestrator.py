"""A client for the part of the Prefect server's REST interface that ending and resuming runs needs.

Not Prefect's own client, whose import takes two seconds: too long for a stack that starts or stops.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import httpx
from pydantic import BaseModel, ConfigDict, Field

#: States of a run that a process should be working on.
UNFINISHED = ("RUNNING", "PENDING", "CANCELLING")
ANY: Mapping[str, Any] = {}
_PAGE = 200
#: Events of a machine whose clock is ahead count too.
_CLOCK_SKEW = timedelta(days=1)
_RUN_EVENTS = ["prefect.flow-run.", "prefect.task-run."]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class State(_Answer):
    """A state that a run is or was in."""

    id: UUID
    type: str
    name: str
    timestamp: datetime
    message: str | None = None


class Run(_Answer):
    """A flow run. Subflows have a ``parent_task_run_id``; runs started by hand have no ``deployment_id``."""

    id: UUID
    name: str
    flow_id: UUID
    deployment_id: UUID | None = None
    parent_task_run_id: UUID | None = None
    work_pool_name: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    labels: dict[str, Any] = Field(default_factory=dict)
    state: State
    expected_start_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None

    @property
    def worker(self) -> str | None:
        """Name of the worker that took it."""
        return self.labels.get("prefect.worker.name")

    @property
    def is_subflow(self) -> bool:
        """Whether another run called it, in the same process."""
        return self.parent_task_run_id is not None and self.deployment_id is None


class Limit(_Answer):
    """A deployment's concurrency limit, and how many of its slots are taken."""

    name: str
    active_slots: int


class Deployment(_Answer):
    """A deployment, with its limit if it has one."""

    id: UUID
    name: str
    limit: Limit | None = Field(default=None, alias="global_concurrency_limit")


class Orchestrator:
    """Connection to the server whose API is at ``api_url``. Raises httpx.HTTPError where it does not answer."""

    def __init__(self, api_url: str) -> None:
        user, _, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
        login = (user, password) if user else None
        self._http = httpx.Client(base_url=api_url, trust_env=False, timeout=30.0, auth=login)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._http.close()

    def run(self, run_id: UUID) -> Run:
        """A run as it is now."""
        return Run.model_validate(self._http.get(f"/flow_runs/{run_id}").raise_for_status().json())

    def runs(
        self,
        wanted: Mapping[str, Any],
        *,
        flows: Sequence[str] = (),
        most: int | None = None,
        sort: str = "ID_DESC",
    ) -> list[Run]:
        """Runs that match ``wanted``, a filter of Prefect's `flow_runs`, and are of ``flows``; the first ``most``."""
        query = {"flow_runs": wanted, "sort": sort} | ({"flows": {"name": {"any_": flows}}} if flows else {})
        return [Run.model_validate(found) for found in self._pages("/flow_runs/filter", query, most)]

    def unfinished(self, wanted: Mapping[str, Any] = ANY) -> list[Run]:
        """Runs that match ``wanted`` and have not ended."""
        return self.runs({**wanted, "state": {"type": {"any_": UNFINISHED}}})

    def parent_of(self, subflow: Run) -> Run | None:
        """The run that called ``subflow``; None where it was deleted."""
        answer = self._http.get(f"/task_runs/{subflow.parent_task_run_id}")
        if answer.status_code == httpx.codes.NOT_FOUND or not (
            owner := answer.raise_for_status().json()["flow_run_id"]
        ):
            return None
        return self.run(UUID(owner))

    def history(self, run: Run) -> list[State]:
        """Every state the run was in, oldest first."""
        answer = self._http.get("/flow_run_states/", params={"flow_run_id": str(run.id)})
        found = [State.model_validate(state) for state in answer.raise_for_status().json()]
        return sorted(found, key=lambda state: state.timestamp)

    def set_state(
        self,
        run: Run,
        kind: str,
        message: str,
        *,
        name: str | None = None,
        scheduled_for: datetime | None = None,
        force: bool = False,
    ) -> bool:
        """Propose a state; returns whether the server accepted it. Without ``force`` an ended run stays ended."""
        details = {"scheduled_time": scheduled_for.isoformat()} if scheduled_for else {}
        state = {"type": kind, "name": name, "message": message, "state_details": details}
        answer = self._http.post(f"/flow_runs/{run.id}/set_state", json={"state": state, "force": force})
        return bool(answer.raise_for_status().json()["status"] == "ACCEPT")

    def has_events(self, run: Run, since: datetime) -> bool:
        """Whether a heartbeat, or anything else of the run or its tasks, came after ``since``."""
        until = datetime.now(UTC) + _CLOCK_SKEW
        wanted = {
            "occurred": {"since": since.isoformat(), "until": until.isoformat()},
            "event": {"prefix": _RUN_EVENTS},
            "any_resource": {"id": [f"prefect.flow-run.{run.id}"]},
        }
        return bool(self._events(wanted))

    def event_exists(self, event: str, resource: str, since: datetime) -> bool:
        """Whether ``event`` of ``resource`` was emitted after ``since``."""
        wanted = {
            "occurred": {"since": since.isoformat()},
            "event": {"name": [event]},
            "resource": {"id": [resource]},
        }
        return bool(self._events(wanted))

    def workers_on(self, pool: str) -> set[str]:
        """Names of the pool's workers whose heartbeats the server receives."""
        answer = self._http.post(f"/work_pools/{pool}/workers/filter", json={})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return set()
        return {worker["name"] for worker in answer.raise_for_status().json() if worker["status"] == "ONLINE"}

    def deployments(self) -> list[Deployment]:
        """Every deployment."""
        return [Deployment.model_validate(found) for found in self._pages("/deployments/filter", {})]

    def free_slots(self, limit: Limit, count: int) -> None:
        """Free ``count`` slots of a limit. Counted down, not set, so that a run that takes one meanwhile keeps it."""
        wanted = {"names": [limit.name], "slots": count}
        self._http.post("/v2/concurrency_limits/decrement", json=wanted).raise_for_status()

    def _events(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self._http.post("/events/filter", json={"filter": wanted, "limit": 1})
        return list(answer.raise_for_status().json()["events"])

    def _pages(self, path: str, query: dict[str, Any], most: int | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            size = _PAGE if most is None else min(_PAGE, most - len(found))
            page = self._http.post(path, json=query | {"limit": size, "offset": len(found)}).raise_for_status().json()
            found += page
            if len(page) < size or len(found) == most:
                return found
