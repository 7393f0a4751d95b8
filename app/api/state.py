"""What is live, and whether the process answers."""

import threading
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from app.http.problems import problems
from app.query.search import Search
from app.serving.reports import Reports
from app.serving.status import Refused

#: The report shows words and images of the shop on a page of the app: it runs, sends and loads nothing.
_REPORT_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def release_routes(search: Search, reports: Reports) -> APIRouter:
    """Routes about the live release."""
    routes = APIRouter(tags=["release"])

    @routes.get("/v1/release", responses=problems(503))
    def release() -> dict[str, Any]:
        """The release that answers now, whole: what it is made of, its gates and figures, since when."""
        with search.live.acquire() as snapshot:
            pointer = snapshot.pointer.model_dump(mode="json")
            return {**snapshot.release.model_dump(mode="json"), "live": pointer, "model_name": snapshot.model_name}

    @routes.get("/v1/release/report", response_class=HTMLResponse, responses=problems(404, 502, 503))
    def report() -> HTMLResponse:
        """The evaluation report of the release that answers now: one HTML page with all its figures inside."""
        with search.live.acquire() as snapshot:
            release = snapshot.release
        headers = {"Content-Security-Policy": _REPORT_POLICY, "Cache-Control": "no-cache"}
        return HTMLResponse(reports.read(release), headers=headers)

    return routes


def state_routes(search: Search, draining: threading.Event) -> APIRouter:
    """Routes about the state of the process. They run on the event loop, and so answer however many queries wait."""
    routes = APIRouter(tags=["state"])

    @routes.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Counters, gauges and histograms in Prometheus' text format."""
        return Response(search.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    @routes.get("/healthz")
    async def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @routes.get("/readyz", responses={503: {"description": "Nothing can be answered now: the same document"}})
    async def ready(response: Response) -> dict[str, Any]:
        """Queries may be sent here (200) or not (503): none is answered yet, or the process is about to end.

        A stale release is ready; it says so.
        """
        status = search.live.status()
        is_ready = status.snapshot is not None and not draining.is_set()
        response.status_code = 200 if is_ready else 503
        return {
            "ready": is_ready,
            "draining": draining.is_set(),
            "release": status.snapshot.release.id if status.snapshot else None,
            "generation": status.snapshot.pointer.generation if status.snapshot else None,
            "stale": status.stale,
            "loading": status.loading,
            "live_seconds": status.live_seconds,
            "resident": status.resident,
            "most_resident": status.most_resident,
            "store_error": status.store_error,
            "refused": _refused(status.refused) if status.refused else None,
            "checked_at": status.checked_at.isoformat() if status.checked_at else None,
            "checked_seconds": status.checked_seconds,
        }

    return routes


def _refused(refused: Refused) -> dict[str, Any]:
    return {
        "release": refused.release,
        "reason": refused.reason,
        "attempts": refused.attempts,
        "again_in_seconds": round(refused.again_in, 1),
    }
