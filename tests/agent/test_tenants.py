"""Two tenants use the same names at every door, and neither learns that the other has."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.compat.results import ReportArguments, RunArguments
from agent.compat.tools import Tools
from agent.driving import now
from agent.housekeeping import Housekeeping
from agent.intake import copy_run_id, new_run_id, prepare
from agent.runner import Runner
from services.access import Identity
from services.errors import Invalid, NotFound
from services.store import Journal, RunRecord, name_in
from tests.agent.driven import QUESTION, nobody
from tests.agent.homes import Home
from tests.agent.test_web_access import carrying

RUN = {"question": QUESTION, "formats": ["json"], "run_id": "q1"}
TENANTS = ("", "a", "b")


async def clients(runner: Runner) -> dict[str, httpx.AsyncClient]:
    return {
        tenant: await carrying(runner, f"jobs-{tenant}", "analyst", tenant=tenant)
        for tenant in TENANTS
    }


async def runs_of(runner: Runner) -> dict[str, list[RunRecord]]:
    return {tenant: list(await runner.stores.runs.list(tenant=tenant)) for tenant in TENANTS}


async def test_tenants_post_one_name_at_once(own_runner: Runner) -> None:
    """Each gets its own run, once, whatever another asks under that name; and by name it is found."""
    doors = await clients(own_runner)
    asked: dict[str, Any] = dict.fromkeys(TENANTS, RUN)
    asked["b"] = {"template": "quarterly", "formats": ["json"], "run_id": "q1"}
    many = [doors[tenant].post("/v1/runs", json=asked[tenant]) for tenant in TENANTS * 2]
    answers = await asyncio.gather(*many)
    ids = {tenant: answer.json()["id"] for tenant, answer in zip(TENANTS, answers, strict=False)}
    found = await runs_of(own_runner)

    assert {202} == {answer.status_code for answer in answers}
    assert {tenant: [run.id for run in runs] for tenant, runs in found.items()} == {
        tenant: [run_id] for tenant, run_id in ids.items()
    }
    assert ("q1", 3) == (ids[""], len(set(ids.values())))
    assert {"q1"} == {name_in(run_id) for run_id in ids.values()}
    folders = [Path(runs[0].output_dir) for runs in found.values()]
    assert (3, set(ids.values())) == (len(set(folders)), {folder.name for folder in folders})
    assert set(ids.values()) == set(Journal(own_runner.settings.home).runs())
    for tenant, client in doors.items():
        named = (await client.get("/v1/runs/q1")).json()
        assert ids[tenant] == named["id"]
        history = await client.get("/v1/runs/q1/history")
        assert 200 == history.status_code
        for other in set(ids.values()) - {ids[tenant], "q1"}:
            for path in (other, f"{other}/events", f"{other}/history", f"{other}/artefacts"):
                assert 404 == (await client.get(f"/v1/runs/{path}")).status_code
            posted = await client.post("/v1/runs", json=RUN | {"run_id": other})
            assert 422 == posted.status_code
    conflict = await doors["a"].post("/v1/runs", json=RUN | {"priority": "high", "question": "ROE"})
    assert 409 == conflict.status_code  # its own run of that name asks for something else


async def test_a_name_is_free_whatever_another_tenant_has(own_runner: Runner) -> None:
    """By idempotency key, fork, MCP, and pages' copies: answered as if one were alone."""
    doors = await clients(own_runner)
    alone: dict[str, Any] = {}
    for tenant, client in list(doors.items())[1:]:
        key = {"Idempotency-Key": "k"}
        keyed = await client.post("/v1/runs", json=RUN | {"run_id": "q2"}, headers=key)
        again = await client.post("/v1/runs", json=RUN | {"run_id": "q2"}, headers=key)
        assert keyed.json() == again.json()
        run_id = keyed.json()["id"]
        fork = {"at": "clarify", "run_id": "copy"}
        copied = await client.post("/v1/runs/q2/fork", json=fork)
        copies = (await client.get("/v1/runs/q2")).json()["forks"]
        who = Identity(name="m", kind="key", tenant=tenant, roles=frozenset({"analyst"}))
        tools = Tools(own_runner)
        started = await tools.report(who, ReportArguments(question=QUESTION, run="mcp"))
        seen = await tools.run_status(who, RunArguments(run="mcp"))
        assert [copied.json()["id"]] == copies
        assert started.run == seen.run
        made = [run_id, copied.json()["id"], started.run]
        alone[tenant] = [keyed.status_code, copied.status_code, *map(name_in, made)]
        assert all("~" in one for one in made)

    assert 1 == len({str(answers) for answers in alone.values()})
    assert {"": 0, "a": 3, "b": 3} == {
        tenant: len(runs) for tenant, runs in (await runs_of(own_runner)).items()
    }
    source = await own_runner.stores.runs.get("q2", tenant="a")
    own = copy_run_id(None, source)
    assert (name_in(own)[:3], source.id.partition("~")[2]) == ("q2-", own.partition("~")[2])


