"""Sends what no client of ours sends, and tells whether the answer is one that the app may give."""

import base64
import http.client
import itertools
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.hostile.images import Upload, encoded

_TIMEOUT = 60.0
_BOUNDARY = "e5c0b1a4"
_FILE = {"_type": "gradio.FileData"}


@dataclass(frozen=True)
class Seen:
    """One answer: its status (0: the connection was ended without one), how long it took, and what is wrong with it."""

    family: str
    name: str
    status: int
    seconds: float
    fault: str = ""


def judged(family: str, name: str, began: float, status: int, headers: dict[str, str], body: bytes) -> Seen:
    """An answer is at fault where the server says it is: 5xx, but for a 503 that says when to come back."""
    fine = status < 500 or (status == 503 and "retry-after" in headers)
    return Seen(family, name, status, time.monotonic() - began, "" if fine else body[:200].decode("utf-8", "replace"))


def ask(
    port: int, method: str, path: str, body: bytes = b"", kind: str = "application/json"
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower case) and body of one request. Raises OSError, HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        connection.request(method, path, body or None, {"Content-Type": kind} if body else {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def form(field: str, upload: Upload) -> tuple[bytes, str]:
    """A multipart form with one file, and its content type."""
    told = f'Content-Disposition: form-data; name="{field}"; filename="x"\r\nContent-Type: {upload.claims}'
    start, end = f"--{_BOUNDARY}\r\n{told}\r\n\r\n".encode(), f"\r\n--{_BOUNDARY}--\r\n".encode()
    return start + upload.content + end, f"multipart/form-data; boundary={_BOUNDARY}"


def send_upload(port: int, route: str, upload: Upload) -> Seen:
    """Send an image as a form, or as base64 where the route takes JSON."""
    body, kind = form("image", upload)
    if route == "/v1/search":
        body, kind = json.dumps({"image": base64.b64encode(upload.content).decode()}).encode(), "application/json"
    began, name = time.monotonic(), f"{upload.name} to {route}"
    try:
        return judged(upload.family, name, began, *ask(port, "POST", route, body, kind))
    except (OSError, http.client.HTTPException) as error:
        # a body that is too large is not read to its end, and who still sends it meets a closed connection
        fault = "" if len(body) > 10_000_000 and isinstance(error, ConnectionError) else repr(error)
        return Seen(upload.family, name, 0, time.monotonic() - began, fault)


def send_raw(
    port: int, family: str, name: str, content: bytes, broken: bool = False, pause: float = 0.0, wait: float = _TIMEOUT
) -> Seen:
    """Send bytes. Where they are ``broken``, hanging up, or waiting for more until we do, is an answer too."""
    began, told = time.monotonic(), b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=min(wait, 2.0) if broken else wait) as connection:
            try:
                connection.sendall(content[:-1])
                time.sleep(pause)
                connection.sendall(content[-1:])
            except ConnectionError:
                pass  # it may have answered before it read all
            while chunk := connection.recv(65_536):
                told += chunk
                if told.startswith(b"HTTP/1.1 101") or len(told) > 2_000_000:
                    break
    except OSError as error:
        if not told and not broken:
            return Seen(family, name, 0, time.monotonic() - began, repr(error))
    head, _, body = told.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not lines[0].startswith("HTTP/"):
        return Seen(family, name, 0, time.monotonic() - began, "" if broken else "hung up")
    headers = {line.split(":")[0].lower(): line for line in lines[1:]}
    return judged(family, name, began, int(lines[0].split()[1]), headers, body)


class Visitor:
    """What the page does in a browser: uploads an image and calls a function."""

    def __init__(self, port: int, session: str) -> None:
        self._port, self._session, self._calls = port, session, itertools.count()
        config = json.loads(ask(port, "GET", "/config")[2])
        kinds = {component["id"]: component["type"] for component in config["components"]}
        calls = config["dependencies"]
        self._image = next(call for call in calls if "image" in {kinds[one] for one in call["inputs"]})
        self._words = next(call for call in calls if "textbox" in {kinds[one] for one in call["inputs"]})
        self._kinds = kinds

    def look_for(self, upload: Upload) -> Seen:
        """Upload an image and search by it, as the page does."""
        began, name = time.monotonic(), f"{upload.name} to the page"
        body, kind = form("files", upload)
        try:
            status, headers, told = ask(self._port, "POST", "/gradio_api/upload", body, kind)
            if status != 200:
                return judged(upload.family, name, began, status, headers, told)
            return self._call(upload.family, name, began, self._image, {"path": json.loads(told)[0], "meta": _FILE})
        except (OSError, http.client.HTTPException) as error:
            fault = "" if len(body) > 10_000_000 and isinstance(error, ConnectionError) else repr(error)
            return Seen(upload.family, name, 0, time.monotonic() - began, fault)

    def name_other_files(self, folder: Path) -> Iterator[Seen]:
        """Name files that were not uploaded: any answer that was made of one is a fault."""
        secret = folder / "secret.jpg"
        secret.write_bytes(encoded("JPEG"))
        kept = next((folder / "store" / "images").rglob("*.jpg"))
        places = [
            str(secret),
            str(kept),
            "/etc/passwd",
            "/dev/zero",
            "/proc/self/environ",
            "../" * 9 + "etc/passwd",
            "~",
        ]
        places += [
            f"/tmp/gradio/../..{secret}",
            secret.as_uri(),
            "http://127.0.0.1:1/x",
            "http://169.254.169.254/",
            "",
            "\0",
        ]
        ways: list[dict[str, Any]] = [
            {"meta": _FILE},
            {},
            {"meta": {}},
            {"meta": "x"},
            {"meta": _FILE, "is_stream": True},
        ]
        for place in places:
            for meta in ways:
                began = time.monotonic()
                seen = self._call(
                    "other files", f"{place} {meta}", began, self._image, {"path": place, "url": place, **meta}
                )
                yield (
                    seen if seen.status != 200 else Seen(*(seen.family, seen.name, 200, seen.seconds), "it was opened")
                )

    def ask(self, name: str) -> Seen:
        """A good query by words, through the API."""
        began = time.monotonic()
        return judged("meanwhile", name, began, *ask(self._port, "POST", "/v1/search", b'{"text": "red mug"}'))

    def call_once(self) -> Seen:
        """Call a function of the page, as one visitor of many."""
        began = time.monotonic()
        return judged("many sessions", self._session, began, *self._run(self._session, self._words, "red mug"))

    def answers(self) -> list[Any]:
        """What the app answers to good queries, by words, by image and on the page."""
        upload = Upload("good", "good", encoded("BMP", "RGB", (1200, 1000)))
        body, kind = form("image", upload)
        told = [ask(self._port, "POST", "/v1/search", b'{"text": "red mug"}')]
        told += [ask(self._port, "POST", path, body, kind) for path in ("/v1/search/image", "/v1/classify")]
        page = self.look_for(upload)
        parsed = [json.loads(answer) for _, _, answer in told]
        found = [answer.get("hits") or answer.get("categories") for answer in parsed]
        return [*found, (page.status, page.fault)]

    def _call(self, family: str, name: str, began: float, call: dict[str, Any], value: object) -> Seen:
        session = f"{self._session}c{next(self._calls)}"  # a visitor of its own
        return judged(family, name, began, *self._run(session, call, value))

    def _run(self, session: str, call: dict[str, Any], value: object) -> tuple[int, dict[str, str], bytes]:
        wanted = "image" if isinstance(value, dict) else "textbox"
        data = [value if self._kinds[one] == wanted else None for one in call["inputs"]]
        body = {
            "data": data,
            "fn_index": call["id"],
            "session_hash": session,
            "event_data": None,
            "trigger_id": None,
        }
        return ask(self._port, "POST", "/gradio_api/run/any", json.dumps(body).encode())
