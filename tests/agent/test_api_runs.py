"""Starting, finding and steering runs over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from agent.driving import now
from agent.runner import Runner
from agent.steering import keep, see_to_all
from services import failpoints
from services.store import Ask, Asks, RunRecord, _listing, remove_run
from tests.agent.driven import QUESTION, approve, entries, report
from tests.agent.test_web_access import carrying, door

RUN = {"question": QUESTION, "formats": ["json"]}
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


async def put(runner: Runner, number: int, **fields: Any) -> RunRecord:
    """A run that is only a record."""
    at = BEGAN + timedelta(minutes=number)
    request = {"as_of": "2026-06-30", "output": "/nowhere", "requested_by": "Ada"}
    record = {"id": f"r{number:03}", "title": f"Report {number}", "template": "quarterly"}
    record["output_dir"] = f"/nowhere/{record['id']}"
    fields = {"request": request, "created_at": at, "updated_at": at, **record, **fields}
    return await runner.stores.runs.create(RunRecord.model_validate(fields))


async def pages(client: httpx.AsyncClient, query: str) -> list[list[str]]:
    """The ids on each page, as `next` leads from one to the other."""
    found, cursor = [], ""
    while True:
        answer = await client.get(f"/v1/runs?{query}{cursor}")
        assert 200 == answer.status_code, answer.text
        found.append([run["id"] for run in answer.json()["runs"]])
        following = answer.json()["next"]
        assert (following is not None) == ("link" in answer.headers)
        if following is None:
            return found
        cursor = f"&cursor={following}"


async def test_a_key_stands_for_one_run(own_runner: Runner) -> None:
    """The same key and body give the same answer, however far the run is; another body does not."""
    client = await carrying(own_runner, "jobs", "analyst", tenant="a")
    other = await carrying(own_runner, "others", "analyst", tenant="b")
    key = {"Idempotency-Key": "nightly-1"}
    many = [client.post("/v1/runs", json=RUN, headers=key) for _ in range(4)]
    first, *rest = await asyncio.gather(*many)
    run_id = first.json()["id"]
    await own_runner.stores.runs.update(run_id, at=now(), status="cancelled")
    again = await client.post("/v1/runs", json=RUN, headers=key)
    changed = await client.post("/v1/runs", json=RUN | {"priority": "high"}, headers=key)
    theirs = await other.post("/v1/runs", json=RUN, headers=key)

    assert (202, f"/v1/runs/{run_id}") == (first.status_code, first.headers["location"])
    assert {first.text} == {answer.text for answer in (*rest, again)}
    assert "queued" == again.json()["status"]
    assert (409, "A411") == (changed.status_code, changed.json()["code"])
    assert (202, False) == (theirs.status_code, theirs.json()["id"] == run_id)
    assert [[run_id]] == await pages(client, "")
    assert 0 < await own_runner.stores.redis.ttl(
        (await own_runner.stores.redis.keys("assay:repeat:*"))[0]
    )
    await remove_run(own_runner.stores.redis, run_id)
    gone = await client.post("/v1/runs", json=RUN, headers=key)
    assert (409, []) == (gone.status_code, (await client.get("/v1/runs")).json()["runs"])
    for wrong in ("", "x" * 256, "two words"):
        refused = await client.post("/v1/runs", json=RUN, headers={"Idempotency-Key": wrong})
        assert 422 == refused.status_code, wrong


@pytest.mark.parametrize(
    "place",
    ["repeats.claim:after", "runs.create:after", "audit.append:before", "repeats.done:before"],
)
async def test_a_key_stands_for_one_run_after_a_crash(own_runner: Runner, place: str) -> None:
    """Wherever the server died, the same request later gives the one run, queued for a worker."""
    client = await door(own_runner)
    failpoints.set_traps(f"{place}=crash")
    try:
        with pytest.raises(failpoints.Crash):
            await client.post("/v1/runs", json=RUN, headers={"Idempotency-Key": "k"})
    finally:
        failpoints.set_traps("")
    first = await client.post("/v1/runs", json=RUN, headers={"Idempotency-Key": "k"})
    again = await client.post("/v1/runs", json=RUN, headers={"Idempotency-Key": "k"})

    assert (202, first.text) == (first.status_code, again.text)
    assert [[first.json()["id"]]] == await pages(client, "")
    assert 1 == len(await entries(own_runner, first.json()["id"], "run.accepted"))
    assert 1 == (await own_runner.stores.queue.state()).waiting


async def test_runs_are_found_in_pages(own_runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what is looked for; a page goes on where the one before ended, whatever came meanwhile."""
    for number in range(12):
        fields = {"tenant": "b"} if number % 3 == 2 else {}
        status = {"status": "done"} if number % 2 else {}
        await put(own_runner, number, **fields, **status)
    await put(own_runner, 12, created_at=BEGAN + timedelta(minutes=11), title="Élan", template="x")
    client = await carrying(own_runner, "b", "viewer", tenant="b")
    settings = own_runner.settings.model_copy(update={"api_key": SecretStr("root")})
    everything = await door(replace(own_runner, settings=settings), Authorization="Bearer root")

    first = (await everything.get("/v1/runs?limit=5")).json()
    await put(own_runner, 13)
    second = (await everything.get(f"/v1/runs?limit=5&cursor={first['next']}")).json()
    seen = [run["id"] for run in first["runs"] + second["runs"]]
    assert [f"r{number:03}" for number in (12, 11, 10, 9, 8, 7, 6, 5, 4, 3)] == seen
    assert [["r011", "r008"], ["r005", "r002"]] == await pages(client, "limit=2")
    assert [["r011", "r005"]] == await pages(client, "status=done")
    assert 403 == (await client.get("/v1/runs?tenant=a")).status_code
    assert [["r011", "r008", "r005", "r002"]] == await pages(everything, "tenant=b")
    assert [["r012"]] == await pages(everything, "q=élan")
    assert [["r012"]] == await pages(everything, "template=x")
    assert [[]] == await pages(everything, "requested_by=Bob")
    between = "created_after=2026-01-01T00:03:00Z&created_before=2026-01-01T00:04:00Z"
    assert [["r004", "r003"]] == await pages(everything, between)
    for wrong in ("limit=0", "limit=201", "cursor=zzz", "cursor=e30", "status=x", "q=" + "x" * 201):
        assert 422 == (await everything.get(f"/v1/runs?{wrong}")).status_code, wrong
    monkeypatch.setattr(_listing, "_BATCH", 3)
    monkeypatch.setattr(_listing, "_LOOKED_AT", 3)
    assert ["r000"] == [run for page in await pages(everything, "q=r000") for run in page]


