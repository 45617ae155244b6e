"""The MCP server of one client, on this process's stdin and stdout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from mcp.server.stdio import stdio_server

from agent.chores import chores_of
from agent.compat.tools import Tools
from agent.driving import now
from agent.mcp import Context, make_server
from agent.opening import open_retriever, open_runner
from agent.runner import Runner
from agent.stores import open_stores
from agent.web.access import carrier, is_open
from agent.web.problems import status_of
from agent.worker import Worker
from services.access import Identity, Refusal, Refusals, local_identity
from services.errors import AssayError, NotAuthenticated, StoreUnavailable
from services.settings import Settings

_PATIENCE: Final = timedelta(seconds=2)
"""A client waits for each answer: a store that is away is told at once."""


async def serve_stdio(
    settings: Settings,
    key: str | None,
    *,
    works: bool,
    told: Callable[[str], None],
    note: Callable[[Exception], str],
) -> None:
    """
    Serve until the client is gone; with *works*, do all that a worker does beside it.

    Raises `NotAuthenticated` at once when a key is needed and *key* is none that is known.
    """
    async with open_runner(settings, patience=_PATIENCE) as runner:
        try:
            await caller(runner, key)
        except NotAuthenticated as error:
            await note_refusal(runner, "", error, None)
            raise

        async def who_asks(_: Context) -> Identity:
            return await caller(runner, key)  # each time: a key may be revoked meanwhile

        async def turned_away(
            _: Context, tool: str, error: AssayError, who: Identity | None
        ) -> None:
            await note_refusal(runner, tool, error, who)

        server = make_server(Tools(runner), who_asks, turned_away, note)
        async with _working(settings, told, works=works), stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


async def caller(runner: Runner, key: str | None) -> Identity:
    """Whoever carries *key*; without one, the person of a machine that asks nobody for keys."""
    settings, redis = runner.settings, runner.stores.redis
    if key is not None:
        return await carrier(key, settings, redis)
    if await is_open(redis, settings):
        return local_identity(settings.reviewer)
    raise NotAuthenticated(
        "There are keys or users here, so `assay mcp` has to say who asks.",
        hint="set ASSAY_MCP_KEY, or give --key-file",
    )


async def note_refusal(runner: Runner, tool: str, error: AssayError, who: Identity | None) -> None:
    """Note that a call, or the client itself, was turned away: as a request over HTTP is."""
    refusal = Refusal(
        at=now(),
        status=status_of(error),
        code=error.code,
        who=who.name if who else "",
        method="MCP",
        path=f"/mcp/{tool}".rstrip("/"),
        address="stdio",
    )
    with suppress(StoreUnavailable):  # the client is told all the same
        await Refusals(runner.stores.redis).add(refusal)


@asynccontextmanager
async def _working(
    settings: Settings, told: Callable[[str], None], *, works: bool
) -> AsyncIterator[None]:
    """A worker beside the server; at the end it finishes its steps under way and hands over."""
    if not works:
        yield
        return
    stop = asyncio.Event()
    async with open_stores(settings, patience=settings.outage_patience) as stores:
        runner = Runner(settings=settings, stores=stores, open_retriever=open_retriever)
        async with chores_of(runner, told) as chores:
            worker = Worker(runner, stop, lambda _: None, told, chores)
            work = asyncio.create_task(worker.serve())
            try:
                yield
            finally:
                stop.set()
                await work