def test_the_command_line_starts_runs_of_one_name(shared: Home) -> None:
    """Whoever runs the machine sees all tenants' runs, by their ids."""
    start = ("run", "start", QUESTION, "--run-id", "q5", "--tenant")
    ids = {shared.json(*start, tenant)["id"] for tenant in ("a", "b", "a")}
    wrong = shared.run(*start, "a b")
    marked = shared.run("run", "start", QUESTION, "--run-id", "q5~0123456789ab")

    assert (2, {"q5"}) == (len(ids), {name_in(run_id) for run_id in ids})
    assert ids <= {run["id"] for run in shared.json("run", "list", "--limit", "1000")}
    assert (2, 2) == (wrong.returncode, marked.returncode)


async def test_no_name_reaches_into_another_tenants(own_runner: Runner) -> None:
    """A mark cannot be typed at any door, nor accepted for whom it is not."""
    theirs = new_run_id("q3", tenant="a")
    for tenant in TENANTS:
        with pytest.raises(Invalid):
            new_run_id(theirs, tenant=tenant)
    accepted = prepare(own_runner.settings, theirs, question=QUESTION, formats=["json"])
    for tenant in ("", "b"):
        with pytest.raises(ValueError, match="another tenant"):
            await own_runner.accept(theirs, accepted, tenant=tenant)
    run = await own_runner.accept("q3", accepted, tenant="a")

    assert theirs == run.id
    assert [] == (await runs_of(own_runner))["b"]
    for tenant in ("", "b"):
        with pytest.raises(NotFound) as caught:
            await own_runner.stores.runs.get(theirs, tenant=tenant)
        assert "q3" not in caught.value.message + caught.value.hint


async def test_a_run_of_an_earlier_version_is_its_tenants_still(own_runner: Runner) -> None:
    """It has no mark; its tenant finds it by its name, others do not, and it can be removed."""
    request = {"as_of": "2026-06-30", "output": "/nowhere", "requested_by": "Ada"}
    plain = {"request": request, "created_at": now(), "updated_at": now()}
    await own_runner.stores.runs.create(RunRecord(id="old", tenant="a", **plain))
    doors = await clients(own_runner)
    status = {t: (await client.get("/v1/runs/old")).status_code for t, client in doors.items()}
    other = await doors["b"].post("/v1/runs", json=RUN | {"run_id": "old"})
    house = Housekeeping(settings=own_runner.settings, stores=own_runner.stores, clock=now)
    await house.delete_run("old")

    assert {"": 404, "a": 200, "b": 404} == status
    assert 202 == other.status_code
    assert {"": 0, "a": 0, "b": 1} == {t: len(r) for t, r in (await runs_of(own_runner)).items()}


async def test_a_tenants_run_is_driven_to_its_report(own_runner: Runner) -> None:
    """Its files, trace and log stand under its id, and it is deleted with all of them."""
    client = await carrying(own_runner, "jobs", "analyst", tenant="a")
    run_id = (await client.post("/v1/runs", json=RUN | {"run_id": "q4"})).json()["id"]
    run = await own_runner.drive(run_id, nobody)
    artefacts = (await client.get("/v1/runs/q4/artefacts")).json()["artefacts"]
    reviews = (await client.get(f"/v1/reviews?run={run_id}")).json()["items"]
    own_runner.settings.home.joinpath("logs").mkdir(exist_ok=True)
    house = Housekeeping(settings=own_runner.settings, stores=own_runner.stores, clock=now)
    await house.delete_run(run_id, files=True)
    keys = [key.decode() for key in await own_runner.stores.redis.keys("*q4*")]

    assert "waiting" == run.status
    assert [f"/v1/runs/{run_id}/report.json"] == [one["href"] for one in artefacts]
    assert [run_id] == [item["run_id"] for item in reviews]
    assert not Path(run.output_dir).exists()
    assert [] == [key for key in keys if not key.startswith("assay:audit:")]
