"""The app as it runs in production: a process of its own, over a made-up shop."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil

from benchmarks.harness.made_up_shop import MadeUpShop
from deployments.ports import free_port

#: For benchmarks of swaps: looks for the next release all the time, and leaves processors to the load.
QUICK = ("--poll_seconds", "0.1", "--threads", "1", "--device", "cpu")


@contextmanager
def running_app(shop: MadeUpShop, flags: Sequence[str] = ()) -> Iterator[tuple[int, int]]:
    """The app with these flags of ``python -m app``; yields its port and its process id."""
    port = free_port(0)
    places = {"STORE_URI": shop.settings.store_uri, "STORE_CACHE": str(shop.settings.store_cache)}
    threads = {"OMP_NUM_THREADS": flags[flags.index("--threads") + 1]} if "--threads" in flags else {}
    command = [sys.executable, "-m", "app", "--port", str(port), *flags]
    with (shop.root / "app.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | places | threads, stderr=log)
    try:
        wait_until(port, 1, seconds=180)
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


def ready(port: int) -> dict[str, Any]:
    """What /readyz tells; {} while nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return json.loads(connection.getresponse().read())
    except OSError:
        return {}
    finally:
        connection.close()


def wait_until(port: int, generation: int, seconds: float = 60) -> dict[str, Any]:
    """Wait until the app answers from ``generation``. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        told = ready(port)
        if told.get("generation") == generation:
            return told
        time.sleep(0.02)
    raise TimeoutError(f"generation {generation} was not served within {seconds:.0f} s: {told}")


def pss_mb(pid: int) -> float:
    """Memory of a process in MB, pages shared with others by their share."""
    return float(psutil.Process(pid).memory_full_info().pss / 2**20)
