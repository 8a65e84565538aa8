"""Response headers: browsers and proxies must not store pictures, and the server's metrics are hidden."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class PrivateAnswers:
    """ASGI middleware: media with ``Cache-Control: no-store``; no metrics, which count sessions and their memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif path.rstrip("/").endswith("/_stcore/metrics"):
            await PlainTextResponse("Not Found", 404)(scope, receive, send)
        elif "/media/" in path:
            await self._app(scope, receive, _not_to_be_stored(send))
        else:
            await self._app(scope, receive, send)


def _not_to_be_stored(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Cache-Control"] = "no-store"
        await send(message)

    return sent
