"""The head of a request is bounded, on a real socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from app.http.server import Server
from app.settings import AppSettings


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = FastAPI()
    app.state.draining = threading.Event()
    app.get("/")(lambda: {"status": "ok"})
    app.post("/")(lambda: {"status": "ok"})
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = Server(app, AppSettings())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(timeout=20)


def sent(port: int, head: bytes, piece: bytes, pieces: int) -> tuple[bytes, int]:
    """What is answered, and how many pieces could be sent before."""
    number = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head)
        try:
            for number in range(pieces):  # noqa: B007
                connection.sendall(piece)
            connection.sendall(b"\r\n\r\n")
            return connection.recv(500), number
        except ConnectionError:
            return b"", number


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"GET /?"])
def test_a_head_that_does_not_end_is_hung_up_on(port: int, head: bytes) -> None:
    answer, pieces = sent(port, head, b"x" * 100_000, 1000)
    assert answer[:12] in (b"", b"HTTP/1.1 400") and pieces < 999


def test_a_head_of_usual_size_and_a_large_body_are_taken(port: int) -> None:
    assert sent(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ", b"x" * 20_000, 1)[0][9:12] == b"200"
    body = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for _ in range(2):  # the second request of a connection is counted from zero
            connection.sendall(body + b"y" * 3_000_000)
            assert connection.recv(500)[9:12] == b"200"
