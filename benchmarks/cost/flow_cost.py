"""Runs one flow in a process of its own, through Prefect or without it, and tells what that took."""

import atexit
import importlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_type_hints
from unittest.mock import patch

from pydantic import TypeAdapter

Way = Literal["prefect", "plain"]
_to_the_end = ExitStack()  # of the process


@dataclass(frozen=True)
class Cost:
    """What one run of a flow took.

    Seconds of wall clock: ``process`` from its start to its exit, ``flow`` the call alone, ``working`` those of the
    call in which some task's own code ran (without what it called of Prefect). ``cpu``: seconds of the process and of
    those it started. ``requests``: what it asked a server over HTTP, by method and kind; ``connections``: how many it
    opened to anywhere, in whatever way.
    """

    result: Any
    process: float
    flow: float
    working: float
    cpu: float
    requests: Mapping[str, int]
    connections: int

    @property
    def held_up(self) -> float:
        """Seconds of the call in which no task's own code ran: beginning, ending and telling, and nothing else."""
        return self.flow - self.working

    @property
    def around(self) -> float:
        """Seconds of the process before and after the call."""
        return self.process - self.flow


def run_flow(way: Way, entrypoint: str, config: Any, environment: Mapping[str, str], folder: Path) -> Cost:
    """Call the flow at ``entrypoint`` (module:name) with ``config`` (JSON). Raises RuntimeError with its log's end."""
    folder.mkdir(parents=True, exist_ok=True)
    report, log = folder / "report.json", folder / "log.txt"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.cost.flow_cost", way, entrypoint, json.dumps(config), str(report)]
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=dict(environment), stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not report.exists():
        raise RuntimeError(f"{entrypoint} ({way}) ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    return Cost(process=seconds, cpu=usage.ru_utime + usage.ru_stime, **json.loads(report.read_text()))


def main(way: str, entrypoint: str, config: str, report: str) -> None:
    """The process itself."""
    found: dict[str, Any] = {}
    connections = _count_connections()
    requests: list[str] = []
    # Registered before Prefect's own and so called after them: what it sends at the end counts.
    atexit.register(lambda: _write(Path(report), found, requests, connections))
    if way == "plain":
        from benchmarks.cost import without_prefect

        without_prefect.install()
    else:
        requests = _to_the_end.enter_context(counted_requests())
    from benchmarks.cost.flow_clock import watch_prefect

    clock = watch_prefect()
    module, _, name = entrypoint.partition(":")
    flow = getattr(importlib.import_module(module), name)
    given = TypeAdapter(get_type_hints(getattr(flow, "fn", flow))["config"]).validate_json(config)
    began = time.perf_counter()
    result = flow(given)
    found |= {"result": result, "flow": time.perf_counter() - began, "working": clock.working()}


def _write(report: Path, found: dict[str, Any], requests: list[str], connections: list[Any]) -> None:
    if found:
        counts = {"requests": Counter(requests), "connections": len(connections)}
        report.write_text(json.dumps(found | counts, default=str))


def _count_connections() -> list[Any]:
    seen: list[Any] = []

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(args[1], tuple):  # an address on a network, not a path
            seen.append(args[1])

    sys.addaudithook(hear)
    return seen


@contextmanager
def counted_requests() -> Iterator[list[str]]:
    """Yield a list that grows by every request that leaves this process over httpx, as Prefect's do, tries included."""
    import httpx

    seen: list[str] = []

    def noted(handle: Callable[[Any, httpx.Request], Any]) -> Callable[[Any, httpx.Request], Any]:
        def note(self: Any, request: httpx.Request) -> Any:
            seen.append(f"{request.method} {kind_of(request.url.path)}")
            return handle(self, request)

        return note

    with (
        patch.object(httpx.HTTPTransport, "handle_request", noted(httpx.HTTPTransport.handle_request)),
        patch.object(
            httpx.AsyncHTTPTransport, "handle_async_request", noted(httpx.AsyncHTTPTransport.handle_async_request)
        ),
    ):
        yield seen


def kind_of(path: str) -> str:
    """A path of Prefect's API without the ids in it."""
    return "/".join("ID" if len(part) == 36 and part.count("-") == 4 else part for part in path.split("/")[2:])


if __name__ == "__main__":
    main(*sys.argv[1:])
