"""The HTTP door: an API for programs, pages for people, health for whoever watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from agent.opening import open_runner
from agent.runner import Runner
from agent.steering import see_to_all
from agent.web import api, health, login, pages, webhooks
from agent.web.access import is_open, provider_of
from agent.web.bounds import Bounds
from agent.web.defences import add_defences
from agent.web.heads import Heads
from agent.web.mcp import add_mcp, mcp_open
from agent.web.openapi import INFO, Door
from agent.web.pages import routers as of_pages
from agent.web.problems import answer_problems, refuse
from agent.web.serving import PATIENCE
from agent.web.streams import Streams
from services.settings import Settings

_LOOK: Final = 5.0
"""Seconds between looks for what was asked of a server that died before it had done it."""


def make_app(settings: Settings) -> Door:
    """The application; who asks is looked up at each route that shows or does anything."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, asyncio.Event]]:
        async with open_runner(settings, patience=PATIENCE) as runner:
            app.state.runner = runner
            app.state.is_open = await is_open(runner.stores.redis, settings)
            warming = asyncio.create_task(webhooks.door_of(app).warm())
            app.state.at_work |= {warming, asyncio.create_task(_keep_seeing(runner))}
            async with mcp_open(app, runner):
                yield {"closing": app.state.closing}
            for task in (tasks := tuple(app.state.at_work)):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # Spans of webhooks, which belong to no run yet, would cost as much as taking them.
    untraced: TelemetryConfig = {"exclude": webhooks.is_call}
    app = Door(lifespan=lifespan, telemetry=untraced, **INFO)
    app.state.closing = asyncio.Event()
    app.state.streams = Streams(app.state.closing)
    app.state.checking = asyncio.Lock()
    app.state.at_work = set()
    app.state.provider = provider_of(settings)
    answer_problems(app)
    programs = (webhooks.router, health.router, *api.routers)
    for router in (*programs, login.router, *of_pages.ROUTERS):
        # As they are: what is included is built a second time, at the first request.
        app.router.routes.extend(router.routes)
    add_mcp(app)
    pages.add_pages(app)
    app.add_middleware(Heads)
    app.add_middleware(Bounds, closing=app.state.closing, max_body=settings.max_body)
    add_defences(app, refuse)  # outermost: whatever answers, its headers are right
    return app


async def _keep_seeing(runner: Runner) -> None:
    while True:
        with suppress(Exception):  # told to whoever asked, or tried again
            await see_to_all(runner)
        await asyncio.sleep(_LOOK)
