"""What the page says while there is nothing to show, or something is wrong."""

import logging

from app.errors import AppError
from app.page.formats import when
from app.page.templates import Html, render
from app.serving.status import LiveStatus
from tasks.schema.errors import ProductSearchError, TransientError

log = logging.getLogger(__name__)


def message(title: str, words: str, kind: str = "quiet", code: str = "") -> Html:
    """What a visitor reads where there is nothing else to show. ``kind`` is its CSS class; ``code``: a command."""
    return render("notice", title=title, words=words, kind=kind, code=code)


def fault(error: Exception, status: LiveStatus) -> Html:
    """Why a query was not answered."""
    if is_busy(error, status):
        return message("Many people search just now", "Your search is tried again in a moment, by itself.", "busy")
    if isinstance(error, AppError):
        return notice(status) or message(error.title, str(error), "bad")
    log.warning("A query failed: %s", error)
    if isinstance(error, OSError) and not isinstance(error, ProductSearchError):
        return message("The picture is gone", "The upload is not kept any longer. Choose the picture once more.")
    title = "The store does not answer" if isinstance(error, TransientError) else "This did not work"
    return message(title, str(error), "bad")


def is_busy(error: Exception, status: LiveStatus) -> bool:
    """Whether the same query may well be answered in a moment."""
    return isinstance(error, AppError) and error.status == 503 and status.snapshot is not None


def notice(status: LiveStatus) -> Html:
    """What a visitor must know before typing: nothing while all is well."""
    if status.snapshot is not None:
        return Html()
    if status.refused:
        return message("The release cannot be loaded", status.refused.reason, "bad")
    if status.store_error:
        return message("The store does not answer", f"{status.store_error} The page tries again by itself.", "bad")
    if status.loading:
        words = f"Release {status.loading} is being loaded. The page begins by itself."
        return message("Getting ready", words, "loading")
    words = "Run the pipeline once. This page begins to answer by itself as soon as a release is live."
    return message("Nothing published yet", words, code="python -m flows.pipeline")


def foot(status: LiveStatus, prefect_url: str = "") -> Html:
    """What answers here, since when, and what is wrong with it."""
    return render("foot", snapshot=status.snapshot, warnings=warnings(status), prefect_url=prefect_url)


def warnings(status: LiveStatus) -> list[str]:
    """What is wrong although queries are answered."""
    found = []
    if status.stale:
        looked = f" The last look that succeeded was on {when(status.checked_at)}." if status.checked_at else ""
        found.append(
            f"What is live cannot be read, so this may not be the newest release.{looked} {status.store_error or ''}"
        )
    if status.refused and status.snapshot and status.refused.release != status.snapshot.release.id:
        found.append(
            f"Release {status.refused.release} is live but cannot be loaded, so this one stays: {status.refused.reason}"
        )
    return found
