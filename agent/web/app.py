"""The HTTP door: an API for programs, pages for people, health for whoever watches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from agent.opening import open_runner
from agent.web import health, pages
from agent.web.access import is_open
from agent.web.api import inbox, runs
from agent.web.mcp import add_mcp, mcp_open
from agent.web.pages import review_forms, reviews
from agent.web.problems import answer_problems
from agent.web.serving import PATIENCE
from services.settings import Settings


def make_app(settings: Settings) -> FastAPI:
    """The application; who asks is looked up at each route that shows or does anything."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_runner(settings, patience=PATIENCE) as runner:
            app.state.runner = runner
            app.state.is_open = await is_open(runner.stores.redis, settings)
            async with mcp_open(app, runner):
                yield

    app = FastAPI(title="Assay", version="1", lifespan=lifespan)
    answer_problems(app)
    routers = (health.router, runs.router, inbox.router, reviews.router, review_forms.router)
    for router in routers:
        app.include_router(router)
    add_mcp(app)
    pages.add_pages(app)
    return app
