"""Browsers of tests: clients of the real application that keep cookies and ask for pages."""

from __future__ import annotations

import re
from typing import Any

import httpx
from fastapi import FastAPI

from agent.driving import now
from agent.runner import Runner
from agent.web.app import make_app
from services.access import Role, User, Users

PASSWORD = "correct horse battery"


def app_of(runner: Runner) -> FastAPI:
    """The real application on the runner's store."""
    app = make_app(runner.settings)
    app.state.runner = runner
    return app


def browser(app: FastAPI, url: str = "http://127.0.0.1", **options: Any) -> httpx.AsyncClient:
    """A browser at *url* that has been nowhere yet."""
    client = options.pop("client", ("127.0.0.1", 50_000))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=client)
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", **options.pop("headers", {})}
    return httpx.AsyncClient(transport=transport, base_url=url, headers=headers, **options)


async def with_user(
    runner: Runner, name: str = "Ada", role: Role = "analyst", tenant: str = ""
) -> User:
    """A person whose password is `PASSWORD`."""
    users = Users(runner.stores.redis)
    return await users.add(name, PASSWORD, roles=frozenset({role}), tenant=tenant, at=now())


async def token_of(client: httpx.AsyncClient, path: str = "/login") -> str:
    """The token in the form of a page."""
    found = re.search(r'name="csrf" value="([^"]*)"', (await client.get(path)).text)
    assert found
    return found[1]


async def sign_in(
    client: httpx.AsyncClient, name: str = "Ada", password: str = PASSWORD, **fields: str
) -> httpx.Response:
    """Fill in the sign-in form and send it."""
    sent = {"csrf": await token_of(client), "name": name, "password": password, **fields}
    return await client.post("/login", data=sent)
