"""The night after a crash: flows, worker and server are killed, the server restarts, and it still runs."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.apply import create_pools
from deployments.environment import stack_environment
from deployments.ports import free_port
from deployments.processes import Processes
from deployments.server import prefect_server as prefect_service
from deployments.settings import StackSettings
from flows.sweep import SweepConfig, sweep
from tests.flow_runs import FlowRuns, prefect_worker, until

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]

NIGHTLY = {
    "tags": ["product-search", "resume"],
    "concurrency_limit": 1,
    "concurrency_options": {"collision_strategy": "CANCEL_NEW", "grace_period_seconds": 600},
}
QUICK = SweepConfig(silent_seconds=1, pending_seconds=1, second_look_seconds=1, resume_delay_seconds=0)


class Night:
    """A server of its own that can be killed and started again over the same database."""

    def __init__(self, folder: Path) -> None:
        self.settings = StackSettings(var=folder, prefect_port=free_port(0))
        own = {"STORE_URI": str(folder / "store"), "STACK_VAR": str(folder), "STACK_DRAIN_SECONDS": "0"}
        own |= {"STACK_PREFECT_PORT": str(self.settings.prefect_port)}
        self.environment = stack_environment(self.settings, self.settings.prefect_port, {**os.environ, **own})
        self.processes = Processes(folder, "night")
        self.runs = FlowRuns(self.environment["PREFECT_API_URL"])

    def start_server(self) -> None:
        server = prefect_service(self.settings, self.settings.prefect_port, self.environment)
        self.processes.start(server)
        self.processes.wait_until_ready(server, 180)

    def kill_everything(self) -> None:
        """SIGKILL to server, worker and flow runs, as when the power fails."""
        while left := self.processes.leftovers():
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            self.processes.stop_all()


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    made = Night(tmp_path)
    monkeypatch.setenv("STORE_URI", made.environment["STORE_URI"])
    try:
        with temporary_settings({PREFECT_API_URL: made.environment["PREFECT_API_URL"]}):
            yield made
    finally:
        made.kill_everything()


def test_the_night_after_a_crash_and_a_restart_still_runs(night: Night, tmp_path: Path) -> None:
    # Also passes with PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=prefect.server.concurrency.lease_storage.memory, where a
    # restart forgets the leases and nothing but the sweep would ever give the slots back.
    runs = night.runs
    night.start_server()
    with get_client(sync_client=True) as client:
        create_pools(client)
    slow_import = {"env": {"PROBE_SLOW_IMPORT": str(tmp_path / "imported")}, "stream_output": False}
    nightly, starting = runs.deploy("nightly", **NIGHTLY), runs.deploy("starting", job_variables=slow_import, **NIGHTLY)
    with prefect_worker(night.environment, tmp_path):
        running, pending = runs.start(nightly), runs.start(starting, {"seconds": 0})
        until(lambda: [child["state"]["type"] for child in runs.children(running)] == ["RUNNING"], 120)
        until(lambda: (tmp_path / "imported").exists(), 120)
        assert runs.is_in(pending, "PENDING")
        night.kill_everything()

    night.start_server()
    for deployment in (nightly, starting):
        cancelled = runs.start(deployment)
        runs.set(cancelled, "PENDING")
        assert runs.state(cancelled) == ("CANCELLED", "Deployment concurrency limit reached."), (
            "the slot is still taken"
        )

    found = {row["id"]: row["found"] for row in sweep(QUICK) if row["done"].startswith("crashed")}
    assert set(found) == {running, pending}
    assert "heartbeat" in found[running] and "pending" in found[pending]
    assert [child["state"]["type"] for child in runs.children(running)] == ["CRASHED"]
    assert runs.slots(nightly) == runs.slots(starting) == 0

    with prefect_worker(night.environment, tmp_path):
        until(lambda: runs.is_in(running, "COMPLETED") and runs.is_in(pending, "COMPLETED"), 120)
        following = runs.start(nightly, {"seconds": 0})
        until(lambda: runs.is_in(following, "COMPLETED"), 120)
    assert runs.get(f"/flow_runs/{running}")["run_count"] == 2, "resumed, not started anew"
    assert runs.slots(nightly) == runs.slots(starting) == 0
