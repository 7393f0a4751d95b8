"""A connection to a Ray cluster: the one that RAY_ADDRESS names, or a temporary one on this machine alone."""

import logging
import os
import secrets
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.cluster.worker_plan import Node
from tasks.schema.errors import ConfigError, TransientError

_CONNECT_SECONDS = 10.0
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_STARTS = 3  # tries to start a local cluster: Ray allows 30 s for each, too little on a busy machine
_OBJECT_STORE = 128 << 20  # bytes; Ray's default is 30 % of the memory, and a shard's arguments take 0.1 MB


class RaySettings(BaseSettings):
    """Ray's own environment variable for the cluster's address."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    ray_address: str = Field(
        default="local", description="host:port of a cluster's head, or auto; unset: a cluster of this machine alone"
    )

    @property
    def local(self) -> bool:
        """Whether a temporary cluster is started on this machine."""
        return self.ray_address == "local"


def require_ray(settings: RaySettings) -> None:
    """Raise ConfigError if Ray is not installed or nothing answers at the cluster's address.

    Ray itself would retry an address without an answer forever.
    """
    if find_spec("ray") is None:
        raise ConfigError(
            "engine is 'ray', but Ray is not installed: pip install 'product-search[ray]', or engine 'here'"
        )
    address = settings.ray_address
    if address in ("local", "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise ConfigError(
            f"RAY_ADDRESS is {address!r}; expected host:port of the cluster's head, as 10.0.0.1:6379, or auto. "
            "Ray Client (ray://) is not used: it gives up after half a minute without network"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"nothing answers at RAY_ADDRESS={address} ({error}). Expected the head of a Ray cluster: start it with "
            "`ray start --head --port=6379`, or unset RAY_ADDRESS to use this machine alone"
        ) from error


@contextmanager
def connected(settings: RaySettings) -> Iterator[list[Node]]:
    """Connect to the cluster and yield its nodes. On exit the workers end, and so does a temporary cluster.

    If this process is killed, Ray's processes on this machine die with it, and workers elsewhere once Ray notices.
    Raises ConfigError, and TransientError where a temporary cluster does not start.
    """
    require_ray(settings)
    with ExitStack() as stack:
        # before the import, during which Ray reads some of it
        stack.enter_context(_environment(_QUIET | (_private() if settings.local else {})))
        import ray

        # Ray never deletes its folder. Directly in /tmp, since the path of a Unix socket has at most 107 characters.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True))
        stack.callback(ray.shutdown)
        with _sigterm_handler_kept():
            if settings.local:
                _start(folder)
            else:
                _join(settings.ray_address)
        yield present_nodes()


def _start(folder: str) -> None:
    import ray

    options: dict[str, Any] = {"_temp_dir": folder, "object_store_memory": _OBJECT_STORE, "include_dashboard": False}
    for attempt in range(_STARTS):
        try:
            ray.init("local", logging_level=logging.WARNING, **options)
            return
        except Exception as error:
            ray.shutdown()
            if attempt == _STARTS - 1:
                raise TransientError(
                    f"Ray did not start on this machine: {_line(error)}. Expected within 30 s, which Ray gives "
                    "itself: is the machine very busy, or /tmp or /dev/shm full?"
                ) from error


def _join(address: str) -> None:
    import ray

    try:
        ray.init(address, logging_level=logging.WARNING)
    except Exception as error:
        raise ConfigError(
            f"the Ray cluster at {address} did not take this process: {_line(error)}. It needs the cluster's versions "
            f"(here Ray {ray.__version__}), its token (RAY_AUTH_MODE=token and RAY_AUTH_TOKEN), and this machine as a "
            f"node: ray start --address={address} --num-cpus=0 --num-gpus=0"
        ) from error


def present_nodes() -> list[Node]:
    """The nodes that are alive."""
    import ray

    found = [(node, node["Resources"]) for node in ray.nodes() if node["Alive"]]
    return [Node(node["NodeName"], has.get("CPU", 0.0), has.get("GPU", 0.0)) for node, has in found]


def _private() -> dict[str, str]:
    """Environment of a cluster on the loopback (which Ray calls one that no other machine can join) with a token."""
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", **token}


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _sigterm_handler_kept() -> Iterator[None]:
    """Restore the handler of SIGTERM, by which Prefect cancels a run, after `ray.init` has replaced it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
