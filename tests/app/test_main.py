"""``python -m app``: its help, a taken port, and how it stops."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
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
    result = run("--help")
    assert result.returncode == 0 and "--poll_seconds" in result.stdout and "--channel" in result.stdout
    assert time.monotonic() - started < 30


def test_wrong_settings_are_named_all_at_once() -> None:
    result = run("--port", "99999", "--channel", "Not A Channel")
    assert result.returncode != 0 and all(part in result.stderr for part in ("--port", "--channel", "2 fault"))
    assert "Traceback" not in result.stderr
    assert "--top_k" in run(APP_TOP_K="0").stderr


def test_a_taken_port_is_reported_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("--port", str(port))
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert f"Port {port} on 127.0.0.1 is in use" in result.stderr and f"--port {port + 1}" in result.stderr


@contextmanager
def running(shop: TinyShop, *flags: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = {"STORE_URI": str(shop.settings.store_uri), "STORE_CACHE": str(shop.settings.store_cache)}
    command = [sys.executable, "-m", "app", "--port", str(port), "--poll_seconds", "0.5", *flags]
    with subprocess.Popen(command, env=os.environ | store, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_until_ready(port)
            yield port, process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("drain", [0.0, 1.5])
def test_a_stop_answers_what_was_asked_and_says_that_it_leaves(tiny_store: TinyShop, drain: float) -> None:
    # when the query was on its way, its status (0 where none came), and when that was known
    asked: list[tuple[float, int, float]] = []

    def ask(number: int) -> None:
        while not asked or asked[-1][1]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            status, sent = 0, time.monotonic()
            try:
                queries = [{"text": f"red mug {number} {len(asked)} {which}"} for which in range(16)]
                connection.request(
                    "POST", "/v1/search/batch", json.dumps({"queries": queries}), {"Content-Type": "application/json"}
                )
                sent = time.monotonic()
                status = connection.getresponse().status
            except (OSError, http.client.HTTPException):
                pass  # once the doors are closed
            asked.append((sent, status, time.monotonic()))
            connection.close()

    with running(tiny_store, "--drain_seconds", str(drain)) as (port, process):
        askers = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
        for asker in askers:
            asker.start()
        while len(asked) < 20 or time.monotonic() < asked[0][0] + 1:
            time.sleep(0.01)
        signalled = time.monotonic()
        process.send_signal(signal.SIGTERM)
        if drain:
            assert _wait_for_draining(port) == (503, False)
        log = process.communicate(timeout=60)[1]
        for asker in askers:
            asker.join(timeout=30)
    assert process.returncode == 0 and "Traceback" not in log, log
    assert f"http://localhost:{port}" in log and "Serving release first" in log
    # the kernel takes connections in the app's name, and drops those that it has not handed over when the doors close
    assert {status for sent, status, _ in asked if sent < signalled + drain - 0.5} == {200}
    assert any(sent < signalled < known and status == 200 for sent, status, known in asked)
    assert any(signalled < sent < signalled + drain for sent, *_ in asked) == bool(drain)


def _wait_for_draining(port: int) -> tuple[int, bool]:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        state = json.loads(answer.read())
        connection.close()
        if state["draining"]:
            return answer.status, state["ready"]
        time.sleep(0.05)
    raise AssertionError("never draining")


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