async def test_what_is_asked_of_a_run_nobody_drives_is_done_at_once(own_runner: Runner) -> None:
    """Rollback, resume, fork, cancel and withdrawal, each by who may, and each in the log."""
    await report(own_runner, "r1")
    client = await door(own_runner)
    detail = (await client.get("/v1/runs/r1")).json()
    moments = (await client.get("/v1/runs/r1/history")).json()["moments"]
    back = await client.post("/v1/runs/r1/rollback", json={"to": "compose", "reason": "again"})
    went = await client.post("/v1/runs/r1/resume")
    copy = await client.post("/v1/runs/r1/fork", json={"at": "compose", "run_id": "r2"})
    ended = await client.post("/v1/runs/r2/cancel", json={"reason": "enough"})

    assert (["publication"], True) == (
        [item["kind"] for item in detail["items"]],
        detail["spent"]["rows"] > 0,
    )
    assert {"checkpoint", "log"} <= {moment["kind"] for moment in moments}
    assert (202, True, "queued") == (back.status_code, back.json()["done"], back.json()["status"])
    assert [{"to": "compose"}] == [
        {"to": said["to"]} for said in await entries(own_runner, "r1", "run.rolled_back")
    ]
    assert (202, "queued") == (went.status_code, went.json()["status"])
    assert (202, "r1") == (copy.status_code, copy.json()["forked_from"])
    assert (202, True, "cancelled") == (
        ended.status_code,
        ended.json()["done"],
        ended.json()["status"],
    )
    assert 1 == len(await entries(own_runner, "r2", "run.cancel_asked"))
    assert ["r2"] == (await client.get("/v1/runs/r1")).json()["forks"]
    assert 1 == (await own_runner.stores.queue.state()).waiting
    for path, body, status in (
        ("r1/rollback", {"to": "nowhere"}, 422),
        ("r1/rollback", {"to": "retrieve:none"}, 404),
        ("r2/rollback", {"to": "plan"}, 409),
        ("r2/resume", None, 409),
        ("r1/withdraw", {"reason": "x"}, 409),
        ("r1/withdraw", {"reason": " "}, 422),
        ("r1/fork", {"at": "compose", "changes": {"template": "x"}}, 422),
    ):
        answer = await client.post(f"/v1/runs/{path}", json=body)
        assert status == answer.status_code, (path, answer.text)

    await own_runner.drive("r1", lambda _: None)
    await approve(own_runner, "r1")
    taken = await client.post("/v1/runs/r1/withdraw", json={"reason": "wrong"})
    assert (202, True, "withdrawn") == (
        taken.status_code,
        taken.json()["done"],
        taken.json()["status"],
    )
    assert 1 == len(await entries(own_runner, "r1", "report.withdraw_asked"))


