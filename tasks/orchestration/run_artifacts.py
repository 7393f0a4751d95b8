"""What an operator sees of a run: tables, figures, links and progress, as Prefect artifacts.

Showing never stops the work: where the Prefect server does not take an artifact, a warning is logged instead.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from tasks.report.tables import escape, table
from tasks.schema.errors import ProductSearchError
from tasks.schema.manifest import ArtifactRef, Manifest
from tasks.schema.progress import Progress
from tasks.store.objects.store import Store
from tasks.store.releases.history import HistoryEntry, read_history

P = ParamSpec("P")
_SECONDS_BETWEEN_UPDATES = 2.0
_SHARE_OF_TIME = 0.01  # that updates may take: of a slow server there are fewer
_SECONDS_BETWEEN_LOG_LINES = 10.0


def _never_stops_the_work(show: Callable[P, Any]) -> Callable[P, None]:
    @wraps(show)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            show(*args, **kwargs)
        except Exception as error:
            get_run_logger().warning("Prefect did not take an artifact (%s): %s", show.__name__, error)

    return call


def current_run() -> str | None:
    """Id of the flow run that calls, for records that name who made them; None outside of any."""
    return str(flow_run.id) if flow_run.id else None


def artifact_key(*words: str) -> str:
    """Key of a Prefect artifact: lower case, digits and dashes only, or the server refuses it."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")


@_never_stops_the_work
def show_markdown(key: str, markdown: str, description: str = "") -> None:
    """Leave a page of markdown (tables, links, mermaid) at the run."""
    create_markdown_artifact(key=artifact_key(key), markdown=markdown, description=description or None)


@_never_stops_the_work
def show_table(key: str, rows: Sequence[dict[str, Any]], description: str = "") -> None:
    """Leave a searchable table at the run. The server takes its columns from the first row alone."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = [{name: row.get(name, "") for name in columns} for row in rows]
    create_table_artifact(key=artifact_key(key), table=table, description=description or None)


@_never_stops_the_work
def show_figure(key: str, data_uri: str, description: str = "") -> None:
    """Leave an image at the run, as a data: URI, so that it needs no host and never expires."""
    create_image_artifact(key=artifact_key(key), image_url=data_uri, description=description or None)


def show_svg(key: str, svg: bytes, description: str = "") -> None:
    """Leave a drawing at the run."""
    from tasks.report.style import data_uri

    show_figure(key, data_uri(svg, "image/svg+xml"), description)


def show_figures(key: str, title: str, figures: Mapping[str, Any], description: str) -> None:
    """Leave a titled page of figures at the run, one row each."""
    show_markdown(key, f"# {title}\n\n{figure_table(figures)}", description)


def figure_table(figures: Mapping[str, Any]) -> str:
    """One row each; those of a mapping come in its place, under both names. Lists are left out."""
    return table(["what", "value"], _rows(figures))


def show_reused(store: Store, manifest: Manifest) -> ArtifactRef:
    """Show that an artifact was stored before, with its figures and its report; returns its reference."""
    get_run_logger().info("%s is stored already (%s): reused", manifest.ref, f"{manifest.created_at:%Y-%m-%d %H:%M}")
    report = store.url(f"{manifest.ref.folder}/report.html")
    link = f"\n\nFull report: [{report}]({report})" if any(one.path == "report.html" for one in manifest.files) else ""
    show_markdown(
        manifest.kind,
        f"# {manifest.kind.capitalize()} `{manifest.id}`\n\nMade on {manifest.created_at:%Y-%m-%d %H:%M} UTC "
        f"and reused: what it is made of is the same.\n\n{figure_table(manifest.summary)}{link}",
        "Stored before, reused by this run",
    )
    return manifest.ref


def _rows(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _rows(value, f"{prefix}{name} ")
        elif isinstance(value, (str, int, float)):
            yield escape(f"{prefix}{name}"), f"{value:.4g}" if isinstance(value, float) else escape(value)


@contextmanager
def track(key: str, description: str) -> Iterator[Progress]:
    """Yield a progress callable that draws a Prefect progress artifact and, now and then, a log line."""
    logger = get_run_logger()
    artifact = None
    try:
        artifact = create_progress_artifact(progress=0.0, key=artifact_key(key), description=description)
    except Exception as error:
        logger.warning("Prefect took no progress artifact for %s: %s", description, error)
    logged = time.monotonic()
    next_update = logged + _SECONDS_BETWEEN_UPDATES

    def progress(share: float, message: str) -> None:
        nonlocal next_update, logged
        now = time.monotonic()
        if now - logged >= _SECONDS_BETWEEN_LOG_LINES:
            logger.info("%s: %.0f %%, %s", description, 100 * share, message)
            logged = now
        if now >= next_update:
            _update(artifact, share)
            done = time.monotonic()
            next_update = done + max(_SECONDS_BETWEEN_UPDATES, (done - now) / _SHARE_OF_TIME)

    yield progress
    _update(artifact, 1.0)


def _update(artifact: Any, share: float) -> None:
    if artifact is None:
        return
    try:
        update_progress_artifact(artifact, progress=round(100.0 * min(max(share, 0.0), 1.0), 1))
    except Exception as error:
        get_run_logger().warning("Prefect took no progress update: %s", error)


def show_history(store: Store, channel: str, last: int = 20) -> None:
    """Leave a channel's history at the run. A store that cannot be read is logged: what is live has moved already."""
    try:
        rows = history_rows(store, channel, last)
    except ProductSearchError as error:
        get_run_logger().warning("The history cannot be shown: %s", error)
        return
    show_table("history", rows, f"What {channel} served, newest first")


def history_rows(store: Store, channel: str, last: int) -> list[dict[str, str]]:
    """The last pointers of a channel, newest first, one row each."""
    return [_history_row(served) for served in read_history(store, channel, last)]


def _history_row(served: HistoryEntry) -> dict[str, str]:
    pointer = served.pointer
    return {
        "generation": str(pointer.generation),
        "release": pointer.release,
        "when": f"{pointer.published_at:%Y-%m-%d %H:%M:%S} UTC",
        "reason": pointer.reason,
        "run": pointer.run or "",
        "items": str(served.release.items) if served.release else "collected",
        "pinned": (served.pin.reason or "yes") if served.pin else "",
    }
