"""The HTTP server of the app, and how it stops: it announces the stop, answers what is under way, then ends."""

import threading
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.http.connection import Connection
from app.settings import AppSettings


class Server(uvicorn.Server):
    """Ends on SIGTERM or SIGINT with exit code 0, in three steps.

    1. For ``drain_seconds`` /readyz answers 503 and all else as before: a load balancer stops sending.
    2. No new connections; requests under way are answered, for ``shutdown_seconds`` at most.
    3. The app gives up its lease. A second signal skips to this step.
    """

    def __init__(self, app: FastAPI, settings: AppSettings) -> None:
        config = uvicorn.Config(
            app, http=Connection, log_level="warning", access_log=False,
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )  # fmt: skip
        super().__init__(config)
        self._draining: threading.Event = app.state.draining
        self._drain_seconds = settings.drain_seconds
        self._stop_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note a signal. uvicorn would raise it again at the end, and the process would end as if killed."""
        if self._draining.is_set():
            self.should_exit = self.force_exit = True
        self._draining.set()
        self._stop_at = time.monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now; ten times a second."""
        stop = await super().on_tick(counter)
        return stop or time.monotonic() >= self._stop_at
