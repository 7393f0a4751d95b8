"""The programs of the stack: how the Prefect server, a worker and the app are started."""

import sys
from collections.abc import Mapping

from deployments.environment import reachable
from deployments.processes import Service
from deployments.settings import OPS_POOL, ROOT, StackSettings

#: Operations that accumulated while their worker was off must not all start at once.
_OPS_AT_ONCE = 2


def prefect_server(settings: StackSettings, port: int, environment: Mapping[str, str]) -> Service:
    """A Prefect server with its UI on ``port``; the database is in PREFECT_HOME."""
    url = f"http://{reachable(settings.host)}:{port}"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", settings.host, "--port", str(port)]
    return Service("prefect", command, environment, url, f"{url}/api/health", ROOT)


def worker_name(pool: str) -> str:
    """Name of the one worker of a pool in a stack on one machine."""
    return f"{pool}-1"


def worker(pool: str, environment: Mapping[str, str], name: str = "") -> Service:
    """A process worker of one work pool. Its name must be unique: its runs are found by it."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--name", name or worker_name(pool)]
    command += ["--type", "process", "--install-policy", "never", "--no-create-pool-if-not-found"]
    command += ["--limit", str(_OPS_AT_ONCE)] if pool == OPS_POOL else []
    return Service(f"worker-{pool}", command, environment, cwd=ROOT)


def app(settings: StackSettings, port: int, prefect_url: str, environment: Mapping[str, str]) -> Service:
    """The page and its API on ``port``; it links runs at ``prefect_url``."""
    url = f"http://{reachable(settings.host)}:{port}"
    own = {"APP_HOST": settings.host, "APP_PORT": str(port), "APP_PREFECT_URL": prefect_url}
    return Service("app", [sys.executable, "-m", "app"], {**environment, **own}, url, f"{url}/healthz", ROOT)
