"""A real Ray cluster for tests, and the processes and sockets it has."""

import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from deployments.ports import free_port
from tests import flow_runs

#: Workers of a busy machine take minutes to start.
until = partial(flow_runs.until, seconds=300.0)

#: The loopback only, a token of its own, and no usage report.
ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


@contextmanager
def ray_head(environment: Mapping[str, str], cpus: int, gpus: int) -> Iterator[tuple[str, int]]:
    """A cluster of one node that claims to have ``gpus``, as `ray start` makes it: its address and process id."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    port = free_port(26379)  # Ray keeps those below 20 000 for its workers
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={port}"]
    command += [f"--num-cpus={cpus}", f"--num-gpus={gpus}", f"--object-store-memory={128 << 20}"]
    command += [f"--temp-dir={folder}", "--dashboard-agent-listen-port=0"]
    command += ["--include-dashboard=false", "--include-log-monitor=false", "--no-monitor"]  # quicker to start
    started: list[int] = []
    try:
        for _ in range(3):  # Ray gives a busy machine 30 seconds, and not more
            head = _start(command, environment, folder / "printed")
            if head.poll() is None:
                break
        assert head.poll() is None, (folder / "printed").read_text()
        yield f"127.0.0.1:{port}", head.pid
        started += descendants(head.pid)
    finally:
        head.terminate()
        try:
            head.wait(30)
        except subprocess.TimeoutExpired:
            head.kill()
        until(lambda: not any(map(alive, started)))
        shutil.rmtree(folder, ignore_errors=True)


def _start(command: list[str], environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("w") as printed:
        head = subprocess.Popen(command, env=environment, stdout=printed, stderr=printed, start_new_session=True)
    until(lambda: head.poll() is not None or "runtime started" in log.read_text())
    return head


def descendants(pid: int) -> Iterator[int]:
    """Processes that a process started, and those that they started."""
    with suppress(psutil.NoSuchProcess):
        yield from (child.pid for child in psutil.Process(pid).children(recursive=True))


def alive(pid: int) -> bool:
    """Whether a process is still running; a zombie is not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def computing(pid: int) -> list[int]:
    """Descendants of ``pid`` that are workers in the middle of a shard."""
    return [one for one in descendants(pid) if "ShardWorker.compute" in _title(one)]


def listening(pid: int) -> set[str]:
    """Addresses at which ``pid`` and its descendants accept TCP connections."""
    found = set()
    for one in (pid, *descendants(pid)):
        with suppress(psutil.Error):
            connections = psutil.Process(one).net_connections("tcp")
            found |= {c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == psutil.CONN_LISTEN}
    return found


def _title(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""
