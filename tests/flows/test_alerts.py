"""Each alert is received for real, by a web server on the loopback, and exactly once. No worker is on."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.flow_engine import run_flow

from deployments.apply import create_pools
from deployments.automations import upsert_automations
from deployments.settings import OPS_POOL, StackSettings
from flows.sweep import SweepConfig, sweep
from tasks.schema.errors import GateRefused
from tests.conftest import TinyShop
from tests.flow_runs import FlowRuns, until

pytestmark = [pytest.mark.server, pytest.mark.slow]


class Receiver(ThreadingHTTPServer):
    """Keeps the text of every alert that is posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keep)
        self.texts: list[str] = []

    def about(self, words: str) -> list[str]:
        """Alerts that say ``words``."""
        return [text for text in self.texts if words in text]


class _Keep(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Receiver)
        self.server.texts.append(json.loads(body)["text"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@flow(name="refusing")
def refusing() -> None:
    """A flow whose gate says no, in a subflow as the pipeline's does."""
    refusing_step()


@flow(name="refusing_step")
def refusing_step() -> None:
    raise GateRefused("Release abc is refused: items is 3. To publish it all the same: python -m flows.publish promote")


@pytest.fixture(scope="module")
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as connected:
        create_pools(connected)
        yield connected


@pytest.fixture(scope="module")
def receiver(client: SyncPrefectClient, prefect_stack: StackSettings) -> Iterator[Receiver]:
    web = Receiver()
    threading.Thread(target=web.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{web.server_port}/"
    upsert_automations(client, prefect_stack.model_copy(update={"alert_webhook": url}))
    time.sleep(1)  # the server's triggers hear of new automations through its own messages
    yield web
    upsert_automations(client, prefect_stack)
    web.shutdown()
    web.server_close()


def test_each_kind_is_told_once(
    receiver: Receiver,
    client: SyncPrefectClient,
    prefect_server: str,
    own_store: TinyShop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = FlowRuns(prefect_server)
    tags = {"tags": ["product-search", "resume"]}
    nightly = runs.deploy("alerts-nightly", **tags)
    names = {"stale": "Channel watched", "operations": "of the operations"}

    def start(kind: str, deployment: str = nightly) -> str:
        run = runs.start(deployment)
        names[kind] = runs.get(f"/flow_runs/{run}")["name"]
        return run

    start("late")
    operations = runs.deploy("alerts-sweep", pool=OPS_POOL)
    for _ in range(2):  # every few minutes another one is late: that is one occurrence
        runs.start(operations)
    runs.set(
        start("failed"), "PENDING", "RUNNING", "FAILED", message="Flow run encountered an exception: KeyError: 'id'"
    )
    crashed = start("crashed")
    runs.set(crashed, "PENDING", "RUNNING", "CRASHED", message="exited with status code: -9")
    runs.set(crashed, "CRASHED", message="exited with status code: -9", force=True)  # runner and worker both report it

    refused = client.read_flow_run(UUID(start("refused", runs.deploy("alerts-refused", flow="refusing", **tags))))
    with pytest.raises(GateRefused):
        run_flow(refusing, flow_run=refused)

    monkeypatch.setenv("STORE_URI", own_store.settings.store_uri)
    own_store.channel = "watched"
    own_store.publish("second")
    own_store.read_shop()
    stale = SweepConfig(channels=("watched",), promise_hours=1e-6, silent_seconds=3600)
    sweep(stale)
    until(lambda: receiver.about("Channel watched"))
    sweep(stale)

    until(lambda: [kind for kind, name in names.items() if not receiver.about(name)] == [], 90)
    time.sleep(3)  # for a second one, if there were one
    said = {kind: receiver.about(name) for kind, name in names.items()}
    assert {kind: len(texts) for kind, texts in said.items()} == dict.fromkeys(names, 1), said
    subjects = Counter(text.splitlines()[0].removeprefix("Product search: ") for text in receiver.texts)
    assert subjects == {"failed": 2, "late": 1, "refused": 1, "stale": 1, "operations": 1}

    assert "KeyError" in said["failed"][0] and "flow-run retry" in said["failed"][0]
    assert "sweep starts it again" in said["crashed"][0]
    assert "flows.publish promote" in said["refused"][0] and "prefect deployment run" in said["refused"][0]
    assert "python -m deployments.serve worker" in said["late"][0]
    assert "reindex/reindex" in said["stale"][0] and "second" in said["stale"][0]
    for kind in ("failed", "crashed", "late", "refused"):
        assert "live release stays as it was" in said[kind][0] and "/runs/flow-run/" in said[kind][0]


def test_a_run_that_falls_silent_has_the_sweep_started(
    client: SyncPrefectClient, prefect_server: str, prefect_stack: StackSettings
) -> None:
    runs = FlowRuns(prefect_server)
    deployed = runs.deploy("sweep", flow="sweep", pool=OPS_POOL)
    try:
        upsert_automations(client, prefect_stack, silence=timedelta(seconds=10))
        time.sleep(1)
        run = runs.start(runs.deploy("alerts-nightly", tags=["product-search", "resume"]))
        runs.set(run, "PENDING", "RUNNING")
        runs.heartbeat(run, tags=["resume"])
        query = {"flow_runs": {"deployment_id": {"any_": [deployed]}}}
        until(lambda: runs.post("/flow_runs/filter", query))
        assert runs.state(run)[0] == "RUNNING", "it is looked at first"
        runs.set(run, "CANCELLED")
    finally:
        client.delete_deployment(UUID(deployed))
        upsert_automations(client, prefect_stack)
