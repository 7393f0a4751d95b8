"""`deployments.apply` against a real Prefect server: idempotent, prunes, keeps pauses, and schedules really run."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId

from deployments.apply import ApplyFailed, apply
from deployments.automations import upsert_automations
from deployments.environment import stack_environment
from deployments.scheduling import probe_schedule, scheduled_runs
from deployments.settings import FLOW_POOL, OPS_POOL, StackSettings
from tasks.orchestration.policies import ACCELERATOR

pytestmark = [pytest.mark.server, pytest.mark.slow]

FLOWS = """
from prefect import flow
from pydantic import BaseModel

class Config(BaseModel):
    number: int = 1

@flow(name="nightly_probe")
def nightly_probe(config: Config) -> int:
    return config.number

@flow(name="manual_probe")
def manual_probe(config: Config) -> int:
    return config.number
"""

ONE = """
  - name: {flow}
    entrypoint: probe_flows.{flow}
    tags: [product-search]
    parameters: {{config: {{number: {number}}}}}
    enforce_parameter_schema: true
    schedules: [{schedule}]
    work_pool: {{name: local-process, job_variables: {{stream_output: false}}}}
"""
NIGHTLY = '{slug: nightly, cron: "0 2 * * *", timezone: "{{ $STACK_TIMEZONE }}", active: true}'


def write_yaml(folder: Path, *entries: str) -> Path:
    path = folder / "prefect.yaml"
    path.write_text("name: probe\npull: []\ndeployments:\n" + "".join(entries))
    return path


@pytest.fixture(scope="module")
def stack(prefect_stack: StackSettings) -> StackSettings:
    return prefect_stack.model_copy(update={"timezone": "Asia/Kolkata", "accelerator_limit": 2})


@pytest.fixture(scope="module")
def environment(stack: StackSettings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("flows")
    (folder / "probe_flows.py").write_text(textwrap.dedent(FLOWS))
    return stack_environment(stack, stack.prefect_port) | {"PYTHONPATH": str(folder)}


@pytest.fixture
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as connected:
        yield connected


def test_apply_creates_then_changes_nothing_then_prunes(
    client: SyncPrefectClient, stack: StackSettings, environment: dict[str, str], tmp_path: Path
) -> None:
    both = write_yaml(
        tmp_path,
        ONE.format(flow="nightly_probe", number=1, schedule=NIGHTLY),
        ONE.format(flow="manual_probe", number=2, schedule=""),
    )
    for pool in client.read_work_pools():  # of tests before this one
        client.delete_work_pool(pool.name)
    first = apply(stack, environment, both)
    assert f"work pool {FLOW_POOL} created" in first and f"work pool {OPS_POOL} created" in first
    assert f"limit {ACCELERATOR} set to 2" in first
    assert client.read_global_concurrency_limit_by_name(ACCELERATOR).limit == 2
    nightly = client.read_deployment_by_name("nightly_probe/nightly_probe")
    assert nightly.pull_steps == [] and nightly.path is None
    assert nightly.schedules[0].schedule.timezone == "Asia/Kolkata"
    planned, _ = scheduled_runs(client, nightly.id, 70)
    assert planned > 0, "the server is healthy but plans no runs"

    assert apply(stack, environment, both) == []
    again = client.read_deployment_by_name("nightly_probe/nightly_probe")
    assert again.id == nightly.id and [entry.id for entry in again.schedules] == [
        entry.id for entry in nightly.schedules
    ]

    client.update_deployment_schedule(nightly.id, nightly.schedules[0].id, active=False)
    assert apply(stack, environment, both) == ["schedule nightly of nightly_probe/nightly_probe left paused"]
    assert not client.read_deployment(nightly.id).schedules[0].active

    only = write_yaml(tmp_path, ONE.format(flow="manual_probe", number=3, schedule=""))
    assert apply(stack, environment, only) == [
        "deployment nightly_probe/nightly_probe removed: no longer in prefect.yaml"
    ]
    left = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[nightly.id]))
    )
    assert not [run for run in left if run.state is not None and run.state.is_scheduled()]
    assert client.read_deployment_by_name("manual_probe/manual_probe").parameters == {"config": {"number": 3}}


def test_webhook_automations_come_and_go_with_their_setting(client: SyncPrefectClient, stack: StackSettings) -> None:
    upsert_automations(client, stack)
    told = stack.model_copy(update={"alert_webhook": "https://alerts.example/hook"})
    kinds = ("failed", "refused", "late", "operations", "stale")
    names = [f"automation 'product-search: alert: {kind}'" for kind in kinds]
    assert upsert_automations(client, told) == [f"{name} created" for name in names]
    assert upsert_automations(client, told) == []
    assert sorted(upsert_automations(client, stack)) == sorted(f"{name} removed" for name in names)


def test_apply_says_what_prefect_refused(
    stack: StackSettings, environment: dict[str, str], tmp_path: Path, prefect_server: str
) -> None:
    broken = write_yaml(tmp_path, ONE.format(flow="no_such_flow", number=1, schedule=""))
    with pytest.raises(ApplyFailed, match="no_such_flow"):
        apply(stack, environment, broken)


def test_probe_leaves_no_deployment(client: SyncPrefectClient) -> None:
    planned, seconds = probe_schedule(client)
    assert planned > 0 and seconds < 70
    assert not [found for found in client.read_deployments() if found.name == "schedule-probe"]
