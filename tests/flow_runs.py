"""Flow runs of a real Prefect server, made, started and looked at over its API."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from deployments.settings import FLOW_POOL, ROOT

#: Flows that a worker can import once the folder they were written to is on PYTHONPATH.
PROBES = """
import os, time
from pathlib import Path
from prefect import flow
from prefect.runtime import flow_run

mark = os.environ.get("PROBE_SLOW_IMPORT")
if mark and not Path(mark).exists():  # the first time only; the run is PENDING meanwhile
    Path(mark).touch()
    time.sleep(300)

@flow(name="inner")
def inner(seconds: float) -> None:
    time.sleep(seconds)

@flow(name="sleepy")
def sleepy(seconds: float = 300) -> None:
    inner(seconds if flow_run.run_count == 1 else 0)  # quick when it is resumed
"""


def until(done: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What ``done`` returns once that is true."""
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, f"still not so after {seconds:.0f} s"
        time.sleep(0.3)
    return found


class FlowRuns:
    """Makes deployments and runs on the server at ``url``, and reads their states."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=120)  # of a busy machine

    def post(self, path: str, body: Any = None) -> Any:
        """JSON that the server answers; None where it answers nothing."""
        for _ in range(5):  # SQLite is busy now and then: the server says 503
            answer = self._http.post(path, json=body if body is not None else {})
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(1)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        """JSON at a path."""
        return self._http.get(path).raise_for_status().json()

    def deploy(self, name: str, flow: str = "sleepy", pool: str = FLOW_POOL, **more: Any) -> str:
        """Id of a deployment of a flow of PROBES; ``more`` are its further fields, as `tags`."""
        wanted = {
            "flow_id": self.post("/flows/", {"name": flow})["id"],
            "name": name,
            "entrypoint": f"probe_flows.{flow}",
            "work_pool_name": pool,
            "pull_steps": [],
            "job_variables": {"stream_output": False},
        }
        return str(self.post("/deployments/", wanted | more)["id"])

    def start(self, deployment: str, parameters: Mapping[str, Any] = {}) -> str:
        """Id of a new run that a worker may take at once."""
        return str(self.post(f"/deployments/{deployment}/create_flow_run", {"parameters": dict(parameters)})["id"])

    def create(self, flow: str = "sleepy", **more: Any) -> str:
        """Id of a run without a deployment, RUNNING unless ``more``, its further fields, names another `state`."""
        wanted = {"flow_id": self.post("/flows/", {"name": flow})["id"], "state": {"type": "RUNNING"}}
        return str(self.post("/flow_runs/", wanted | more)["id"])

    def set(self, run: str, *states: str, message: str = "", force: bool = False) -> str:
        """Propose states one after the other; the server's answer to the last."""
        for state in states:
            wanted = {"state": {"type": state, "message": message}, "force": force}
            answer = self.post(f"/flow_runs/{run}/set_state", wanted)["status"]
        return str(answer)

    def state(self, run: str) -> tuple[str, str]:
        """Type of a run's state, and its message."""
        found = self.get(f"/flow_runs/{run}")["state"]
        return found["type"], found["message"] or ""

    def is_in(self, run: str, *states: str) -> bool:
        """Whether the run is in one of these states."""
        return self.state(run)[0] in states

    def children(self, run: str) -> list[dict[str, Any]]:
        """Runs that a run called."""
        found: list[dict[str, Any]] = self.post(
            "/flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
        )
        return found

    def heartbeat(self, run: str, ahead: timedelta = timedelta(0), tags: Sequence[str] = ()) -> None:
        """What the process of a run sends now and then; its clock may be ``ahead``."""
        event = {
            "id": str(uuid4()),
            "occurred": (datetime.now(UTC) + ahead).isoformat(),
            "event": "prefect.flow-run.heartbeat",
            "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
            "related": [{"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{tag}"} for tag in tags],
        }
        self.post("/events", [event])

    def label(self, run: str, labels: Mapping[str, str]) -> None:
        """Add labels to a run, as the worker that takes it does."""
        self._http.patch(f"/flow_runs/{run}/labels", json=dict(labels)).raise_for_status()

    def slots(self, deployment: str) -> float:
        """How many slots of a deployment's limit are taken."""
        return float(self.get(f"/deployments/{deployment}")["global_concurrency_limit"]["active_slots"])


@contextmanager
def prefect_worker(
    environment: Mapping[str, str], folder: Path, *arguments: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker in the foreground that can import PROBES, which are written to ``folder``; killed at the end."""
    (folder / "probe_flows.py").write_text(PROBES)
    command = [sys.executable, "-m", "deployments.serve", "worker", *arguments]
    child = subprocess.Popen(command, env={**environment, "PYTHONPATH": str(folder)}, cwd=ROOT)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
