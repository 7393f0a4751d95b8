"""The one place where the environment of server, worker, app and clients is made."""

import os
from collections.abc import Mapping
from pathlib import Path

from deployments.settings import StackSettings

#: Marks every process of a stack, so that a stop also finds flow runs, which a worker starts in separate sessions.
MARK = "PRODUCT_SEARCH_STACK"

_QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}

#: Defaults that the caller's environment may replace: several servers share Redis instead of a folder.
_LASTING = {
    # In-memory leases are lost with the server: the slot of a run that died is then taken for ever, and CANCEL_NEW
    # cancels every later nightly run.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
}

_PROMPT = {
    "PREFECT_WORKER_QUERY_SECONDS": "2",  # 3-6 s from trigger to running instead of 8-15 s
    # A worker that finds our pyproject.toml in the working folder must not build an environment of its own.
    "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # 180 s by default: a run would look silent between two of them
    "PREFECT_CLI_PROMPT": "false",
    "PYTHONUNBUFFERED": "1",
}


def api_url(port: int, host: str = "127.0.0.1") -> str:
    """Address of the Prefect API on ``port``."""
    return f"http://{reachable(host)}:{port}/api"


def reachable(host: str) -> str:
    """The address to call a server at that listens on ``host``."""
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host


def stack_environment(
    settings: StackSettings, prefect_port: int, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Environment for every process of the stack: ``base`` (default: ours) plus what the stack decides.

    PREFECT_API_URL is always set: without it a flow starts a second, invisible server of its own.
    """
    home = settings.var / "prefect"
    environment = dict(os.environ if base is None else base)
    environment.pop("PREFECT_PROFILE", None)  # a profile of the user's would name another server
    environment = _LASTING | environment | _QUIET | _PROMPT
    url = settings.prefect_url.rstrip("/") or f"http://{reachable(settings.host)}:{prefect_port}"
    environment |= {
        MARK: str(settings.var),
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_UI_URL": settings.prefect_public_url.rstrip("/") or url,
        "PREFECT_UI_API_URL": "/api",  # relative, so that it works at whatever address a browser uses
        # Else the server copies its UI into site-packages, which fails on a read-only installation.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home / "results"),
        "NO_PROXY": _without_proxy(environment.get("NO_PROXY") or environment.get("no_proxy") or "", settings.host),
        # Read by prefect.yaml when it is deployed.
        "STACK_TIMEZONE": settings.timezone,
        "STACK_WORKING_DIR": str(settings.working_dir),
        "STACK_CATALOG": settings.shop,
        "STACK_MODEL": settings.model,
    }
    environment["no_proxy"] = environment["NO_PROXY"]
    # Flow runs start in another folder than the app: a relative store would be two stores.
    environment["STORE_URI"] = absolute(environment.get("STORE_URI") or str(settings.var / "store"))
    environment["STORE_CACHE"] = absolute(environment.get("STORE_CACHE") or str(settings.var / "cache"))
    return environment


def absolute(location: str) -> str:
    """A path made absolute; a URI as it is."""
    return location if "://" in location else str(Path(location).expanduser().absolute())


def _without_proxy(current: str, host: str) -> str:
    hosts = [name for name in current.split(",") if name]
    return ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost", host]))
