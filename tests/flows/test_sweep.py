"""Runs left behind by dead workers, on a real server: found, crashed, resumed; and what is alive is left alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from deployments.settings import FLOW_POOL
from flows.sweep import SweepConfig, sweep
from tasks.runs.abandoned import Timeouts, crash_abandoned, find_abandoned
from tasks.runs.orchestrator import Orchestrator
from tasks.runs.resumption import RESUMING, Policy, resume_crashed
from tasks.runs.slots import free_leaked_slots
from tasks.sweep import STALE
from tests.conftest import TinyShop
from tests.flow_runs import FlowRuns, until

pytestmark = [pytest.mark.server]

NONE = Timeouts(running=timedelta(0), pending=timedelta(0))
AN_HOUR = Timeouts(running=timedelta(hours=1), pending=timedelta(hours=1))
POLICY = Policy(tag="resume", delay=timedelta(seconds=30), times=2, within=timedelta(hours=24))
LIMIT = {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": "CANCEL_NEW"}}


@pytest.fixture
def server(prefect_server: str) -> Iterator[Orchestrator]:
    with Orchestrator(prefect_server) as connected:
        yield connected


@pytest.fixture
def deployment(runs: FlowRuns) -> str:
    return runs.deploy(f"probe-{uuid4().hex[:8]}", tags=["product-search", "resume"], **LIMIT)


def running(runs: FlowRuns, deployment: str, **more: Any) -> str:
    """A run that holds its deployment's slot and that nobody works on."""
    run = runs.start(deployment, **more)
    assert runs.set(run, "PENDING", "RUNNING") == "ACCEPT"
    return run


def found_ids(server: Orchestrator, timeouts: Timeouts = NONE) -> set[str]:
    return {str(entry.run.id) for entry in find_abandoned(server, timeouts)}


class TestAbandoned:
    def test_a_silent_run_is_crashed_with_its_subflows_and_gives_its_slot_back(
        self, runs: FlowRuns, server: Orchestrator, deployment: str
    ) -> None:
        run = running(runs, deployment)
        task = runs.post("/task_runs/", {"flow_run_id": run, "task_key": "inner", "dynamic_key": "0"})["id"]
        inner = runs.create("inner", parent_task_run_id=task)
        assert runs.slots(deployment) == 1 and run not in found_ids(server, AN_HOUR)
        found = [entry for entry in find_abandoned(server, NONE) if str(entry.run.id) in (run, inner)]
        assert [str(entry.run.id) for entry in found] == [run], "a subflow ends with its parent"
        assert len(crash_abandoned(server, found, NONE)) == 1
        assert runs.state(run)[0] == "CRASHED" and "no heartbeat" in runs.state(run)[1]
        assert runs.state(inner)[0] == "CRASHED" and runs.slots(deployment) == 0

    def test_a_run_that_never_started_is_crashed(self, runs: FlowRuns, server: Orchestrator, deployment: str) -> None:
        run = runs.start(deployment)
        runs.set(run, "PENDING")
        found = [entry for entry in find_abandoned(server, NONE) if str(entry.run.id) == run]
        assert crash_abandoned(server, found, NONE) == found != []
        assert runs.state(run)[0] == "CRASHED" and runs.slots(deployment) == 0

    def test_cancelling_without_anybody_who_cancels_ends_as_cancelled(
        self, runs: FlowRuns, server: Orchestrator, deployment: str
    ) -> None:
        run = running(runs, deployment)
        runs.set(run, "CANCELLING")
        found = [entry for entry in find_abandoned(server, NONE) if str(entry.run.id) == run]
        crash_abandoned(server, found, NONE)
        assert runs.state(run)[0] == "CANCELLED" and runs.slots(deployment) == 0

    def test_a_heartbeat_is_a_sign_of_life(self, runs: FlowRuns, server: Orchestrator, deployment: str) -> None:
        run = running(runs, deployment)
        assert run in found_ids(server)
        runs.heartbeat(run, ahead=timedelta(minutes=5))
        until(lambda: run not in found_ids(server))
        runs.set(run, "CRASHED")

    def test_a_process_on_this_machine_is_a_sign_of_life(
        self, runs: FlowRuns, server: Orchestrator, deployment: str
    ) -> None:
        run = running(runs, deployment)
        marked = {**os.environ, "PREFECT__FLOW_RUN_ID": run}
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=marked)
        try:
            assert run not in found_ids(server)
        finally:
            process.kill()
            process.wait()
        assert run in found_ids(server)
        runs.set(run, "CRASHED")

    def test_a_worker_that_is_on_is_given_more_time(
        self, runs: FlowRuns, server: Orchestrator, deployment: str
    ) -> None:
        run = running(runs, deployment)
        runs.label(run, {"prefect.worker.name": "elsewhere-1"})
        timeouts = Timeouts(running=timedelta(seconds=5), pending=timedelta(0))
        until(lambda: run in found_ids(server, timeouts))
        runs.post(f"/work_pools/{FLOW_POOL}/workers/heartbeat", {"name": "elsewhere-1"})
        assert run not in found_ids(server, timeouts), "it has four times as long"
        assert run in found_ids(server), "but not for ever"
        runs.set(run, "CRASHED")

    def test_a_run_that_ends_meanwhile_stays_as_it_ended(
        self, runs: FlowRuns, server: Orchestrator, deployment: str
    ) -> None:
        run = running(runs, deployment)
        found = [entry for entry in find_abandoned(server, NONE) if str(entry.run.id) == run]
        runs.set(run, "COMPLETED")
        assert found and crash_abandoned(server, found, NONE) == []
        assert server.set_state(found[0].run, "CRASHED", "between our look and our word") is False
        assert runs.state(run)[0] == "COMPLETED"


