"""Start, watch and stop the stack's processes, so that nothing is left behind.

Each service has `run/<name>.json` (its process) and `logs/<name>.log` below the stack's folder. A process is identified
by its id together with its start time, because the system uses ids again.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from deployments.environment import MARK

_POLL = 0.2


class ServiceFailed(RuntimeError):
    """A service ended or did not answer in time. The message ends with the last lines of its log."""


@dataclass(frozen=True)
class Service:
    """One program of the stack. ``health`` answers 2xx once it is ready; ``url`` is what a person opens."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    url: str = ""
    health: str = ""
    cwd: Path | None = None


@dataclass(frozen=True)
class Running:
    """A started service, as its file in `run/` says. ``owner`` is the command that started it."""

    name: str
    pid: int
    started: str
    url: str
    owner: str

    @property
    def alive(self) -> bool:
        """Whether this process still runs, and not another one with its id."""
        return self.pid > 0 and _started(self.pid) == self.started


class Processes:
    """The processes of one stack: its files are below ``folder``."""

    def __init__(self, folder: Path, owner: str) -> None:
        self.folder = folder
        self.owner = owner
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def log(self, name: str) -> Path:
        """Where the service writes what it prints."""
        return self.folder / "logs" / f"{name}.log"

    def running(self) -> list[Running]:
        """Services of this stack that are alive, whoever started them; files of dead ones are removed."""
        found = []
        for path in sorted((self.folder / "run").glob("*.json")):
            record = Running(**json.loads(path.read_text()))
            if record.alive:
                found.append(record)
            else:
                path.unlink(missing_ok=True)
        return found

    def start(self, service: Service) -> Running:
        """Start a service in a session of its own. Does not wait for it."""
        log = self.log(service.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        _take_interrupts()
        with log.open("ab") as output:
            output.write(f"\n--- {time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(service.command)}\n".encode())
            output.flush()
            child = subprocess.Popen(
                list(service.command),
                env={**service.environment, MARK: str(self.folder)},
                cwd=service.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[service.name] = child
        return self.remember(service.name, child.pid, service.url)

    def remember(self, name: str, pid: int, url: str = "") -> Running:
        """Record a process as one of the stack's."""
        record = Running(name, pid, _started(pid), url, self.owner)
        path = self._record(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(record)))
        return record

    def forget(self, name: str) -> None:
        """Remove what `remember` wrote."""
        self._record(name).unlink(missing_ok=True)

    def wait_until_ready(
        self, service: Service, seconds: float, waiting: Callable[[float], None] = lambda elapsed: None
    ) -> float:
        """Wait for 2xx from ``service.health``; returns the seconds. Raises ServiceFailed with the log's end."""
        begin = time.monotonic()
        with httpx.Client(trust_env=False, timeout=5.0) as client:
            while not answers(client, service.health):
                elapsed = time.monotonic() - begin
                if (code := self.exit_code(service.name)) is not None:
                    raise ServiceFailed(f"{service.name} ended with exit code {code}.\n{self.tail(service.name)}")
                if elapsed > seconds:
                    raise ServiceFailed(
                        f"{service.name} did not answer at {service.health} within {seconds:.0f} s.\n"
                        f"{self.tail(service.name)}"
                    )
                waiting(elapsed)
                time.sleep(_POLL)
        return time.monotonic() - begin

    def exit_code(self, name: str) -> int | None:
        """Exit code of a service that this object started and that has ended, else None."""
        child = self._children.get(name)
        return None if child is None else child.poll()

    def tail(self, name: str, lines: int = 20) -> str:
        """The last lines of a service's log, under a line that says where it is."""
        log = self.log(name)
        text = log.read_text(errors="replace") if log.exists() else ""
        return "\n".join([f"The end of {log}:", *(f"    {line}" for line in text.splitlines()[-lines:])])

    def stop(self, name: str, seconds: float = 10.0) -> bool:
        """SIGTERM to a service, and SIGKILL to its group after ``seconds``. False if it was not running."""
        record = next((found for found in self.running() if found.name == name), None)
        if record is None:
            return False
        _signal(os.kill, record.pid, signal.SIGTERM)
        self._wait(lambda: not self._lives(record), seconds)
        _signal(os.killpg, record.pid, signal.SIGKILL)  # the group may outlive its first process
        self._wait(lambda: not self._lives(record), 5.0)
        self.forget(name)
        return True

    def stop_all(self, order: Sequence[str] = (), seconds: float = 10.0) -> list[str]:
        """End every service (first those in ``order``), then what else carries the stack's mark; returns the names."""
        names = [record.name for record in self.running() if record.pid != os.getpid()]
        ordered = [name for name in order if name in names] + [name for name in names if name not in order]
        stopped = [name for name in ordered if self.stop(name, seconds)]
        self._end_leftovers()
        return stopped

    def leftovers(self) -> list[int]:
        """Ids of processes that carry this stack's mark, ourselves and our ancestors excepted."""
        spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        return [pid for pid in _marked(str(self.folder)) if pid not in spared]

    def _record(self, name: str) -> Path:
        return self.folder / "run" / f"{name}.json"

    def _end_leftovers(self) -> None:
        for kind, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 2.0)):
            for pid in self.leftovers():
                _signal(os.kill, pid, kind)
            self._wait(lambda: not self.leftovers(), seconds)

    def _lives(self, record: Running) -> bool:
        self.exit_code(record.name)  # reaps the child, which otherwise stays a zombie with its id
        return record.alive

    @staticmethod
    def _wait(done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            time.sleep(0.05)


def _started(pid: int) -> str:
    """When a process started, in a form that can be compared; empty if there is none, or a zombie.

    In seconds after boot, which stays the same when the system's clock is set.
    """
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return ""
        return f"{process.create_time() - psutil.boot_time():.2f}"
    except psutil.Error:
        return ""


def _marked(mark: str) -> Iterator[int]:
    """Ids of the running processes whose environment marks them as of the stack ``mark``."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and _started(process.pid):
                yield process.pid
        except psutil.Error:
            continue  # ended in the meantime, or of another user


def answers(client: httpx.Client, url: str) -> bool:
    """Whether a server answers 2xx at ``url`` now."""
    try:
        return client.get(url).is_success
    except httpx.HTTPError:
        return False


def _take_interrupts() -> None:
    # A shell that starts us in the background ignores SIGINT, children inherit that, and a Prefect worker, which turns
    # SIGTERM into SIGINT for itself, would then never stop.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _signal(send: Callable[[int, int], None], pid: int, kind: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(pid, kind)
