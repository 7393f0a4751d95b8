"""The local S3 server: starts, keeps what it was given, and leaves nothing running."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from deployments.s3_gateway import start_gateway
from tasks.schema.errors import StoreUnavailable
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import open_store

pytestmark = pytest.mark.s3
_CHECKOUT = Path(__file__).resolve().parents[2]


def test_what_it_stores_outlives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"first", b"second"):
        with start_gateway(tmp_path / "s3") as gateway:
            for name, value in gateway.environment.items():
                monkeypatch.setenv(name, value)
            store = open_store()
            if data == b"second":
                assert store.read_bytes("a/b") == b"first"
            store.write_bytes("a/b", data)
            assert gateway.secret_key not in repr(gateway)
    with pytest.raises(StoreUnavailable):
        open_store(StoreSettings(store_tries=1)).read_bytes("a/b")


def test_the_command_prints_the_environment_and_stops_its_server(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deployments.s3_gateway", "--folder", str(tmp_path / "s3")]
    process = subprocess.Popen(command, cwd=_CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(5)]
    environment = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    endpoint = environment["AWS_ENDPOINT_URL"]
    assert environment["STORE_URI"].startswith("s3://") and urlsplit(endpoint).port
    assert httpx.get(endpoint).status_code == 403
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(endpoint)


def test_a_gateway_that_cannot_start_says_why(tmp_path: Path) -> None:
    with start_gateway(tmp_path / "one") as gateway:
        port = urlsplit(gateway.endpoint).port
        with pytest.raises(RuntimeError, match="in use"):
            start_gateway(tmp_path / "two", port)
        assert httpx.get(gateway.endpoint).status_code == 403
    assert os.path.exists(tmp_path / "one" / "meta.db")
