"""One program of the stack in the foreground, as a container or a unit of systemd runs it.

    python -m deployments.serve prefect | worker [--pool ops] | app | apply

Settings are the STACK_... variables; worker, app and apply find the server by STACK_PREFECT_URL.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import httpx

from deployments.drain import drain
from deployments.environment import stack_environment
from deployments.interrupted import settle_runs_of
from deployments.processes import Service, answers
from deployments.server import app, prefect_server, worker
from deployments.settings import FLOW_POOL, OPS_POOL, StackSettings

_SECONDS_FOR_SERVER = 300.0
_SECONDS_TO_END = 20.0


def become(service: Service) -> None:
    """Replace this process by the service, so that signals and the exit code are its own."""
    os.chdir(service.cwd or ".")
    os.execvpe(service.command[0], list(service.command), dict(service.environment))


def wait_for_server(api_url: str, seconds: float = _SECONDS_FOR_SERVER) -> None:
    """Wait until the Prefect server is healthy; ends the program if it does not become so."""
    end = time.monotonic() + seconds
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        while time.monotonic() < end:
            if answers(client, f"{api_url}/health"):
                return
            time.sleep(1.0)
    raise SystemExit(f"no Prefect server answered at {api_url} within {seconds:.0f} s: check STACK_PREFECT_URL")


def run_worker(pool: str, environment: dict[str, str], name: str, drain_seconds: float) -> int:
    """Run a worker until it ends or SIGTERM comes; returns its exit code.

    After SIGTERM its runs may continue for ``drain_seconds``, and those that are left get a final state: a worker that
    is simply stopped leaves its run RUNNING for ever, and its slot taken. A second signal ends the wait.
    """
    api_url = environment["PREFECT_API_URL"]
    settle_runs_of(name, api_url, f"worker {name} was killed; start the run again, it resumes")
    child = _start(worker(pool, environment, name))
    try:
        return child.wait()
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            drain(child.pid, name, api_url, drain_seconds)
        child.terminate()
        try:
            return child.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()
    finally:
        settle_runs_of(name, api_url, f"worker {name} was stopped; start the run again, it resumes")


def _start(service: Service) -> subprocess.Popen[bytes]:
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.default_int_handler)
    # A session of its own, so that Ctrl-C on the terminal reaches the worker only once, through this process.
    return subprocess.Popen(
        list(service.command), env=dict(service.environment), cwd=service.cwd, start_new_session=True
    )


def main() -> None:
    """Start the program that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m deployments.serve", description=__doc__)
    parser.add_argument("what", choices=("prefect", "worker", "app", "apply"))
    parser.add_argument("--pool", default=FLOW_POOL, choices=(FLOW_POOL, OPS_POOL), help="work pool of the worker")
    arguments = parser.parse_args()
    settings = StackSettings()
    environment = stack_environment(settings, settings.prefect_port)
    if arguments.what == "prefect":
        become(prefect_server(settings, settings.prefect_port, environment))
    if arguments.what == "app":
        become(app(settings, settings.app_port, environment["PREFECT_UI_URL"], environment))
    wait_for_server(environment["PREFECT_API_URL"])
    if arguments.what == "worker":
        raise SystemExit(
            run_worker(arguments.pool, environment, f"{arguments.pool}-{socket.gethostname()}", settings.drain_seconds)
        )
    os.environ.update(environment)  # before Prefect is imported, which reads its settings once
    from deployments.apply import apply

    for change in apply(settings, environment) or ["nothing to change"]:
        print(change, file=sys.stderr)


if __name__ == "__main__":
    main()
