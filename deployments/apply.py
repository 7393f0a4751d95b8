"""Bring a Prefect server in line with `prefect.yaml`: pools, limits, deployments, automations. Idempotent.

python -m deployments.apply            # the server of PREFECT_API_URL, else the one of the local stack
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.workers.process import ProcessWorker

from deployments.automations import TAG, upsert_automations
from deployments.environment import stack_environment
from deployments.settings import FLOW_POOL, OPS_POOL, ROOT, StackSettings
from tasks.orchestration.policies import ACCELERATOR

PREFECT_YAML = ROOT / "prefect.yaml"
_PAGE = 200


class ApplyFailed(RuntimeError):
    """`prefect deploy` failed; the message ends with its output."""


def apply(settings: StackSettings, environment: Mapping[str, str], prefect_yaml: Path = PREFECT_YAML) -> list[str]:
    """Bring the server at ``environment["PREFECT_API_URL"]`` up to date; returns one line for each change."""
    with temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}), get_client(sync_client=True) as client:
        changes = create_pools(client) + set_limits(client, settings)
        before = _deployments(client)
        _deploy(environment, prefect_yaml)
        after = _deployments(client)
        changes += [f"deployment {name} created" for name in sorted(after.keys() - before.keys())]
        changes += _prune(client, after, wanted_deployments(prefect_yaml))
        changes += _pause_again(client, after, before)
        changes += upsert_automations(client, settings)
    return changes


def create_pools(client: SyncPrefectClient) -> list[str]:
    """Create the work pools that are missing."""
    changes = []
    for pool, purpose in ((FLOW_POOL, "Runs flows as processes"), (OPS_POOL, "Runs operations, apart from the flows")):
        try:
            client.read_work_pool(pool)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            client.create_work_pool(
                WorkPoolCreate(name=pool, type="process", description=purpose, base_job_template=template)
            )
            changes.append(f"work pool {pool} created")
    return changes


def set_limits(client: SyncPrefectClient, settings: StackSettings) -> list[str]:
    """Create or correct the global concurrency limits that tasks hold. A limit that does not exist limits nothing."""
    try:
        if client.read_global_concurrency_limit_by_name(ACCELERATOR).limit == settings.accelerator_limit:
            return []
    except ObjectNotFound:
        pass
    client.upsert_global_concurrency_limit_by_name(ACCELERATOR, settings.accelerator_limit)
    return [f"limit {ACCELERATOR} set to {settings.accelerator_limit}"]


def wanted_deployments(prefect_yaml: Path = PREFECT_YAML) -> set[str]:
    """Names of the deployments in prefect.yaml. A flow is called as its function: the entrypoint's last word."""
    listed = yaml.safe_load(prefect_yaml.read_text())["deployments"]
    return {f"{entry['entrypoint'].replace(':', '.').rpartition('.')[2]}/{entry['name']}" for entry in listed}


def _deploy(environment: Mapping[str, str], prefect_yaml: Path) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(prefect_yaml)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ApplyFailed(f"prefect deploy ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")


def _deployments(client: SyncPrefectClient) -> dict[str, DeploymentResponse]:
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    found: list[DeploymentResponse] = []
    while page := client.read_deployments(deployment_filter=ours, limit=_PAGE, offset=len(found)):
        found += page
    flows = {flow_id: client.read_flow(flow_id).name for flow_id in {deployment.flow_id for deployment in found}}
    return {f"{flows[deployment.flow_id]}/{deployment.name}": deployment for deployment in found}


def _prune(client: SyncPrefectClient, found: dict[str, DeploymentResponse], wanted: set[str]) -> list[str]:
    # `prefect deploy` leaves what is no longer listed, with its schedule running.
    left = sorted(found.keys() - wanted)
    for name in left:
        client.delete_deployment(found[name].id)
    return [f"deployment {name} removed: no longer in prefect.yaml" for name in left]


def _pause_again(
    client: SyncPrefectClient, after: dict[str, DeploymentResponse], before: dict[str, DeploymentResponse]
) -> list[str]:
    # A nightly run that was paused during an incident must stay paused when the stack restarts.
    kept = []
    for name in sorted(after.keys() & before.keys()):
        was, deployment = before[name], after[name]
        if was.paused and not deployment.paused:
            client.pause_deployment(deployment.id)
            kept.append(f"deployment {name} left paused")
        paused = {schedule.slug for schedule in was.schedules if schedule.slug and not schedule.active}
        for schedule in deployment.schedules:
            if schedule.active and schedule.slug in paused:
                client.update_deployment_schedule(deployment.id, schedule.id, active=False)
                kept.append(f"schedule {schedule.slug} of {name} left paused")
    return kept


def main() -> None:
    """Apply to the server of PREFECT_API_URL, or of the local stack where that is not set."""
    argparse.ArgumentParser(prog="python -m deployments.apply", description=__doc__).parse_args()
    settings = StackSettings()
    environment = stack_environment(settings, settings.prefect_port)
    if "PREFECT_API_URL" in os.environ:
        environment["PREFECT_API_URL"] = os.environ["PREFECT_API_URL"]
    try:
        changes = apply(settings, environment)
    except httpx.HTTPError as error:
        raise SystemExit(
            f"No Prefect server answers at {environment['PREFECT_API_URL']} ({error or type(error).__name__}). Start "
            "one (make demo, or python -m deployments.serve prefect), or set PREFECT_API_URL to yours."
        ) from None
    for change in changes or ["nothing to change"]:
        print(change)


if __name__ == "__main__":
    main()
