"""The HTTP door: an API for programs, pages for people, health for whoever watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from agent.opening import open_runner
from agent.web import health, login, pages, webhooks
from agent.web.access import is_open, provider_of
from agent.web.api import inbox, runs, schedules, whoami
from agent.web.api import webhooks as webhook_api
from agent.web.bounds import Bounds
from agent.web.defences import add_defences
from agent.web.mcp import add_mcp, mcp_open
from agent.web.problems import answer_problems, refuse
from agent.web.serving import PATIENCE
from services.settings import Settings


def make_app(settings: Settings) -> FastAPI:
    """The application; who asks is looked up at each route that shows or does anything."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_runner(settings, patience=PATIENCE) as runner:
            app.state.runner = runner
            app.state.is_open = await is_open(runner.stores.redis, settings)
            warming = asyncio.create_task(webhooks.door_of(app).warm())
            async with mcp_open(app, runner):
                yield
            warming.cancel()

    # Spans of calls, which belong to no run, would cost as much as taking them.
    untraced: TelemetryConfig = {"exclude": webhooks.is_call}
    app = FastAPI(title="Assay", version="1", lifespan=lifespan, telemetry=untraced)
    app.state.closing = asyncio.Event()
    app.state.provider = provider_of(settings)
    answer_problems(app)
    add_defences(app, refuse)
    apis = (runs.router, schedules.router, inbox.router, whoami.router, webhook_api.router)
    for router in (webhooks.router, health.router, login.router, *apis):
        app.include_router(router)
    add_mcp(app)
    pages.add_pages(app)
    app.add_middleware(Bounds, closing=app.state.closing, max_body=settings.max_body)
    return app
