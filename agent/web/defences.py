"""
What every request meets first, and what every answer says to browsers.

A browser adds its cookies, and its place on this machine, to whatever any page has it send. So what
changes something is done only when no page, or one of ours, has sent it. A request with a bearer key
is let through to be judged by that: no page of another site can have a browser add one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.errors import AssayError, NotPermitted

Refuse = Callable[[Request, AssayError], Awaitable[Response]]

_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_OURS: Final = ("same-origin", "none")
"""`none`: the person has asked for it themselves, by the address bar or a bookmark."""
_PORTS: Final = {"http": "80", "https": "443"}
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
}
_TLS: Final = {"Strict-Transport-Security": "max-age=31536000"}


class Defences:
    """Turns away what a page of another site has a browser send; adds the headers."""

    def __init__(self, app: ASGIApp, refuse: Refuse) -> None:
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                protect(MutableHeaders(scope=message), scope["scheme"])
            await send(message)

        request = Request(scope, receive)
        if is_from_elsewhere(request):
            error = NotPermitted(
                "A page of another site may not have your browser do this here.",
                hint="Programs send `Authorization: Bearer KEY`, and no Origin.",
            )
            response = await self._refuse(request, error)
            await response(scope, receive, protected)
            return
        await self._app(scope, receive, protected)


def add_defences(app: FastAPI, refuse: Refuse) -> None:
    """Have every request of *app* pass; *refuse* makes the answer to one that does not."""
    app.add_middleware(Defences, refuse=refuse)


def protect(headers: MutableHeaders, scheme: str) -> None:
    """Add what an answer does not say itself."""
    for name, value in (_HEADERS | (_TLS if scheme == "https" else {})).items():
        headers.setdefault(name, value)


def is_from_elsewhere(request: Request) -> bool:
    """Whether a page of another site has a browser send what could change something."""
    if request.method in _SAFE:
        return False
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        return False
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in _OURS
    origin = request.headers.get("origin")
    return origin is not None and not _is_ours(origin, request.headers.get("host", ""))


def _is_ours(origin: str, host: str) -> bool:
    """Whether the page's place is this one. The scheme may differ: a proxy may end TLS before us."""
    parts = urlsplit(origin)
    port = _PORTS.get(parts.scheme)
    return bool(host) and port is not None and _full(parts.netloc, port) == _full(host, port)


def _full(place: str, port: str) -> str:
    return place.lower().removesuffix(f":{port}")
