"""A test that a Prefect server schedules: with some versions of its libraries it is healthy and never does."""

import time
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.schedules import CronSchedule

_PROBE = "schedule-probe"


def scheduled_runs(client: SyncPrefectClient, deployment_id: UUID, seconds: float) -> tuple[int, float]:
    """Wait until the server has planned runs of a deployment; returns how many (0: none came) and the seconds."""
    begin = time.monotonic()
    wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]))
    while True:
        runs = [run for run in client.read_flow_runs(flow_run_filter=wanted) if run.auto_scheduled]
        elapsed = time.monotonic() - begin
        if runs or elapsed > seconds:
            return len(runs), elapsed
        time.sleep(0.5)


def probe_schedule(client: SyncPrefectClient, seconds: float = 70.0) -> tuple[int, float]:
    """Create a deployment with a cron schedule, wait for its planned runs, and remove it again."""
    flow_id = client.create_flow_from_name(_PROBE)
    schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 2 * * *", timezone="UTC"), active=True)
    deployment_id = client.create_deployment(flow_id=flow_id, name=_PROBE, schedules=[schedule])
    try:
        return scheduled_runs(client, deployment_id, seconds)
    finally:
        client.delete_deployment(deployment_id)
