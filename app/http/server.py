"""The HTTP server of the app, and how it ends: tells that it is leaving, answers what was asked, then goes."""

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
    2. No new connections; what is being answered is answered, for ``shutdown_seconds`` at most.
    3. The app gives up its lease. A second signal goes there at once.
    """

    def __init__(self, app: FastAPI, settings: AppSettings) -> None:
        config = uvicorn.Config(
            app, http=Connection, log_level="warning", access_log=False,
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )  # fmt: skip
        super().__init__(config)
        self._draining: threading.Event = app.state.draining
        self._drain_seconds = settings.drain_seconds
        self._leave_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note a signal. uvicorn would raise it again at the end, and the process would end as if killed."""
        if self._draining.is_set():
            self.should_exit = self.force_exit = True
        self._draining.set()
        self._leave_at = time.monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now; ten times a second."""
        leave = await super().on_tick(counter)
        return leave or time.monotonic() >= self._leave_at
