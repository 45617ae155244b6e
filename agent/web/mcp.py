"""The MCP server at `/mcp`, for the bearers of keys: streamable HTTP, a request at a time."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from agent.compat.tools import Tools
from agent.mcp import Context, make_server
from agent.runner import Runner
from agent.web.access import identify
from agent.web.problems import refuse, status_of
from agent.web.refusals import note_refusal
from services.access import Identity
from services.errors import AssayError, NotAuthenticated, NotPermitted

_log: Final = logging.getLogger(__name__)
PATH: Final = "/mcp"
_LARGEST: Final = 100_000
"""Bytes of a request."""


def add_mcp(app: FastAPI) -> None:
    """Serve MCP at `/mcp`, once the application is within `mcp_open`."""
    app.router.routes.append(Route(PATH, endpoint=_Door()))


@asynccontextmanager
async def mcp_open(app: FastAPI, runner: Runner) -> AsyncIterator[None]:
    """While this lasts, requests to `/mcp` are answered."""
    manager = StreamableHTTPSessionManager(
        make_server(Tools(runner), _who_asks, _turned_away, _noted),
        json_response=True,
        stateless=True,
        # The door below checks where a request comes from, with the rules of all other routes.
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        max_request_body_size=_LARGEST,
    )
    async with manager.run():
        app.state.mcp = manager
        yield


class _Door:
    """Finds out who asks before anything is read of the request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            request.state.who = await _bearer(request)
        except AssayError as error:
            response = await refuse(request, error)
            await response(scope, receive, send)
            return
        await request.app.state.mcp.handle_request(scope, receive, send)


async def _bearer(request: Request) -> Identity:
    """Who asks, by a key alone: a browser's session would let any page of the browser ask."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise NotPermitted("A page of another site may not ask here.")
    who = await identify(request)
    if "authorization" not in request.headers and who.kind != "local":
        raise NotAuthenticated("This needs a key.", hint="Send `Authorization: Bearer KEY`.")
    return who


async def _who_asks(context: Context) -> Identity:
    assert context.request is not None
    who: Identity = context.request.state.who
    return who


async def _turned_away(
    context: Context, tool: str, error: AssayError, who: Identity | None
) -> None:
    assert context.request is not None
    name = who.name if who else ""
    await note_refusal(context.request, error, status_of(error), who=name, below=tool)


def _noted(error: Exception) -> str:
    _log.error("mcp.failed", exc_info=error)
    return "the traceback is in the server's log"
