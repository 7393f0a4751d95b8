"""Which pages of other sites may use the API from a browser."""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class Origins:
    """ASGI: answers preflights to ``/v1/`` and adds the headers that let pages of these origins read its answers."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app, allow_origins=origins, allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type", "X-API-Key"), expose_headers=("Retry-After",),
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        is_api = scope["type"] == "http" and scope["path"].startswith("/v1/")
        await (self._open if is_api else self._app)(scope, receive, send)
