"""`HEAD`: what a `GET` would say of itself, and nothing more."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OF_GET_ALONE = (b"range", b"if-range")


class Heads:
    """Answers `HEAD` wherever `GET` is answered, but for streams, which have no end to tell of."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        if not is_head or scope["path"].endswith(("/events", "/mcp")):
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        kept = [(name, value) for name, value in scope["headers"] if name not in _OF_GET_ALONE]
        await self._app({**scope, "method": "GET", "headers": kept}, receive, send_head)