class TestResumption:
    def crashed(self, runs: FlowRuns, deployment: str, **more: Any) -> str:
        run = running(runs, deployment, **more)
        runs.set(run, "CRASHED")
        return run

    def resume(self, server: Orchestrator, run: str, at_once: bool = True) -> Any:
        from uuid import UUID

        told = resume_crashed(server, POLICY, abandoned=[UUID(run)] if at_once else [])
        return next((entry for entry in told if str(entry.run.id) == run), None)

    def test_resumed_with_a_growing_delay_until_the_cap(
        self, runs: FlowRuns, server: Orchestrator, deployment: str
    ) -> None:
        run = self.crashed(runs, deployment)
        for seconds in (30, 60):
            ended = datetime.fromisoformat(runs.get(f"/flow_runs/{run}")["state"]["timestamp"])
            told = self.resume(server, run)
            assert abs((told.starts - ended).total_seconds() - seconds) < 0.1
            state = runs.get(f"/flow_runs/{run}")["state"]
            assert (state["type"], state["name"]) == ("SCHEDULED", RESUMING)
            runs.set(run, "PENDING", "RUNNING", "CRASHED", force=True)
        told = self.resume(server, run)
        assert told.left_to_a_person and "2 times" in told.what and runs.state(run)[0] == "CRASHED"

    def test_a_worker_may_report_the_crash_twice(self, runs: FlowRuns, server: Orchestrator, deployment: str) -> None:
        run = self.crashed(runs, deployment)
        told = self.resume(server, run, at_once=False)
        assert told.starts is None and "next sweep" in told.what and runs.state(run)[0] == "CRASHED"

    def test_whatever_a_person_decides_is_not_repeated(self, runs: FlowRuns, server: Orchestrator) -> None:
        promote = runs.deploy(f"promote-{uuid4().hex[:8]}", tags=["product-search", "publish"])
        run = self.crashed(runs, promote)
        assert self.resume(server, run) is None and runs.state(run)[0] == "CRASHED"

    def test_one_that_did_the_same_since_takes_its_place(
        self, runs: FlowRuns, server: Orchestrator, deployment: str
    ) -> None:
        old, other = self.crashed(runs, deployment), self.crashed(runs, deployment, parameters={"seconds": 1})
        new = running(runs, deployment)
        assert "waits" in self.resume(server, old).what and "waits" in self.resume(server, other).what
        runs.set(new, "COMPLETED")
        assert "taken its place" in self.resume(server, old).what
        assert self.resume(server, other).starts, "other parameters: nobody did that work"


class TestSlots:
    def test_a_slot_nobody_holds_is_given_back(self, runs: FlowRuns, server: Orchestrator, deployment: str) -> None:
        limit = runs.get(f"/deployments/{deployment}")["global_concurrency_limit"]["name"]
        runs.post("/v2/concurrency_limits/increment", {"names": [limit], "slots": 1, "mode": "concurrency"})
        assert runs.slots(deployment) == 1
        freed = free_leaked_slots(server, timedelta(0))
        assert [entry.slots for entry in freed] == [1] and runs.slots(deployment) == 0

    def test_a_slot_that_a_run_holds_is_not(self, runs: FlowRuns, server: Orchestrator, deployment: str) -> None:
        run = running(runs, deployment)
        assert free_leaked_slots(server, timedelta(0)) == [] and runs.slots(deployment) == 1
        runs.set(run, "COMPLETED")


class TestFlow:
    QUICK = SweepConfig(
        silent_seconds=1, pending_seconds=1, second_look_seconds=0, resume_delay_seconds=0, channels=("production",)
    )

    def test_it_crashes_resumes_and_reports_once(
        self,
        runs: FlowRuns,
        server: Orchestrator,
        deployment: str,
        own_store: TinyShop,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("STORE_URI", own_store.settings.store_uri)
        run = running(runs, deployment)
        a_second = timedelta(seconds=self.QUICK.silent_seconds)
        until(lambda: run in found_ids(server, Timeouts(running=a_second, pending=a_second)))
        rows = [row for row in sweep(self.QUICK) if run in row["id"]]
        assert ["crashed" in row["done"] or "resumed" in row["done"] for row in rows] == [True, True]
        assert runs.get(f"/flow_runs/{run}")["state"]["name"] == RESUMING
        table = runs.post("/artifacts/filter", {"artifacts": {"key": {"any_": ["sweep"]}}, "sort": "CREATED_DESC"})[0]
        assert run in table["data"]
        runs.set(run, "CANCELLED")
        assert not any(row["done"] for row in sweep(self.QUICK) if run in row["id"]), "it is done with once"

    def test_a_stale_channel_is_told_once(
        self, runs: FlowRuns, server: Orchestrator, own_store: TinyShop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STORE_URI", own_store.settings.store_uri)
        own_store.read_shop()
        stale, began = self.QUICK.model_copy(update={"promise_hours": 1e-6}), datetime.now(UTC)
        assert [row["done"] for row in sweep(stale) if row["run"] == "production"] == ["told"]
        until(lambda: server.event_exists(STALE, "product-search.channel.production", began))  # events may come late
        assert [row["done"] for row in sweep(stale) if row["run"] == "production"] == [""]
        assert [row for row in sweep(self.QUICK) if row["run"] == "production"] == [], "the release was made just now"
