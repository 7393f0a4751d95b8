"""What the Prefect server does by itself: a run whose worker is gone is crashed, and a webhook hears of bad runs."""

import hashlib
import json
from datetime import timedelta
from typing import Any

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from deployments.settings import StackSettings

#: Every automation of ours begins so; others are left alone.
PREFIX = "product-search: "
TAG = "product-search"
#: Heartbeats come every 30 s (prefect.yaml). Fewer than three missing ones would crash runs that are merely busy.
SILENCE = timedelta(seconds=150)

_WEBHOOK = "product-search-alerts"
_BODY = (
    "Flow run {{ flow_run.name }} of {{ flow.name }}: {{ flow_run.state.name }}. {{ flow_run.state.message }}\n"
    "{{ flow_run|ui_url }}\nThe live release stays as it was; start the run again once the cause is gone."
)


def upsert_automations(client: SyncPrefectClient, settings: StackSettings) -> list[str]:
    """Make the server's automations ours; returns one line for each change (none when it agreed already)."""
    wanted = {automation.name: automation for automation in _wanted(settings)}
    found = {automation.name: automation for automation in client.read_automations() if _ours(automation.name)}
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


def _wanted(settings: StackSettings) -> list[AutomationCore]:
    automations = [_crash_the_silent()]
    if settings.alert_webhook:
        automations.append(_alert(settings.alert_webhook))
    return [_signed(automation) for automation in automations]


def _crash_the_silent() -> AutomationCore:
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.*"},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=SILENCE,
    )
    message = f"No heartbeat for {SILENCE.seconds} s: its worker or machine is gone. Start it again; it resumes."
    return AutomationCore(
        name=f"{PREFIX}crash runs without a heartbeat",
        description="Frees the slot of a run that nobody works on any more.",
        trigger=trigger,
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
    )


def _alert(url: str) -> AutomationCore:
    block = CustomWebhookNotificationBlock(
        name=_WEBHOOK, url=url, json_data={"text": "{{subject}}\n{{body}}"}, timeout=10.0
    )
    block_id = block.save(_WEBHOOK, overwrite=True)
    trigger = EventTrigger(
        expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.Late"},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        match_related=ResourceSpecification(
            {"prefect.resource.role": "tag", "prefect.resource.id": [f"prefect.tag.{TAG}"]}
        ),
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    return AutomationCore(
        name=f"{PREFIX}tell of failed, crashed and late runs",
        description="The server sends it, so that it also comes when the worker is what died.",
        trigger=trigger,
        actions=[SendNotification(block_document_id=block_id, subject="Product search", body=_BODY)],
    )


def _signed(automation: AutomationCore) -> AutomationCore:
    # The server adds ids and defaults to what it stores, so a fingerprint tells whether it is still the same.
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


def _ours(name: str) -> bool:
    return name.startswith(PREFIX)
