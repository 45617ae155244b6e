"""
What one request may cost: bytes of head and body, time to send them, time to take the answer.

uvicorn bounds what is unfinished of a head and the time between two requests (see `server`); what
it leaves open is bounded here, for every route, before any of them sees the request.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.web.problems import refusal

MAX_HEAD: Final = 16_384
"""Bytes of a request's line and headers: a session, a token and a browser's own fit many times."""
_STREAM: Final = b"text/event-stream"


@dataclass(frozen=True, slots=True)
class Bounds:
    """An ASGI middleware; its *closing* also ends streams, which have no end of their own."""

    app: ASGIApp
    closing: asyncio.Event
    max_body: int
    patience: timedelta = timedelta(seconds=15)
    """For a whole body; and for each piece of an answer to be taken."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the application answer a request that keeps within the bounds."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(self, scope, receive, send)
        if refused := exchange.refused_at_once():
            await refusal(*refused)(scope, receive, send)
            return
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception:
            if exchange.refused is None:
                raise
        await exchange.end()


class _Exchange:
    """One request and its answer, as the application sees them."""

    def __init__(self, bounds: Bounds, scope: Scope, receive: Receive, send: Send) -> None:
        self._bounds, self._scope, self._receive, self._send = bounds, scope, receive, send
        self._read = 0
        self._is_read = self._has_begun = self._is_stream = self._has_ended = False
        self._until: float | None = None
        self.refused: tuple[int, str, str] | None = None

    def refused_at_once(self) -> tuple[int, str, str] | None:
        """What is wrong with the request's head, if anything is."""
        headers = self._scope["headers"]
        size = len(self._scope.get("raw_path", b"")) + len(self._scope["query_string"])
        if size + sum(len(name) + len(value) for name, value in headers) > MAX_HEAD:
            return 431, "The request's address and headers are too long.", ""
        lengths = [value for name, value in headers if name == b"content-length"]
        if any(value.isdigit() and int(value[:20]) > self._bounds.max_body for value in lengths):
            return self._too_large()
        return None

    async def receive(self) -> Message:
        """A piece of the body; that the client is gone, once a bound is passed or we are closing."""
        if self.refused:
            return {"type": "http.disconnect"}
        if self._is_read:
            return await self._until_closing()
        loop = asyncio.get_running_loop()
        self._until = self._until or loop.time() + self._bounds.patience.total_seconds()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            return self._refuse((408, "The request's body did not come in time.", ""))
        self._read += len(message.get("body", b""))
        self._is_read = not message.get("more_body", False)
        if self._read > self._bounds.max_body:
            return self._refuse(self._too_large())
        return message

    async def send(self, message: Message) -> None:
        """Pass a piece of the answer on; nothing of one to a request that passed a bound."""
        if self.refused and not self._has_begun:
            return
        self._has_begun = True
        if message["type"] == "http.response.start":
            kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
            self._is_stream = any(kind.startswith(_STREAM) for kind in kinds)
        elif message["type"] == "http.response.body":
            self._has_ended = not message.get("more_body", False)
        try:
            async with asyncio.timeout(self._bounds.patience.total_seconds()):
                await self._send(message)
        except TimeoutError:
            raise OSError("the client does not take its answer") from None

    async def end(self) -> None:
        """Say what bound was passed; finish a stream that ended because we close."""
        if self.refused and not self._has_begun:
            answer = refusal(*self.refused)
            await answer(self._scope, self._receive, self._send)
        elif self._is_stream and not self._has_ended and self._bounds.closing.is_set():
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_closing(self) -> Message:
        """What comes after the body: that the client is gone, or that a stream is to end."""
        gone = asyncio.ensure_future(self._receive())
        closing = asyncio.ensure_future(self._bounds.closing.wait())
        try:
            await asyncio.wait((gone, closing), return_when=asyncio.FIRST_COMPLETED)
            if self._is_stream and not gone.done():
                return {"type": "http.disconnect"}
            return await gone
        finally:
            gone.cancel()
            closing.cancel()

    def _refuse(self, refused: tuple[int, str, str]) -> Message:
        self.refused = refused
        return {"type": "http.disconnect"}

    def _too_large(self) -> tuple[int, str, str]:
        return 413, "The request's body is too large.", f"At most {self._bounds.max_body} bytes."
