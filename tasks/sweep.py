"""Tasks: settle what dead workers left behind, and see whether each channel is as fresh as promised."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL

from tasks.orchestration.policies import io_task
from tasks.orchestration.run_artifacts import show_table
from tasks.runs.abandoned import Timeouts, crash_abandoned, find_abandoned
from tasks.runs.orchestrator import Orchestrator, Run
from tasks.runs.resumption import Policy, Resumption, resume_crashed
from tasks.runs.slots import free_leaked_slots
from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, StoreUnavailable, TransientError
from tasks.store.artifacts.manifests import load_manifest
from tasks.store.objects.store import open_store
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import read_release

#: Event that says that a channel's live release is older than promised; an automation tells of it.
STALE = "product-search.channel.stale"
#: Flows that look at the shop. One that found nothing new has kept the live release fresh as well.
_LOOKS = ("reindex", "pipeline")
_LOOKED_AT = 50

Row = dict[str, str]


@io_task()
def recover_runs(timeouts: Timeouts, second_look: float, settled: timedelta, policy: Policy) -> list[Row]:
    """Crash abandoned runs, give back slots nobody holds, and resume what is safe to repeat.

    Returns one row a finding: what was found, what was done, what is left to a person.
    """
    with _server() as server:
        abandoned = find_abandoned(server, timeouts)
        if abandoned:
            time.sleep(second_look)  # after an outage of the server, heartbeats need a moment to come again
            abandoned = crash_abandoned(server, abandoned, timeouts)
        rows = [_row_of(entry.run, entry.why, f"crashed; it was {entry.run.state.name}") for entry in abandoned]
        rows += [
            _row(freed.deployment, f"{freed.slots} slots that no run holds", "given back")
            for freed in free_leaked_slots(server, settled)
        ]
        resumed = resume_crashed(server, policy, abandoned=[entry.run.id for entry in abandoned])
        return rows + [_row_of_resumption(resumption) for resumption in resumed]


@io_task()
def check_freshness(channel: str, promise: timedelta) -> Row | None:
    """Tell, once, that nobody looked at the shop for longer than promised; returns that finding, or None.

    A channel is as fresh as the catalogue of its live release, or as the last completed run that looked at the shop for
    it: an unchanged shop gives no new release. A release by itself tells nothing: a recall makes one, too.
    """
    store = open_store()
    try:
        live = read_live(store, channel)
        if live is None:
            return None  # nothing was promised before the first release
        made = load_manifest(store, read_release(store, live.pointer.release).catalog).created_at
    except (StoreUnavailable, ArtifactMissing, ArtifactCorrupt) as error:
        get_run_logger().warning("Freshness of %s is unknown: %s", channel, error)
        return None
    with _server() as server:
        since = max([made, *_looks(server, channel)])
        age = datetime.now(UTC) - since
        if age <= promise:
            return None
        resource = f"product-search.channel.{channel}"
        told = server.event_exists(STALE, resource, since)
    if not told:
        payload = {"channel": channel, "release": live.pointer.release, "since": f"{since:%Y-%m-%d %H:%M} UTC"}
        payload |= {"hours": f"{age / timedelta(hours=1):.0f}", "promise": f"{promise / timedelta(hours=1):g}"}
        emit_event(STALE, resource={"prefect.resource.id": resource, "prefect.resource.name": channel}, payload=payload)
    found = f"nobody looked at the shop since {since:%Y-%m-%d %H:%M} UTC"
    return _row(channel, found, "" if told else "told", "prefect deployment run reindex/reindex")


@io_task()
def report_sweep(rows: list[Row]) -> None:
    """Leave the findings at the run, as a table."""
    show_table("sweep", rows, "What was found, what was done, what is left to a person")


def _looks(server: Orchestrator, channel: str) -> list[datetime]:
    """When the completed runs that looked at the shop for ``channel`` began, the latest first."""
    completed = {"type": {"any_": ["COMPLETED"]}}
    runs = server.runs({"state": completed}, flows=_LOOKS, sort="START_TIME_DESC", most=_LOOKED_AT)
    asked = [(run, run.parameters.get("config") or {}) for run in runs]
    return [
        run.start_time
        for run, config in asked
        if run.start_time and config.get("channel", "production") == channel and config.get("publish", True)
    ]


def _row(run: str, found: str, done: str, following: str = "", run_id: str = "") -> Row:
    return {"run": run, "found": found, "done": done, "next": following, "id": run_id}


def _row_of(run: Run, found: str, done: str, following: str = "") -> Row:
    return _row(run.name, found, done, following, str(run.id))


def _row_of_resumption(resumption: Resumption) -> Row:
    run = resumption.run
    if resumption.starts:
        return _row_of(run, "crashed", f"{resumption.what}; starts at {resumption.starts:%H:%M:%S} UTC")
    command = f"find the cause, then: prefect flow-run retry {run.id}" if resumption.left_to_a_person else ""
    return _row_of(run, f"crashed; {resumption.what}", "", command)


@contextmanager
def _server() -> Iterator[Orchestrator]:
    url = str(PREFECT_API_URL.value())
    try:
        with Orchestrator(url) as server:
            yield server
    except httpx.HTTPError as error:
        if isinstance(error, httpx.HTTPStatusError) and error.response.is_client_error:
            raise  # our mistake, which a retry does not mend
        raise TransientError(f"The Prefect server at {url} did not answer: {error}; the next sweep goes on.") from error
