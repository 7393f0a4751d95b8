"""Counts answers by route and status."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import Metrics


class RequestMetrics:
    """ASGI: counts each answer under the template of its route, "page" for all of Gradio's, "none" for no route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(_route(scope), message["status"])
            await send(message)

        await self._app(scope, receive, counted if scope["type"] == "http" else send)


def _route(scope: Scope) -> str:
    # a refused request and an unknown address met no route; the path itself comes from the caller: it is no label
    route = getattr(scope.get("route"), "path", None)
    return str(route) if route else ("none" if scope["path"].startswith("/v1/") else "page")