async def test_what_is_asked_of_a_driven_run_is_kept(own_runner: Runner) -> None:
    """The answer does not wait for the driver; and when the server dies, another sees to it, once."""
    client = await door(own_runner)
    await put(own_runner, 1)
    record = await put(own_runner, 2)
    ask = Ask(id="x", run_id="r002", kind="cancel", by="Ada", at=now())
    async with own_runner.stores.runs.lease("r001"):
        kept = await client.post("/v1/runs/r001/cancel")
        clash = await client.post("/v1/runs/r001/rollback", json={"to": "plan"})
    await keep(own_runner, record, ask)
    assert await Asks(own_runner.stores.redis).take(ask)
    await see_to_all(own_runner)  # somebody is at it
    assert "queued" == (await own_runner.stores.runs.get("r002")).status
    await Asks(own_runner.stores.redis).leave(ask)
    await asyncio.gather(see_to_all(own_runner), see_to_all(own_runner))

    assert (202, False) == (kept.status_code, kept.json()["done"])
    assert 404 == clash.status_code  # it has no such step; nor would two things be asked at once
    assert "cancelled" == (await own_runner.stores.runs.get("r002")).status
    for _ in range(100):
        if (await own_runner.stores.runs.get("r001")).status == "cancelled":
            break
        await asyncio.sleep(0.05)
    assert "cancelled" == (await own_runner.stores.runs.get("r001")).status
    assert 1 == len(await entries(own_runner, "r002", "run.cancelled"))
    await asyncio.sleep(0.1)
    assert () == await Asks(own_runner.stores.redis).open()


async def test_what_cannot_be_done_any_more_is_said(own_runner: Runner) -> None:
    """An ask whose run has ended meanwhile is given up, and the log says so."""
    record = await put(own_runner, 1)
    await keep(own_runner, record, Ask(id="x", run_id="r001", kind="cancel", by="Ada", at=now()))
    await own_runner.stores.runs.update("r001", at=now(), status="done")
    await see_to_all(own_runner)

    assert () == await Asks(own_runner.stores.redis).open()
    assert [("cancel", "A411")] == [
        (said["asked"], said["code"])
        for said in await entries(own_runner, "r001", "run.ask_failed")
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/v1/runs", 200),
        ("HEAD", "/v1/runs/none", 404),
        ("HEAD", "/v1/runs/r001/events", 405),
        ("FROB", "/v1/runs", 405),
        ("DELETE", "/v1/runs/r001", 405),
        ("GET", "/v1/runs/", 404),
        ("GET", "/v1/runs/" + "x" * 5000, 422),
        ("GET", "/v1/runs/%00", 422),
        ("GET", "/v1/runs/%ff%fe", 422),
        ("GET", "/v1/runs/..%2f..%2fetc", 404),
        ("GET", "/v1/runs/r001%0d%0aX", 422),
        ("GET", "/v1/runs/r001/report.exe", 422),
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/runs/r001/resume/", 404),
        ("GET", "/v1/runs?created_after=0001-01-01T00:00:00%2B14:00", 200),
    ],
)
async def test_odd_requests_get_problems(
    own_runner: Runner, method: str, path: str, status: int
) -> None:
    """Never an error of ours, and never anything but a problem."""
    await put(own_runner, 1)
    answer = await (await door(own_runner)).request(method, path)

    assert status == answer.status_code, answer.text
    if status >= 400:
        assert "application/problem+json" == answer.headers["content-type"]
    if method == "HEAD":
        assert b"" == answer.content
    if status == 405:
        assert answer.headers["allow"]


async def test_a_body_has_its_limit(own_runner: Runner) -> None:
    """What is larger is not read."""
    body = b'{"question": "' + b"x" * 2_000_000 + b'"}'
    headers = {"Content-Type": "application/json"}
    answer = await (await door(own_runner)).post("/v1/runs", content=body, headers=headers)

    assert (413, "application/problem+json") == (
        answer.status_code,
        answer.headers["content-type"],
    )
