"""Who may come in through the HTTP door, and what they find there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from agent.driving import now
from agent.runner import Runner
from agent.web.access import is_open
from agent.web.app import make_app
from services.access import ApiKey, ApiKeys, Role
from services.store import name_in
from tests.agent.driven import QUESTION

RUN = {"question": QUESTION, "formats": ["json"], "run_id": "r1"}


@pytest.fixture
async def runner(make_runner: Any) -> AsyncIterator[Runner]:
    async with make_runner() as made:
        yield made


async def door(runner: Runner, **headers: str) -> httpx.AsyncClient:
    """A client of the real application on the real store."""
    app = make_app(runner.settings)
    app.state.runner = runner
    app.state.is_open = await is_open(runner.stores.redis, runner.settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)


async def carrying(runner: Runner, name: str, role: Role, tenant: str = "") -> httpx.AsyncClient:
    """A client with a key of its own."""
    key = ApiKey(name=name, roles=frozenset({role}), tenant=tenant, created_at=now())
    secret = await ApiKeys(runner.stores.redis).add(key)
    return await door(runner, Authorization=f"Bearer {secret}")


async def test_a_machine_of_ones_own_is_open_to_itself_alone(runner: Runner) -> None:
    """A page from elsewhere that has a name point here is refused."""
    client = await door(runner)
    started = await client.post("/v1/runs", json=RUN)
    rebound = await client.get("/v1/runs", headers={"Host": "evil.example"})

    assert (202, "/v1/runs/r1") == (started.status_code, started.headers["location"])
    assert (runner.settings.reviewer, "api") == (
        started.json()["request"]["requested_by"],
        started.json()["request"]["trigger"],
    )
    assert (403, "A305") == (rebound.status_code, rebound.json()["code"])


async def test_with_a_key_nobody_comes_in_without(runner: Runner) -> None:
    """And a role does what it may."""
    analyst = await carrying(runner, "jobs", "analyst")
    viewer = await carrying(runner, "screen", "viewer")
    nobody = await door(runner)
    wrong = await door(runner, Authorization="Bearer assay_wrong")
    started = await analyst.post("/v1/runs", json=RUN)
    refused = await viewer.post("/v1/runs", json=RUN | {"run_id": "r2"})

    assert (202, "jobs") == (started.status_code, started.json()["request"]["requested_by"])
    assert (403, "A305") == (refused.status_code, refused.json()["code"])
    assert 200 == (await viewer.get("/v1/runs/r1")).status_code
    for client in (nobody, wrong):
        answer = await client.get("/v1/runs")
        assert (401, "A304", "Bearer") == (
            answer.status_code,
            answer.json()["code"],
            answer.headers["www-authenticate"],
        )
        assert 200 == (await client.get("/healthz")).status_code


async def test_tenants_do_not_see_each_other(runner: Runner) -> None:
    """Another's run is no different from none, and its name is free."""
    ours = await carrying(runner, "ours", "analyst", tenant="a")
    theirs = await carrying(runner, "theirs", "analyst", tenant="b")
    await ours.post("/v1/runs", json=RUN)
    hidden, missing = await theirs.get("/v1/runs/r1"), await theirs.get("/v1/runs/r9")
    taken = await theirs.post("/v1/runs", json=RUN)

    mine = [run["id"] for run in (await ours.get("/v1/runs")).json()["runs"]]
    yours = [run["id"] for run in (await theirs.get("/v1/runs")).json()["runs"]]

    assert (404, hidden.json()) == (hidden.status_code, missing.json())
    assert 202 == taken.status_code
    assert [["r1"], ["r1"]] == [[name_in(one) for one in ids] for ids in (mine, yours)]
    assert not {*mine} & {*yours}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"as_of": "x"}', "body.as_of"),
        (b'{"priority": "<b>"}', "body.priority"),
    ],
)
async def test_what_is_wrong_with_a_request_is_said(
    runner: Runner, body: bytes, field: str
) -> None:
    """As a problem, by field, without a word of what was sent."""
    client = await door(runner)
    answer = await client.post(
        "/v1/runs", content=body, headers={"Content-Type": "application/json"}
    )

    assert (422, "application/problem+json") == (
        answer.status_code,
        answer.headers["content-type"],
    )
    assert answer.json()["errors"][0]["field"].startswith(field)
    assert "<b>" not in answer.text
