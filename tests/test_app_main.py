"""``python -m app``: its help, a taken port, and how it stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import TinyShop


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )


def test_help_names_every_setting_without_loading_a_model() -> None:
    started = time.monotonic()
    told = run("--help")
    assert told.returncode == 0 and "--poll_seconds" in told.stdout and "--channel" in told.stdout
    assert time.monotonic() - started < 30


def test_wrong_settings_are_named_all_at_once() -> None:
    told = run("--port", "99999", "--channel", "Not A Channel")
    assert told.returncode != 0 and "--port" in told.stderr and "--channel" in told.stderr and "2 fault" in told.stderr
    assert "Traceback" not in told.stderr
    assert "--top_k" in run(APP_TOP_K="0").stderr


def test_a_taken_port_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = run("--port", str(port))
    assert told.returncode == 1 and told.stderr.count("\n") == 1
    assert f"Port {port} on 127.0.0.1 is in use" in told.stderr and f"--port {port + 1}" in told.stderr


@pytest.mark.slow
def test_it_serves_and_stops_cleanly_on_sigterm(tiny_store: TinyShop) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = {"STORE_URI": str(tiny_store.settings.store_uri), "STORE_CACHE": str(tiny_store.settings.store_cache)}
    command = [sys.executable, "-m", "app", "--port", str(port), "--poll_seconds", "0.5"]
    with subprocess.Popen(command, env=os.environ | store, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_until_ready(port)
            process.send_signal(signal.SIGTERM)
            told = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert process.returncode in (0, -signal.SIGTERM), told
    assert f"http://localhost:{port}" in told and "Serving release first" in told and "Traceback" not in told


def _wait_until_ready(port: int) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError("not ready within 90 s")
