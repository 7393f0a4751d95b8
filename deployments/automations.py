"""The Prefect server's automations: it sends alerts, and starts a sweep when a run falls silent."""

import hashlib
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from deployments.alerts import alerts
from deployments.settings import StackSettings
from flows.sweep import SweepConfig

#: Names of our automations begin with it; others are left alone.
PREFIX = "product-search: "
TAG = "product-search"
SWEEP = "sweep/sweep"
#: Heartbeats come every 30 s. Fewer than three missing ones would suspect runs that are merely busy.
SILENCE = timedelta(seconds=SweepConfig().silent_seconds)
_RESUMABLE = "prefect.tag.resume"
_WEBHOOK = "product-search-alerts"


def upsert_automations(client: SyncPrefectClient, settings: StackSettings, silence: timedelta = SILENCE) -> list[str]:
    """Make the server's automations ours; returns one line for each change (none when it agreed already)."""
    wanted = {automation.name: automation for automation in _wanted(client, settings, silence)}
    found = {
        automation.name: automation for automation in client.read_automations() if automation.name.startswith(PREFIX)
    }
    changes = []
    for name, automation in wanted.items():
        if name not in found:
            client.create_automation(automation)
            changes.append(f"automation {name!r} created")
        elif found[name].description != automation.description:
            client.update_automation(found[name].id, automation)
            changes.append(f"automation {name!r} changed")
    for name in found.keys() - wanted.keys():
        client.delete_automation(found[name].id)
        changes.append(f"automation {name!r} removed")
    return changes


def _wanted(client: SyncPrefectClient, settings: StackSettings, silence: timedelta) -> list[AutomationCore]:
    automations = _alerts(settings.alert_webhook) if settings.alert_webhook else []
    try:
        sweep = client.read_deployment_by_name(SWEEP)
        automations.append(_sweep_at_silence(sweep.id, silence))
    except ObjectNotFound:
        pass
    return [_signed(automation) for automation in automations]


def _alerts(url: str) -> list[AutomationCore]:
    block = CustomWebhookNotificationBlock(
        name=_WEBHOOK, url=url, json_data={"text": "{{subject}}\n{{body}}"}, timeout=10.0
    )
    block_id: Any = block.save(_WEBHOOK, overwrite=True)
    return [alert.model_copy(update={"name": f"{PREFIX}alert: {alert.name}"}) for alert in alerts(block_id)]


def _sweep_at_silence(sweep: UUID, silence: timedelta) -> AutomationCore:
    # It only starts a sweep. Crashing the run here would crash every run after an outage of the server, in which their
    # heartbeats were lost; and a heartbeat that arrives late makes a run that has ended look silent.
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.*"},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        match_related=ResourceSpecification({"prefect.resource.role": "tag", "prefect.resource.id": [_RESUMABLE]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=silence,
    )
    return AutomationCore(
        name=f"{PREFIX}sweep when a run falls silent",
        description="Sooner than the schedule would.",
        trigger=trigger,
        actions=[RunDeployment(source="selected", deployment_id=sweep)],
    )


def _signed(automation: AutomationCore) -> AutomationCore:
    # The server adds ids and defaults to what it stores, so a fingerprint shows whether it is still the same.
    content = _sorted(automation.model_dump(mode="json", exclude={"trigger": {"id"}}))
    mark = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    return automation.model_copy(update={"description": f"{automation.description} [{mark}]"})


def _sorted(value: Any) -> Any:
    # Event names are a set, whose order differs from process to process.
    if isinstance(value, dict):
        return {key: _sorted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return value
