"""What of Gradio's server can be reached: the routes that the page uses, called as the page calls them.

Gradio is a server for many kinds of apps. Of its sixty routes the page needs a dozen; the others fetch addresses, take
recordings or run components. A mounted Gradio also opens any path that a call names, where `launch()` would check
that it was uploaded. Both end here. A new part of the page that needs another route adds it to these lists.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from gradio.utils import get_upload_folder
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import AppError, BadRequest
from app.http.bodies import read_whole, replay
from app.http.problems import problem

_GRADIO = "/gradio_api"
_FILE, _CALL, _UPLOAD = f"{_GRADIO}/file=", f"{_GRADIO}/run/", f"{_GRADIO}/upload"
_READ = (
    *("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"),
    *(f"{_GRADIO}/{name}" for name in ("upload_progress", "startup-events", "app_id")),
)
_READ_BELOW = ("/static/", "/assets/", f"{_GRADIO}/heartbeat/", _FILE)
_LONGEST_NAME = 255  # of a file, in bytes
_CALL_BYTES = 200_000
AT_ONCE = 16  # calls of all open pages that are answered at a time
_MOST_WAITING = 256  # calls of all open pages; Gradio itself sets no limit
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class _NotFound(AppError):
    status, title = 404, "Not found"


class _Busy(AppError):
    status, title = 503, "Busy"


def add_allow_list(app: FastAPI, blocks: gr.Blocks) -> None:
    """Put the allow-list in front of the Gradio app that was mounted last on ``app``."""
    mounted = app.routes[-1]
    assert isinstance(mounted, Mount)
    mounted.app = AllowList(mounted.app, blocks, app.routes[:-1])


class AllowList:
    """ASGI: lets through to Gradio what the page sends, and answers everything else with a problem document."""

    def __init__(self, gradio: ASGIApp, blocks: gr.Blocks, others: Sequence[BaseRoute]) -> None:
        self._gradio, self._blocks, self._others = gradio, blocks, others
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] != "http":
            await self._gradio(scope, receive, send)
            return
        try:
            self._check(scope)
            if scope["path"].startswith(_CALL):
                await self._call(scope, receive, send)
            else:
                await self._forward(scope, receive, send)
        except AppError as error:
            headers = {"Allow": ", ".join(self._methods(scope))} if error.status == 405 else None
            await problem(error.status, error.title, str(error), headers)(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        method, path = scope["method"], scope["path"]
        allowed = self._methods(scope)
        if not allowed or max(len(name.encode()) for name in path.split("/")) > _LONGEST_NAME:
            raise _NotFound(f"There is no {path[:200]!r} here. GET /openapi.json lists the API.")
        if method not in allowed:
            raise BadRequest(f"{path[:200]!r} takes {', '.join(allowed)}.", 405)
        if path.startswith(_FILE) and not _is_upload(path.removeprefix(_FILE)):
            raise _NotFound("No such upload.")

    def _methods(self, scope: Scope) -> list[str]:
        path = scope["path"]
        if path in _READ or path.startswith(_READ_BELOW):
            return ["GET", "HEAD"]
        if path == _UPLOAD or path.startswith(_CALL):
            return ["POST"]
        scopes = ((method, {**scope, "method": method}) for method in _METHODS)
        return [method for method, one in scopes if any(route.matches(one)[0] is Match.FULL for route in self._others)]

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call of the page, when its turn comes."""
        call = _parsed(await read_whole(receive, _CALL_BYTES))
        self._check_call(call)
        if self._calls >= AT_ONCE + _MOST_WAITING:
            raise _Busy(f"{self._calls} calls of the page are under way. Ask again in a moment.")
        self._calls += 1
        try:
            async with self._slots:
                await self._forward(scope, replay(json.dumps(call).encode(), receive), send)
        finally:
            self._calls -= 1

    def _check_call(self, call: dict[str, Any]) -> None:
        if not isinstance(call.get("data"), list):
            raise BadRequest("A call of the page has `data`, a list.")
        function, session = call.get("fn_index"), call.get("session_hash")
        if type(function) is not int or function not in self._blocks.fns:
            raise BadRequest("The page has no such function. Load the page again: it may have changed.")
        if not isinstance(session, str) or not session.isalnum() or len(session) > 64:
            raise BadRequest("`session_hash` is up to 64 letters and digits.")
        if not all(_is_upload(path) for path in _paths(call["data"])):
            raise BadRequest("A file that was not uploaded here cannot be used. Upload it first.")
        if len(call["data"]) < (wanted := len(self._blocks.fns[function].inputs)):
            raise BadRequest(f"This function takes {wanted} inputs, found in `data`: {len(call['data'])}.")

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if scope["path"] == _UPLOAD and message.get("status") == 500:
                # Gradio's parser raises TypeError, LookupError, UnicodeError ... on malformed forms
                raise BadRequest("The upload is not understood: send a multipart form with a file in `files`.")
            await send(message)

        # Gradio reads ranges of a file carelessly, and the page asks for whole files
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await self._gradio({**scope, "headers": headers}, receive, watched)


def _is_upload(path: str) -> bool:
    """Whether ``path`` is a file in the folder that holds the page's uploads, wherever its links lead."""
    try:
        found = Path(path).resolve(strict=True)
        return found.is_file() and found.is_relative_to(Path(get_upload_folder()).resolve())
    except (OSError, ValueError):
        return False


def _paths(data: list[Any]) -> Iterator[str]:
    """Every value that Gradio might take for the path of a file."""
    waiting: list[Any] = [data]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if isinstance(path := found.get("path"), str):
                yield path
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


def _parsed(body: bytes | None) -> dict[str, Any]:
    """A call. Gradio gets this, serialised again, and not the caller's bytes. Raises BadRequest."""
    if body is None:
        raise BadRequest(f"A call of the page has {_CALL_BYTES:,} bytes at most.", 413)
    try:
        call = json.loads(body)
        json.dumps(call, allow_nan=False, ensure_ascii=False).encode()  # refuses lone surrogates, NaN and infinity
    except (ValueError, RecursionError):
        raise BadRequest("The call is not JSON of UTF-8 text.") from None
    if not isinstance(call, dict):
        raise BadRequest("A call of the page is a JSON object.")
    return call
