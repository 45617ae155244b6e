"""The inbox tells whoever has it open what has changed, of their tenant, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from fastapi import Request

from agent.driving import now
from agent.runner import Runner
from agent.web.access import while_known
from agent.web.app import make_app
from agent.web.pages import inbox_events
from agent.web.pages.inbox import Wanted
from agent.web.streams import Streams
from services.access import ApiKey, ApiKeys, Identity
from services.review import Approve, Reject
from tests.agent.review_door import ago, opened
from tests.agent.test_web_access import door

CLEO = Identity(name="Cleo", kind="user", tenant="a", roles=frozenset({"reviewer"}))


class Told:
    """One open inbox; `streams` counts it, and its end is the process's."""

    def __init__(self, runner: Runner, query: str) -> None:
        app = make_app(runner.settings)
        app.state.runner = runner
        self.streams: Streams = app.state.streams
        scope = {"type": "http", "app": app, "query_string": query.encode(), "headers": []}
        self.request = Request(scope)

    async def events(self) -> AsyncIterator[dict[str, Any] | str]:
        """What is told; a comment as it is."""
        wanted = Wanted.of(self.request)
        async for piece in inbox_events._told(self.request, CLEO, wanted, self.streams):
            text = piece.decode()
            yield json.loads(text[6:]) if text.startswith("data: ") else text


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_events, "_TICK", 0.02)


@pytest.mark.usefixtures("quickly")
async def test_what_changed_is_told_and_nothing_else(own_runner: Runner) -> None:
    """Counts of all tabs, the tab's items in order, and the rows that are another by now."""
    reviews = own_runner.stores.reviews
    first = await opened(own_runner, "r-1", tenant="a", created_at=ago(minutes=5))
    await opened(own_runner, "r-2", tenant="b")
    told = Told(own_runner, "tab=unassigned&kind=publication")
    stream = told.events()
    hello, start = await anext(stream), await anext(stream)
    await opened(own_runner, "r-3", tenant="b")
    await opened(own_runner, "r-4", tenant="a", kind="held")  # another kind than is looked for
    quiet = await anext(stream)
    second = await opened(own_runner, "r-5", tenant="a")
    new = await anext(stream)
    await reviews.claim(first.id, by="Ben", at=now())
    claimed = await anext(stream)
    await reviews.decide(second.id, Reject(reason="stale"), by="Ben", at=now())
    decided = await anext(stream)
    told.streams.closing.set()

    assert "retry: 2000" in str(hello)
    assert isinstance(start, dict)
    assert {"mine": 0, "unassigned": 1, "overdue": 0, "second": 0, "done": 0} == start["counts"]
    assert ([first.id], False, "5 min") == (
        start["items"],
        start["more"],
        start["rows"][first.id]["age"],
    )
    assert "still here" in str(quiet)
    assert isinstance(new, dict)
    assert ([first.id, second.id], [second.id]) == (new["items"], list(new["rows"]))
    assert isinstance(claimed, dict)
    assert [second.id] == claimed["items"]
    assert isinstance(decided, dict)
    assert ([], 1) == (decided["items"], decided["counts"]["done"])
    assert [] == [piece async for piece in stream]


@pytest.mark.usefixtures("quickly")
async def test_rows_change_where_they_stand(own_runner: Runner) -> None:
    """Who has an item, and its votes, are told for the tab that it is in."""
    reviews = own_runner.stores.reviews
    item = await opened(own_runner, "r-1", tenant="a", severity="red")
    await reviews.assign(item.id, "Cleo", by="Olga", at=now())
    stream = Told(own_runner, "tab=mine").events()
    await anext(stream)
    before = await anext(stream)
    await reviews.claim(item.id, by="Cleo", at=now())
    after = await anext(stream)
    await stream.aclose()

    assert isinstance(before, dict)
    assert isinstance(after, dict)
    rows = before["rows"][item.id], after["rows"][item.id]
    assert ("Cleo", "open with Cleo since under 1 min") == (rows[0]["who"], rows[1]["who"])
    assert before["counts"] == after["counts"]


async def test_items_are_read_once_for_all_who_look(own_runner: Runner) -> None:
    """As long as nothing changes; a change of any kind is seen."""
    from agent.web.pages.inbox import Pile

    reviews = own_runner.stores.reviews
    item = await opened(own_runner, "r-1", tenant="a")
    pile = Pile(reviews)
    one, two = await asyncio.gather(pile.of("a"), pile.of("a"))
    await reviews.decide(item.id, Approve(), by="Ben", at=now())
    three = await pile.of("a")
    await reviews.remove("r-1")

    assert one is two
    assert [["Ben"]] == [list(i.approved_by) for i in three]
    assert () == await pile.of("a")


async def test_a_stream_counts_and_has_to_be_allowed(own_runner: Runner) -> None:
    """Under the same bound as those of runs, and for filters that there are."""
    client = await door(own_runner)
    streams: Streams = client._transport.app.state.streams  # type: ignore[attr-defined]
    me = Identity(name=own_runner.settings.reviewer, kind="local", roles=frozenset({"viewer"}))
    for _ in range(20):
        streams.enter(me)
    full = await client.get("/reviews/events")
    wrong = [await client.get(f"/reviews/events?{q}") for q in ("tab=nonesuch", "kind=nonesuch")]

    assert (429, "A107") == (full.status_code, full.json()["code"])
    assert [422, 422] == [answer.status_code for answer in wrong]


async def test_a_stream_ends_when_its_key_is_taken_away(
    own_runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with its next minute or quarter of an hour, but before the next thing is told."""
    monkeypatch.setattr("agent.web.access._LOOK", 0.0)
    keys = ApiKeys(own_runner.stores.redis)
    key = ApiKey(name="desk", roles=frozenset({"viewer"}), created_at=now())
    secret = await keys.add(key)
    request = Told(own_runner, "").request
    request.app.state.is_open = False
    request.scope["headers"].append((b"authorization", f"Bearer {secret}".encode()))

    async def pieces() -> AsyncGenerator[bytes, None]:
        while True:
            yield b"data: tick"

    told = while_known(request, key.identity, pieces())
    first = await anext(told)
    await keys.revoke("desk")

    assert b"data: tick" == first
    assert [] == [piece async for piece in told]
