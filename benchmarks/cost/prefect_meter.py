"""What a Prefect server had to do for a piece of work: runs it kept, processor seconds, bytes of its database."""

import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

T = TypeVar("T")
_LOOK_EVERY = 1.5
_UNFINISHED = {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING"]}}


@dataclass(frozen=True)
class Use:
    """Runs kept, bytes of the database, and seconds of the server's processor, those of its idling included."""

    flow_runs: int
    task_runs: int
    bytes: int
    cpu: float

    def __sub__(self, other: "Use") -> "Use":
        mine, theirs = vars(self).values(), vars(other).values()
        return Use(*(here - there for here, there in zip(mine, theirs, strict=True)))


class PrefectMeter:
    """Reads a server on this machine at ``url``, whose stack's files are below ``folder``."""

    def __init__(self, url: str, folder: Path) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=60)
        self._database = folder / "prefect" / "prefect.db"
        self._session = json.loads((folder / "run" / "prefect.json").read_text())["pid"]
        # What was killed before, and left unfinished for ever, is nobody's to wait for.
        since = {"after_": datetime.now(UTC).isoformat()}
        self._unfinished = {"task_runs": {"state": _UNFINISHED, "expected_start_time": since}}

    def measure(self, work: Callable[[], T]) -> tuple[T, Use]:
        """What ``work`` returns, and what the server did until it had written down all of it."""
        before = self._now()
        result = work()
        return result, self.settled() - before

    def idle(self, seconds: float = 5.0) -> float:
        """Seconds of processor that the server takes in a second of nothing."""
        before = self._cpu()
        time.sleep(seconds)
        return (self._cpu() - before) / seconds

    def settled(self, seconds: float = 120.0) -> Use:
        """What the server has once every task run since this meter's start is over and nothing more arrives.

        Events come late. Raises ``TimeoutError`` after ``seconds``.
        """
        end = time.monotonic() + seconds
        last = self._now()
        while time.monotonic() < end:
            time.sleep(_LOOK_EVERY)
            now = self._now()
            same = (now.flow_runs, now.task_runs, now.bytes) == (last.flow_runs, last.task_runs, last.bytes)
            if same and not self._count("task_runs", self._unfinished):
                return now
            last = now
        raise TimeoutError(f"Prefect's server has not settled in {seconds:.0f} s: {last}")

    def _now(self) -> Use:
        return Use(self._count("flow_runs"), self._count("task_runs"), self._bytes(), self._cpu())

    def _count(self, kind: str, chosen: dict[str, Any] | None = None) -> int:
        answer = self._http.post(f"/{kind}/count", json=chosen or {})
        answer.raise_for_status()
        return int(answer.json())

    def _bytes(self) -> int:
        database = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=60)
        try:
            pages, free, size = (
                database.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        finally:
            database.close()
        return (int(pages) - int(free)) * int(size)

    def _cpu(self) -> float:
        """CPU seconds of every process in the session of the server, and of their children that have ended."""
        seconds = 0.0
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):  # it has ended
                if os.getsid(process.pid) == self._session:
                    used = process.cpu_times()
                    seconds += used.user + used.system + used.children_user + used.children_system
        return seconds
