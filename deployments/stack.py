"""The whole stack on this machine: Prefect server, worker and app, started and stopped together."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import Any

import httpx
from filelock import FileLock, Timeout

from deployments.drain import drain
from deployments.environment import reachable, stack_environment
from deployments.interrupted import settle_runs
from deployments.ports import free_port
from deployments.processes import Processes, Running, Service
from deployments.server import app, prefect_server, worker, worker_name
from deployments.settings import FLOW_POOL, OPS_POOL, StackSettings

_WORKERS = (f"worker-{OPS_POOL}", f"worker-{FLOW_POOL}")
#: Workers before server, so that a run which ends with its worker can still report it.
_STOP_ORDER = (*_WORKERS, "app", "prefect")
#: A worker under load takes some seconds to end its runs.
_SECONDS_TO_END = 15.0


class AlreadyRunning(RuntimeError):
    """This stack is running already. ``services`` are its processes."""

    def __init__(self, services: list[Running]) -> None:
        super().__init__(", ".join(f"{service.name} (process {service.pid})" for service in services) or "starting")
        self.services = services


class LocalStack:
    """Starts services one by one, for `processes` to wait for; `stop` ends all of them. Ports in use are skipped."""

    def __init__(self, settings: StackSettings, owner: str) -> None:
        self.settings = settings
        self.processes = Processes(settings.var, owner)
        self.prefect_port = free_port(settings.prefect_port, settings.host)
        self.app_port = free_port(settings.app_port, settings.host)
        self.environment = stack_environment(settings, self.prefect_port)
        self.started: list[Service] = []

    @property
    def api_url(self) -> str:
        """Address of the Prefect API."""
        return self.environment["PREFECT_API_URL"]

    @property
    def prefect_url(self) -> str:
        """Address of the Prefect UI."""
        return self.environment["PREFECT_UI_URL"]

    @property
    def app_url(self) -> str:
        """Address of the page."""
        return f"http://{reachable(self.settings.host)}:{self.app_port}"

    def start_prefect(self) -> Service:
        """Start the Prefect server; `wait` returns when it is ready."""
        return self._start(prefect_server(self.settings, self.prefect_port, self.environment))

    def start_worker(self, pool: str = FLOW_POOL) -> Service:
        """Start the worker of a pool."""
        return self._start(worker(pool, self.environment))

    def start_app(self) -> Service:
        """Start the page and its API. It waits for the first release."""
        return self._start(app(self.settings, self.app_port, self.prefect_url, self.environment))

    def ended(self) -> str | None:
        """Name of a service that ended without being stopped."""
        return next((entry.name for entry in self.started if self.processes.exit_code(entry.name) is not None), None)

    def stop(self) -> list[str]:
        """End the worker, give its runs a final state, then end the rest. Returns the names of what was stopped."""
        return stop_stack(self.settings)

    def _start(self, service: Service) -> Service:
        self.processes.start(service)
        self.started.append(service)
        return service


def stop_stack(settings: StackSettings) -> list[str]:
    """End every service of this stack, whichever command started it, and give its unfinished runs a final state."""
    processes = Processes(settings.var, "stop")
    running = {service.name: service for service in processes.running()}
    busy = running.get(f"worker-{FLOW_POOL}")
    if busy and "prefect" in running:
        drain(busy.pid, worker_name(FLOW_POOL), f"{running['prefect'].url}/api", settings.drain_seconds)
    stopped = [name for name in _WORKERS if processes.stop(name, _SECONDS_TO_END)]
    if "prefect" in running:
        with suppress(httpx.HTTPError):  # a server that no longer answers: the next start ends these runs
            settle_runs(f"{running['prefect'].url}/api", "the stack was stopped; start it again, it resumes")
    return stopped + processes.stop_all(_STOP_ORDER, _SECONDS_TO_END)


@contextmanager
def only_one(settings: StackSettings, owner: str) -> Iterator[None]:
    """Hold the stack's lock, so that two commands never start it at the same time. Raises AlreadyRunning."""
    folder = settings.var / "run"
    folder.mkdir(parents=True, exist_ok=True)
    processes = Processes(settings.var, owner)
    lock = FileLock(folder / "stack.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise AlreadyRunning(processes.running()) from None
    try:
        running = processes.running()
        if any(service.name == "prefect" for service in running):
            raise AlreadyRunning(running)
        if running or processes.leftovers():
            stop_stack(settings)  # left over from a killed stack, and useless without its server
        processes.remember(owner, os.getpid())
        yield
    finally:
        processes.forget(owner)
        lock.release()


def stops_are_interrupts() -> AbstractContextManager[None]:
    """Let SIGTERM and a closed terminal end the program as Ctrl-C does: through its `finally` clauses."""
    return _stops_handled(signal.default_int_handler)


def undisturbed() -> AbstractContextManager[None]:
    """Ignore further Ctrl-C while everything is being stopped: an interrupted stop would leave processes behind."""
    return _stops_handled(signal.SIG_IGN)


@contextmanager
def _stops_handled(handler: Callable[[int, FrameType | None], Any] | signal.Handlers) -> Iterator[None]:
    before = {kind: signal.signal(kind, handler) for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for kind, former in before.items():
            signal.signal(kind, former)
