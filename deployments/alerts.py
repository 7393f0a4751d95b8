"""The alerts: one message for each occurrence, sent by the Prefect server to a webhook.

The server sends them, so that they also arrive when a worker is what died. Each says what happened, what that means for
the live release, and the next step with its command.
"""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from deployments.settings import FLOW_POOL, OPS_POOL
from tasks.sweep import STALE

#: Worker and runner each report the end of a killed process, seconds apart: the second report is the same occurrence.
_ONCE = timedelta(minutes=1)
#: Operations run every few minutes. While they fail, one alert in this time is enough.
_REMINDER = timedelta(hours=6)

_RUN = {"prefect.resource.id": ["prefect.flow-run.*"]}
_DEPLOYMENT = "related:deployment:prefect.resource.id"
#: State message of a flow whose gate refused its release.
_REFUSED = "*encountered an exception: GateRefused*"
_UNAFFECTED = "The live release stays as it was; search goes on."
_LINK = "{{ flow_run|ui_url }}"

_FAILED = (
    "Run {{ flow_run.name }} of {{ flow.name }} ended as {{ flow_run.state.name }}: {{ flow_run.state.message }}\n"
    f"{_UNAFFECTED}\n"
    "{% if flow_run.state.name == 'Crashed' and 'resume' in flow_run.tags %}"
    "Next: nothing; sweep starts it again within minutes, up to three times. If this alert comes back, read its log."
    "{% else %}"
    "Next: read its log, remove the cause, then: prefect flow-run retry {{ flow_run.id }}"
    "{% endif %}\n"
    f"{_LINK}"
)
_LATE = (
    "Run {{ flow_run.name }} of {{ flow.name }} is late: no worker has taken it.\n"
    f"{_UNAFFECTED}\n"
    f"Next: check whether a worker is running: prefect work-pool inspect {FLOW_POOL}; "
    "start one: python -m deployments.serve worker. The run then starts by itself.\n"
    f"{_LINK}"
)
_GATE = (
    "Run {{ flow_run.name }} of {{ flow.name }} made a release that a gate refuses: {{ flow_run.state.message }}\n"
    f"{_UNAFFECTED}\n"
    "Next: read the gates in the run's artifacts, and compare with the live release. To publish it "
    "anyway, the command is above; else correct the shop's data and start: "
    "prefect deployment run '{{ flow.name }}/{{ flow.name }}'\n"
    f"{_LINK}"
)
_STALE = (
    "Channel {{ event.payload.channel }} is stale: the shop was last read at {{ event.payload.since }}, "
    "{{ event.payload.hours }} h ago; {{ event.payload.promise }} h are promised.\n"
    "Release {{ event.payload.release }} stays live; search goes on with yesterday's shop.\n"
    "Next: see why the last nights did not complete: prefect flow-run ls --flow-name reindex; "
    "then: prefect deployment run reindex/reindex"
)
_OPS = (
    "{{ flow.name }} of the operations ended as {{ flow_run.state.name }}: {{ flow_run.state.message }}\n"
    f"{_UNAFFECTED} Until it runs, nobody crashes or resumes abandoned runs.\n"
    f"Next: check whether its worker is running: prefect work-pool inspect {OPS_POOL}; "
    f"start one: python -m deployments.serve worker --pool {OPS_POOL}\n"
    f"{_LINK}"
)


def alerts(webhook_block: UUID) -> list[AutomationCore]:
    """The automations that send each alert through the notification block with that id."""
    failed = {"prefect.flow-run.Failed", "prefect.flow-run.TimedOut", "prefect.flow-run.Crashed"}
    late = {"prefect.flow-run.Late"}
    return [
        _alert(
            "failed", failed, _in_pool(FLOW_POOL), _FAILED, webhook_block, {"prefect.state-message": [f"!{_REFUSED}"]}
        ),
        _alert("refused", failed, _in_pool(FLOW_POOL), _GATE, webhook_block, {"prefect.state-message": [_REFUSED]}),
        _alert("late", late, _in_pool(FLOW_POOL), _LATE, webhook_block),
        _alert(
            "operations", failed | late, _in_pool(OPS_POOL), _OPS, webhook_block, each=_DEPLOYMENT, within=_REMINDER
        ),
        _alert("stale", {STALE}, {}, _STALE, webhook_block, of={"prefect.resource.id": ["product-search.channel.*"]}),
    ]


def _alert(
    name: str,
    events: set[str],
    related: Mapping[str, str | list[str]],
    body: str,
    block: UUID,
    match: Mapping[str, str | list[str]] | None = None,
    *,
    of: Mapping[str, str | list[str]] = _RUN,
    each: str = "prefect.resource.id",
    within: timedelta = _ONCE,
) -> AutomationCore:
    trigger = EventTrigger(
        expect=events,
        match=ResourceSpecification({**of, **(match or {})}),
        match_related=ResourceSpecification(dict(related)),
        for_each={each},
        posture=Posture.Reactive,
        threshold=1,
        within=within,
    )
    return AutomationCore(
        name=name,
        description="Sent by the server, so that it also comes when a worker is what died.",
        trigger=trigger,
        actions=[SendNotification(block_document_id=block, subject=f"Product search: {name}", body=body)],
    )


def _in_pool(pool: str) -> dict[str, str | list[str]]:
    # Only runs of deployments have a pool: a subflow's failure is reported once, as its parent's.
    return {"prefect.resource.role": "work-pool", "prefect.resource.name": [pool]}
