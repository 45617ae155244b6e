"""The MCP server, as a client of the MCP package finds it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from agent.compat.results import RunArguments
from agent.compat.stdio import _working, caller
from agent.compat.tools import Tools, _within
from agent.driving import now
from agent.intake import prepare
from agent.runner import Runner
from agent.web.app import make_app
from services.access import ApiKey, ApiKeys, Identity, Refusals, Role, Sessions, local_identity
from services.errors import NotAuthenticated
from tests.agent.driven import QUESTION, approve, report, waiting
from tests.agent.homes import Home
from tests.agent.review_door import ago, opened

READS = {"ask", "run_status", "verify", "review_status"}


@asynccontextmanager
async def over_stdio(home: Home, *options: str, **environment: str) -> AsyncIterator[Client]:
    """A client of a real `assay mcp`."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "agent", "mcp", *options],
        env=home.environment | {"PYTHONPATH": str(Path.cwd())} | environment,
        cwd=home.folder,
    )
    with (home.folder / "mcp.log").open("w") as log:
        async with Client(stdio_client(server, errlog=log)) as client:
            yield client


@asynccontextmanager
async def over_http(runner: Runner, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the real application, within its lifespan."""
    app = make_app(runner.settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=headers
        ) as client:
            yield client


async def key_of(runner: Runner, name: str, role: Role, tenant: str = "") -> str:
    key = ApiKey(name=name, roles=frozenset({role}), tenant=tenant, created_at=now())
    return await ApiKeys(runner.stores.redis).add(key)


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured result of a call."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """What a call that is refused says."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return str(getattr(result.content[0], "text", ""))


async def test_a_client_asks_and_has_a_report_written(home: Home) -> None:
    """Over stdio: a question, a run that this process works on, its record; then it waits."""
    async with over_stdio(home, "--work") as client:
        tools = (await client.list_tools()).tools
        found = await call(client, "ask", question=QUESTION, limit=2)
        started = await call(
            client, "report", question=QUESTION, formats=["json"], run="m1", as_of="2026-09-30"
        )
        for _ in range(200):
            status = await call(client, "run_status", run="m1")
            if status["status"] not in ("queued", "running"):
                break
            await asyncio.sleep(0.1)
        items = await call(client, "review_status", run="m1")
        record = await call(client, "verify", run="m1")
        errors = [
            await refused(client, "ask", question="the weather in Spain"),
            await refused(client, "ask", quest="a misspelt argument"),
            await refused(client, "report", template="nonesuch"),
            await refused(client, "run_status", run="nobody"),
        ]
        with pytest.raises(MCPError, match="no such tool"):
            await client.call_tool("approve", {"item": items["items"][0]["item"]})

    schemas = {tool.name: tool.output_schema for tool in tools}
    for tool, result in (
        ("ask", found),
        ("report", started),
        ("run_status", status),
        ("review_status", items),
        ("verify", record),
    ):
        jsonschema.validate(result, schemas[tool])
    assert READS == {t.name for t in tools if t.annotations and t.annotations.read_only_hint}
    assert {"report"} == {tool.name for tool in tools} - READS
    assert ("first 2 of 4 rows", 2, "ratio") == (
        found["said"],
        len(found["rows"]),
        found["columns"][1]["unit"],
    )
    assert ("SELECT", QUESTION) == (found["sql"][:6], found["understood"][: len(QUESTION)])
    assert ("m1", "queued", "waiting") == (started["run"], started["status"], status["status"])
    assert (False, ["json"]) == (status["published"], [f["format"] for f in status["files"]])
    assert status["said"].startswith("last 20 of ")
    assert ([i["item"] for i in items["items"]], "1 of 1 items") == (
        status["open_items"],
        items["said"],
    )
    assert (True, None, "no flaws") == (record["ok"], record["published"], record["said"])
    assert ["error A405", "error A400", "error A401", "error A406"] == [e[:10] for e in errors]
    assert all("try: " in error and "Traceback" not in error for error in errors)
    assert ("Ada", "mcp") == (
        (asked := home.json("run", "show", "m1")["request"])["requested_by"],
        asked["trigger"],
    )


async def test_with_keys_a_client_says_who_asks(
    home: Home, make_runner: Callable[..., Any]
) -> None:
    """Over stdio: no key, no server; with one its role and tenant hold, until it is revoked."""
    async with make_runner() as runner:
        key = await key_of(runner, "screen", "viewer", tenant="north")
        accepted = prepare(runner.settings, "other", question=QUESTION)
        await runner.accept("other", accepted, left=True)
        file = home.folder / "key"
        file.write_text(f"{key}\n")
        nobody = await asyncio.to_thread(home.run, "mcp")
        with pytest.raises(NotAuthenticated):
            await caller(runner, "assay_of_nobody")
        missing = await asyncio.to_thread(home.run, "mcp", "--key-file", "missing")
        async with over_stdio(home, "--key-file", str(file)) as client:
            none = await call(client, "review_status")
            said = [
                await refused(client, "report", question=QUESTION),
                await refused(client, "run_status", run="other"),
                await refused(client, "verify", run="other"),
                await refused(client, "review_status", run="other"),
                await refused(client, "run_status", run="nobody"),
            ]
            await ApiKeys(runner.stores.redis).revoke("screen")
            late = await refused(client, "review_status")
        noted = await Refusals(runner.stores.redis).list()

    assert [
        ("A304", "", "/mcp/review_status"),
        ("A305", "screen", "/mcp/report"),
        ("A304", "", "/mcp"),
    ] == [(one.code, one.who, one.path) for one in noted]
    assert {("MCP", "stdio")} == {(one.method, one.address) for one in noted}
    assert [4, 2] == [done.returncode for done in (nobody, missing)]
    assert ("A304", True) == (
        nobody.stderr.split("error ")[1][:4],
        "ASSAY_MCP_KEY" in nobody.stderr,
    )
    assert "A410" in missing.stderr
    assert 0 == none["total"]
    assert "error A305" == said[0][:10]
    assert {said[4]} == set(said[1:])  # another tenant's run is as none
    assert "error A304" == late[:10]


async def test_the_same_tools_over_http_under_the_same_keys(make_runner: Any) -> None:
    """At /mcp a key asks; nobody, a session's browser and a page of another site do not."""
    async with make_runner() as runner:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        async with over_http(runner) as http:  # no key yet: open to this machine alone
            rebound = await http.post("/mcp", json=body, headers={"Host": "evil.example"})
        key = await key_of(runner, "jobs", "analyst", tenant="north")
        async with over_http(runner) as http:
            nobody = await http.post("/mcp", json=body)
            person = Identity(
                name="Grace", kind="user", tenant="north", roles=frozenset({"analyst"})
            )
            cookie, _ = await Sessions(runner.stores.redis).open(person)
            browser = await http.post(
                "/mcp", json=body, headers={"Cookie": f"assay_session={cookie}"}
            )
            bearer = {"Authorization": f"Bearer {key}"}
            foreign = await http.post(
                "/mcp", json=body, headers={**bearer, "Origin": "https://evil.example"}
            )
            large = await http.post("/mcp", content=b" " * 200_000, headers=bearer)
        async with (
            over_http(runner, Authorization=f"Bearer {key}") as http,
            Client(streamable_http_client("http://127.0.0.1/mcp", http_client=http)) as client,
        ):
            started = await call(client, "report", question=QUESTION, run="h1")
            again = await call(client, "report", question=QUESTION, run="h1")
        record = await runner.stores.runs.get("h1", tenant="north")

    for answer in (nobody, browser):
        assert (401, "A304") == (answer.status_code, answer.json()["code"])
    assert (403, "A305") == (rebound.status_code, rebound.json()["code"])
    assert (403, "A305") == (foreign.status_code, foreign.json()["code"])
    assert 413 == large.status_code
    assert started == again
    assert ("north", "jobs") == (record.tenant, record.request["requested_by"])


async def test_files_that_changed_since_their_publication_are_named(make_runner: Any) -> None:
    """`verify` holds a published report's files against the receipt of their publication."""
    async with make_runner() as runner:
        await report(runner, "p")
        assert await waiting(runner, "p")
        record = await approve(runner, "p")
        tools, who = Tools(runner), local_identity("Ada")
        sound = await tools.verify(who, RunArguments(run="p"))
        (Path(record.output_dir) / "report.json").write_text("{}")
        changed = await tools.verify(who, RunArguments(run="p"))

    assert sound.published is not None
    assert changed.published is not None
    assert (True, True) == (sound.ok, sound.published.ok)
    assert (False, ["it is not what was published"]) == (
        changed.ok,
        [file.reason for file in changed.published.files],
    )


async def test_with_work_the_chores_of_a_worker_are_done_too(make_runner: Any) -> None:
    """An item that is long due is reminded of, and the worker counts as one."""
    async with make_runner() as runner:
        item = await opened(runner, created_at=ago(days=30))
        stores = runner.stores
        async with _working(runner.settings, [].append, works=True):
            for _ in range(200):
                told = (await stores.reviews.get(item.id)).told
                if told and (workers := await stores.workers.alive()):
                    break
                await asyncio.sleep(0.05)

        assert ("reminder", 1) == (told[0], len(workers))
        assert () == await stores.workers.alive()


def test_an_answer_is_of_bounded_size() -> None:
    """Rows end where the size of an answer does, however few they are."""
    rows = [{"text": "x" * 1000}] * 100

    assert 9 == len(_within(rows, 9 * 1020))
    assert () == _within(rows, 10)
