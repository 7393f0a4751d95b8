"""Stores that the tests run on: a folder, moto (honours conditional writes) and JuiceFS's gateway (ignores them)."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

from benchmarks.harness.moto_server import make_writes_atomic
from deployments.s3_gateway import Gateway, start_gateway
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store, open_store

MakeStore = Callable[..., Store]
_BUCKET = "shop"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STORE_URI", "STORE_CACHE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SESSION_TOKEN", "AWS_REGION", "AWS_PROFILE", "SOURCE_ENDPOINT_URL", "CODE_VERSION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """URL of a moto server with one bucket."""
    make_writes_atomic()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="moto",
        aws_secret_access_key="moto-secret",
        region_name="us-east-1",
    ).create_bucket(Bucket=_BUCKET)
    yield endpoint
    server.stop()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A real JuiceFS gateway over a temporary folder."""
    with start_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def folder_store(tmp_path: Path) -> Store:
    """A store in a folder."""
    return open_store(StoreSettings(store_uri=(tmp_path / "store").as_uri(), store_cache=tmp_path / "cache"))


@pytest.fixture
def moto_store(tmp_path: Path, moto_endpoint: str) -> Store:
    """A store under a prefix of its own on moto."""
    return moto_store_at(moto_endpoint, tmp_path, f"t-{uuid.uuid4().hex[:10]}")


def moto_store_at(endpoint: str, tmp_path: Path, prefix: str, **more: object) -> Store:
    """A store on a moto server (or on a proxy before it)."""
    return open_store(
        StoreSettings(
            store_uri=f"s3://{_BUCKET}/{prefix}",
            store_cache=tmp_path / "cache",
            aws_endpoint_url=endpoint,
            aws_access_key_id="moto",
            aws_secret_access_key="moto-secret",
            **more,
        )
    )


@pytest.fixture
def make_moto_store(tmp_path: Path) -> Callable[..., Store]:
    """Opens stores on a moto endpoint; see `moto_store_at`."""

    def make(endpoint: str, prefix: str, **more: object) -> Store:
        return moto_store_at(endpoint, tmp_path, prefix, **more)

    return make


@pytest.fixture
def gateway_store(tmp_path: Path, gateway: Gateway) -> Store:
    """A store under a prefix of its own on JuiceFS's gateway."""
    return open_store(
        StoreSettings(
            store_uri=f"s3://{gateway.bucket}/t-{uuid.uuid4().hex[:10]}/store",
            store_cache=tmp_path / "cache",
            aws_endpoint_url=gateway.endpoint,
            aws_access_key_id=gateway.access_key,
            aws_secret_access_key=gateway.secret_key,
        )
    )


@pytest.fixture(
    params=[
        "folder",
        pytest.param("moto", marks=pytest.mark.s3),
        pytest.param("gateway", marks=pytest.mark.s3),
    ]
)
def store(request: pytest.FixtureRequest) -> Store:
    """Each kind of store in turn."""
    return request.getfixturevalue(f"{request.param}_store")


class FaultyProxy:
    """Forwards to an S3 server, and misbehaves as told.

    ``faults`` maps (method, end of the path) to a list of what happens to the next such requests, one after another:
    "lose_answer" (it lands, the answer never comes), "drop" (it never lands, no answer), or an HTTP status.
    """

    def __init__(self, upstream: str) -> None:
        self.faults: dict[tuple[str, str], list[str | int]] = {}
        self.before: dict[tuple[str, str], Callable[[], None]] = {}
        self.seen: Counter[tuple[str, str]] = Counter()
        self._upstream = urlsplit(upstream).netloc
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _next_fault(self, method: str, path: str) -> str | int | None:
        with self._lock:
            self.seen[(method, path.rsplit("/", 1)[-1])] += 1
            for (fault_method, end), faults in self.faults.items():
                if method == fault_method and path.endswith(end) and faults:
                    return faults.pop(0)
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                path = self.path.split("?")[0]
                fault = proxy._next_fault(self.command, path)
                if fault == "drop":
                    return self._hang_up()
                if isinstance(fault, int):
                    return self._answer(fault, {}, b"<Error><Code>InternalError</Code></Error>")
                for (method, end), call in list(proxy.before.items()):
                    if method == self.command and path.endswith(end):
                        del proxy.before[(method, end)]
                        call()
                upstream = HTTPConnection(proxy._upstream, timeout=30)
                headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
                upstream.request(self.command, self.path, body, headers)
                answer = upstream.getresponse()
                data = answer.read()
                if fault == "lose_answer":
                    return self._hang_up()
                return self._answer(answer.status, dict(answer.getheaders()), data)

            def _hang_up(self) -> None:
                self.close_connection = True
                self.connection.close()

            def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
                self.send_response_only(status)
                skipped = {"transfer-encoding", "connection"}
                length = str(len(data))
                for name, value in headers.items():
                    if name.lower() == "content-length":
                        length = value if self.command == "HEAD" else length
                    elif name.lower() not in skipped:
                        self.send_header(name, value)
                self.send_header("Content-Length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def proxy(moto_endpoint: str) -> Iterator[FaultyProxy]:
    """A proxy before moto that can lose answers."""
    running = FaultyProxy(moto_endpoint)
    yield running
    running.stop()
