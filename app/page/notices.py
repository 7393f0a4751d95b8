"""What the page says while there is nothing to show, or something is wrong."""

import logging
from datetime import UTC, datetime
from urllib.parse import quote

from app.errors import AppError
from app.page.cards import escape
from app.serving.status import LiveStatus
from tasks.schema.errors import ProductSearchError, TransientError

log = logging.getLogger(__name__)


def state(title: str, words: str, kind: str = "quiet", code: str = "", action: str = "") -> str:
    """A designed empty state: what is the case, and what to do. ``action``: HTML of a button."""
    command = f"<pre>{escape(code)}</pre>" if code else ""
    told = f"<h2>{escape(title)}</h2><p>{escape(words)}</p>"
    return f'<div class="state {escape(kind)}" role="status">{told}{command}{action}</div>'


def fault(error: Exception, status: LiveStatus) -> str:
    """Why a query was not answered."""
    if is_busy(error, status):
        return state("Many people search just now", "Your search is tried again in a moment, by itself.", "busy")
    if isinstance(error, AppError):
        return notice(status) or state(error.title, str(error), "bad")
    log.warning("A query failed: %s", error)
    if isinstance(error, OSError) and not isinstance(error, ProductSearchError):
        return state("The picture is gone", "The upload is not kept any longer. Choose the picture once more.")
    title = "The store does not answer" if isinstance(error, TransientError) else "This did not work"
    return state(title, str(error), "bad")


def is_busy(error: Exception, status: LiveStatus) -> bool:
    """Whether the same query may well be answered in a moment."""
    return isinstance(error, AppError) and error.status == 503 and status.snapshot is not None


def notice(status: LiveStatus) -> str:
    """What a visitor must know before typing: nothing while all is well."""
    if status.snapshot is not None:
        return ""
    if status.refused:
        return state("The release cannot be loaded", status.refused.reason, "bad")
    if status.store_error:
        return state("The store does not answer", f"{status.store_error} The page tries again by itself.", "bad")
    if status.loading:
        words = f"Release {status.loading} is being loaded. The page begins by itself."
        return state("Getting ready", words, "loading")
    words = "Run the pipeline once. This page begins to answer by itself as soon as a release is live."
    return state("Nothing published yet", words, code="python -m flows.pipeline")


def foot(status: LiveStatus, prefect_url: str = "") -> str:
    """What answers here, since when, and what is wrong with it."""
    snapshot = status.snapshot
    if snapshot is None:
        return '<footer class="foot"><span>No release is live.</span></footer>'
    release, pointer = snapshot.release, snapshot.pointer
    name = f"Release <code>{escape(release.id)}</code>"
    if address := run_url(prefect_url, release.run or pointer.run):
        name = f'<a href="{escape(address)}" target="_blank" rel="noreferrer">{name}</a>'
    parts = [
        name,
        f"generation {pointer.generation}",
        f"live since {when(pointer.published_at)}",
        f"{len(snapshot.items):,} products",
        f"model {escape(snapshot.model_name)} <code>{escape(release.model.id)}</code>",
    ]
    notes = [f'<span class="warn">{escape(text)}</span>' for text in warnings(status)]
    return f'<footer class="foot">{"".join(f"<span>{part}</span>" for part in parts)}{"".join(notes)}</footer>'


def run_url(prefect_url: str, run: str | None) -> str:
    """Address of a flow run in the Prefect UI; "" where the operator named none."""
    if not run or not prefect_url.startswith(("http://", "https://")):
        return ""
    return f"{prefect_url.rstrip('/')}/runs/flow-run/{quote(run, safe='')}"


def warnings(status: LiveStatus) -> list[str]:
    """What is wrong although queries are answered."""
    told = []
    if status.stale:
        looked = f" The last look that succeeded was on {when(status.checked_at)}." if status.checked_at else ""
        told.append(
            f"What is live cannot be read, so this may not be the newest release.{looked} {status.store_error or ''}"
        )
    if status.refused and status.snapshot and status.refused.release != status.snapshot.release.id:
        told.append(
            f"Release {status.refused.release} is live but cannot be loaded, so this one stays: {status.refused.reason}"
        )
    return told


def when(moment: datetime) -> str:
    """A moment as people write it."""
    return moment.astimezone(UTC).strftime("%d %b %Y, %H:%M UTC")
