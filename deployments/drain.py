"""Draining a worker before it stops: it finishes its runs, for a bounded time, and takes no new ones."""

import os
import signal
import time
from contextlib import suppress

import httpx

from tasks.runs.orchestrator import Orchestrator

_POLL = 1.0


def drain(pid: int, worker: str, api_url: str, seconds: float) -> bool:
    """Wait until the runs of ``worker`` (process ``pid``) have ended; False if some are left after ``seconds``.

    The worker is suspended meanwhile (SIGSTOP): its runs are separate processes and continue. SIGTERM would kill them,
    and a paused queue, the other way to keep it from new runs, would stay paused if this process were killed.
    """
    end = time.monotonic() + seconds
    if not _has_runs(worker, api_url):
        return True
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        try:
            while busy := _has_runs(worker, api_url):
                if time.monotonic() > end:
                    break
                time.sleep(_POLL)
        finally:
            os.kill(pid, signal.SIGCONT)
        return not busy
    return False


def _has_runs(worker: str, api_url: str) -> bool:
    try:
        with Orchestrator(api_url) as server:
            return any(run.worker == worker for run in server.unfinished())
    except httpx.HTTPError:
        return False  # without a server there is nothing to wait for
