"""A worker that is told to stop, or is killed, leaves no run that seems to run."""

import os
import signal
import time
from pathlib import Path

import pytest

from deployments.environment import stack_environment
from deployments.interrupted import settle_runs, settle_runs_of
from deployments.settings import FLOW_POOL, StackSettings
from tests.flow_runs import FlowRuns, prefect_worker, until

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def environment(prefect_stack: StackSettings) -> dict[str, str]:
    return stack_environment(prefect_stack, prefect_stack.prefect_port) | {
        "STACK_VAR": str(prefect_stack.var),
        "STACK_PREFECT_PORT": str(prefect_stack.prefect_port),
    }


def step_is_on(runs: FlowRuns, run: str) -> bool:
    return [child["state"]["type"] for child in runs.children(run)] == ["RUNNING"]


def test_a_worker_that_is_told_to_stop_lets_its_run_finish_and_takes_no_other(
    runs: FlowRuns, environment: dict[str, str], tmp_path: Path
) -> None:
    deployment = runs.deploy("drained", pool=FLOW_POOL)
    with prefect_worker(environment | {"STACK_DRAIN_SECONDS": "60"}, tmp_path) as worker:
        run = runs.start(deployment, {"seconds": 8})
        until(lambda: step_is_on(runs, run))
        worker.send_signal(signal.SIGTERM)
        time.sleep(3)  # what it takes in the very moment of the signal stays pending, for the sweep to find
        next_one = runs.start(deployment, {"seconds": 0})
        worker.wait(90)
    assert runs.state(run)[0] == "COMPLETED"
    assert runs.state(next_one)[0] == "SCHEDULED"
    runs.set(next_one, "CANCELLED")


def test_a_worker_that_is_told_to_stop_leaves_no_run_running(
    runs: FlowRuns, environment: dict[str, str], tmp_path: Path
) -> None:
    with prefect_worker(environment | {"STACK_DRAIN_SECONDS": "1"}, tmp_path) as worker:
        run = runs.start(runs.deploy("stopped"))
        until(lambda: step_is_on(runs, run))
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
    assert runs.state(run)[0] == "CRASHED" and "was stopped" in runs.state(run)[1]
    assert [child["state"]["type"] for child in runs.children(run)] == ["CRASHED"]


def test_only_the_runs_of_that_worker_are_settled(prefect_server: str, runs: FlowRuns) -> None:
    gone, busy = (runs.create(labels={"prefect.worker.name": name}) for name in ("gone", "busy"))
    assert settle_runs_of("gone", prefect_server, "worker gone was killed") == 1
    assert runs.state(gone) == ("CRASHED", "worker gone was killed")
    assert runs.state(busy)[0] == "RUNNING"
    crashed, _ = settle_runs(prefect_server, "the stack was off")
    assert crashed >= 1 and runs.state(busy) == ("CRASHED", "the stack was off")


def test_missed_runs_are_cancelled_and_future_ones_kept(prefect_server: str, runs: FlowRuns) -> None:
    past, future = (
        runs.create(state={"type": "SCHEDULED", "state_details": {"scheduled_time": when}})
        for when in ("2020-01-01T02:00:00Z", "2999-01-01T02:00:00Z")
    )
    settle_runs(prefect_server, "the stack was off")
    assert runs.state(past) == ("CANCELLED", "Missed: the stack was off")
    assert runs.state(future)[0] == "SCHEDULED"
    assert os.environ["PREFECT_API_URL"] == prefect_server
