"""The app below a path of another site, behind a proxy."""

from starlette.datastructures import URL
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """ASGI: takes ``root`` ("/shop/search") off the path where the proxy has not, before any guard looks at the path.

    Were it left to the routes, a guard that asks whether a path begins with /v1/ would let all through.
    """

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app, self._root = app, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if path == self._root and scope["type"] == "http":  # the page's links are relative to its folder
            query = URL(scope=scope).query
            address = f"{self._root}/?{query}" if query else f"{self._root}/"
            await RedirectResponse(address, 308)(scope, receive, send)
            return
        if path.startswith(f"{self._root}/"):
            raw = scope.get("raw_path") or b""
            scope = {**scope, "path": path.removeprefix(self._root), "raw_path": raw.removeprefix(self._root.encode())}
        await self._app(scope, receive, send)
