"""A run's events over HTTP: nothing left out, nothing twice, whoever goes away meanwhile."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from agent.driving import now
from agent.runner import Runner
from agent.web.streams import Streams
from services.access import local_identity
from services.errors import TooManyRequests
from tests.agent.homes import Home
from tests.agent.nursery import Command
from tests.agent.servers import free_port
from tests.agent.test_api_runs import put
from tests.agent.test_web_access import carrying, door


@contextmanager
def serving(home: Home) -> Iterator[tuple[str, Command]]:
    """A real server of the home."""
    port = free_port()
    with home.start("serve", "--port", str(port)) as command:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{url}/healthz")
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield url, command


def parsed(block: str) -> dict[str, Any]:
    """One event of a stream, by its fields."""
    fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line[1:])
    return fields | {"data": json.loads(fields["data"])} if "data" in fields else fields


async def events(answer: httpx.Response) -> Any:
    """The events of an open stream, as they come."""
    text = ""
    async for piece in answer.aiter_text():
        text += piece
        while "\n\n" in text:
            block, _, text = text.partition("\n\n")
            if "data" in (event := parsed(block)):
                yield event


async def take(answer: httpx.Response, count: int) -> list[dict[str, Any]]:
    found = []
    async for event in events(answer):
        found.append(event)
        if len(found) == count:
            break
    return found


async def say(runner: Runner, *names: str, **fields: Any) -> None:
    for name in names:
        await runner.stores.audit.append("r001", name, fields, at=now())


async def test_a_stream_goes_on_where_it_broke_off(own_home: Home, own_runner: Runner) -> None:
    """Behind the last event that was received; its end comes with the run's, or the server's."""
    await put(own_runner, 1)
    await put(own_runner, 2)
    await say(own_runner, "a", "b", by="Ada")
    with serving(own_home) as (url, server):
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            async with client.stream("GET", "/v1/runs/r001/events") as answer:
                assert "text/event-stream" in answer.headers["content-type"]
                first = await take(answer, 2)
            await say(own_runner, "c")
            last = {"Last-Event-ID": first[-1]["id"]}
            async with client.stream("GET", "/v1/runs/r001/events", headers=last) as answer:
                stream = events(answer)
                second = [await anext(stream)]
                await say(own_runner, "d", "e")
                second += [await anext(stream), await anext(stream)]
                await own_runner.stores.runs.update("r001", at=now(), status="cancelled")
                await say(own_runner, "run.cancelled")
                second += [event async for event in stream]
            async with client.stream("GET", "/v1/runs/r002/events") as answer:
                stream = answer.aiter_text()
                await anext(stream)
                inbox = await client.send(
                    client.build_request("GET", "/reviews/events"), stream=True
                )
                told = inbox.aiter_text()
                assert "retry: 2000" in await anext(told)
                server.send_signal(signal.SIGTERM)
                began = time.monotonic()
                assert [] == [piece async for piece in stream if "data" in piece]
                assert [] == [piece async for piece in told if "event: end" in piece]
        assert 0 == server.wait(10) or server.returncode == -signal.SIGTERM
        assert time.monotonic() - began < 5

    assert [("1", "a"), ("2", "b")] == [(e["id"], e["data"]["event"]) for e in first]
    assert {"by": "Ada"} == first[0]["data"]["fields"]
    assert [("3", "c"), ("4", "d"), ("5", "e"), ("6", "run.cancelled")] == [
        (e["id"], e["data"]["event"]) for e in second[:-1]
    ]
    assert ("end", {"status": "cancelled"}) == (second[-1]["event"], second[-1]["data"])


async def test_a_finished_run_is_told_to_its_end(own_runner: Runner) -> None:
    """What was erased stays erased; a run that is gone ends its streams too; odd ids are refused."""
    await put(own_runner, 1, status="done", tenant="a")
    await say(own_runner, *["x"] * 600, by="Ada")
    await own_runner.stores.audit.erase("r001", by="Bob", at=now())
    client = await carrying(own_runner, "v", "viewer", tenant="a")
    answer = await client.get("/v1/runs/r001/events", headers={"Last-Event-ID": "2"})
    told = [parsed(block) for block in answer.text.split("\n\n") if "data: " in block]

    assert [str(seq) for seq in range(3, 601)] == [event["id"] for event in told[:-1]]
    assert {"by": "(erased)"} == told[0]["data"]["fields"]
    assert {"status": "done"} == told[-1]["data"]
    for wrong in ("x", "-1", "9" * 13):
        headers = {"Last-Event-ID": wrong}
        assert 422 == (await client.get("/v1/runs/r001/events", headers=headers)).status_code
    assert 404 == (await client.get("/v1/runs/r002/events")).status_code


async def test_streams_are_counted(own_runner: Runner) -> None:
    """One caller has so many and no more, and the process too; what has ended counts no longer."""
    await put(own_runner, 1, status="done")
    client = await door(own_runner)
    streams: Streams = client._transport.app.state.streams  # type: ignore[attr-defined]
    me = local_identity(own_runner.settings.reviewer)
    for _ in range(20):
        streams.enter(me)
    full = await client.get("/v1/runs/r001/events")
    streams.leave(me)

    assert (429, "A107", "2") == (
        full.status_code,
        full.json()["code"],
        full.headers["retry-after"],
    )
    for _ in range(2):
        assert 200 == (await client.get("/v1/runs/r001/events")).status_code
    for number in range(181):
        streams.enter(local_identity(str(number)))
    with pytest.raises(TooManyRequests):
        streams.enter(local_identity("one more"))
