"""A worker that is told to stop, or is killed, leaves no run that seems to run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from deployments.environment import stack_environment
from deployments.interrupted import settle_runs, settle_runs_of
from deployments.settings import FLOW_POOL, ROOT, StackSettings

pytestmark = [pytest.mark.server, pytest.mark.slow]

SLEEPY = """
import time
from prefect import flow

@flow(name="inner")
def inner() -> None:
    time.sleep(300)

@flow(name="sleepy")
def sleepy() -> None:
    inner()
"""


def until(done: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"still not so after {seconds:.0f} s"
        time.sleep(0.3)


@pytest.fixture
def api(prefect_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=prefect_server, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def worker(api: httpx.Client, prefect_stack: StackSettings, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    from prefect.client.orchestration import get_client

    from deployments.apply import create_pools

    with get_client(sync_client=True) as client:
        create_pools(client)
    (tmp_path / "sleepy_flows.py").write_text(SLEEPY)
    environment = stack_environment(prefect_stack, prefect_stack.prefect_port) | {
        "STACK_VAR": str(prefect_stack.var),
        "STACK_PREFECT_PORT": str(prefect_stack.prefect_port),
        "PYTHONPATH": str(tmp_path),
    }
    child = subprocess.Popen([sys.executable, "-m", "deployments.serve", "worker"], env=environment, cwd=ROOT)
    yield child
    child.kill()
    child.wait()


def start_run(api: httpx.Client) -> UUID:
    flow = api.post("/flows/", json={"name": "sleepy"}).json()["id"]
    wanted = {
        "flow_id": flow,
        "name": "sleepy",
        "entrypoint": "sleepy_flows.sleepy",
        "work_pool_name": FLOW_POOL,
        "pull_steps": [],
        "job_variables": {"stream_output": False},
    }
    deployment = api.post("/deployments/", json=wanted).raise_for_status().json()["id"]
    return UUID(api.post(f"/deployments/{deployment}/create_flow_run", json={}).raise_for_status().json()["id"])


def state(api: httpx.Client, run: UUID) -> tuple[str, str]:
    found = api.get(f"/flow_runs/{run}").json()["state"]
    return found["type"], found["message"] or ""


def subflows(api: httpx.Client, run: UUID) -> list[str]:
    wanted = {"flow_runs": {"parent_flow_run_id": {"any_": [str(run)]}}}
    return [found["state"]["type"] for found in api.post("/flow_runs/filter", json=wanted).json()]


def test_a_worker_that_is_told_to_stop_leaves_no_run_running(
    api: httpx.Client, worker: subprocess.Popen[bytes]
) -> None:
    run = start_run(api)
    until(lambda: subflows(api, run) == ["RUNNING"])
    worker.send_signal(signal.SIGTERM)
    worker.wait(60)
    assert state(api, run)[0] == "CRASHED" and "was stopped" in state(api, run)[1]
    assert subflows(api, run) == ["CRASHED"]


def test_only_the_runs_of_that_worker_are_settled(prefect_server: str, api: httpx.Client) -> None:
    flow = api.post("/flows/", json={"name": "sleepy"}).json()["id"]
    runs = {}
    for name in ("gone", "busy"):
        wanted = {"flow_id": flow, "state": {"type": "RUNNING"}, "labels": {"prefect.worker.name": name}}
        runs[name] = UUID(api.post("/flow_runs/", json=wanted).raise_for_status().json()["id"])
    assert settle_runs_of("gone", prefect_server, "worker gone was killed") == 1
    assert state(api, runs["gone"]) == ("CRASHED", "worker gone was killed")
    assert state(api, runs["busy"])[0] == "RUNNING"
    crashed, _ = settle_runs(prefect_server, "the stack was off")
    assert crashed >= 1 and state(api, runs["busy"]) == ("CRASHED", "the stack was off")


def test_missed_runs_are_cancelled_and_future_ones_kept(prefect_server: str, api: httpx.Client) -> None:
    flow = api.post("/flows/", json={"name": "sleepy"}).json()["id"]
    ids = []
    for when in ("2020-01-01T02:00:00Z", "2999-01-01T02:00:00Z"):
        wanted = {"flow_id": flow, "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": when}}}
        ids.append(UUID(api.post("/flow_runs/", json=wanted).raise_for_status().json()["id"]))
    settle_runs(prefect_server, "the stack was off")
    assert state(api, ids[0]) == ("CANCELLED", "Missed: the stack was off")
    assert state(api, ids[1])[0] == "SCHEDULED"
    assert os.environ["PREFECT_API_URL"] == prefect_server
