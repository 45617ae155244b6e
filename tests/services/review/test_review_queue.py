"""The review queue: each wait opens one item, and each item takes one decision."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from services.errors import DecisionRefused, Invalid, NotFound
from services.review import (
    Approve,
    Decision,
    Edit,
    Reject,
    Respond,
    ReviewItem,
    ReviewQueue,
    parse_decision,
)
from tests.services.review.items import NOON, item


async def decide(queue: ReviewQueue, decision: Decision, **about: Any) -> ReviewItem:
    return await queue.decide(item().id, decision, **({"by": "ada", "at": NOON} | about))


async def test_the_same_wait_opens_one_item(redis: Redis) -> None:
    """Opening again, even once decided, gives the item that is there."""
    queue = ReviewQueue(redis)
    opened = await queue.open_item(item())
    assert opened == await queue.open_item(item(title="asked again"))
    decided = await decide(queue, Approve())

    assert decided == await queue.open_item(item())
    assert (decided,) == await queue.list(None)


async def test_a_decision_is_recorded_with_who_and_when(redis: Redis) -> None:
    """The item keeps the decision, its maker and its time, and is open no more."""
    queue = ReviewQueue(redis)
    await queue.open_item(item())
    decided = await decide(queue, Approve(note="fine"), report_digest="d1")

    assert ("decided", Approve(note="fine"), "ada", NOON) == (
        decided.status,
        decided.decision,
        decided.decided_by,
        decided.decided_at,
    )
    assert decided == await queue.get(decided.id)
    assert () == await queue.list()
    assert (decided,) == await queue.list("decided")


async def test_the_second_decision_is_told_of_the_first(redis: Redis) -> None:
    """Nobody overrules a decision; the error says who made it and when."""
    queue = ReviewQueue(redis)
    await queue.open_item(item())
    await decide(queue, Reject(reason="stale prices"))

    with pytest.raises(
        DecisionRefused, match=r"reject by ada at 2026-10-01 12:00:00 UTC"
    ) as caught:
        await decide(queue, Approve(), by="bob")
    assert "A302" == caught.value.code


async def test_of_two_people_at_once_one_wins(redis: Redis) -> None:
    """Decisions that race leave exactly one, and its makers know who."""
    queue = ReviewQueue(redis)
    await queue.open_item(item())

    async def attempt(person: str) -> str:
        try:
            return str((await decide(queue, Approve(note=person), by=person)).decided_by)
        except DecisionRefused as refusal:
            return refusal.message

    told = await asyncio.gather(*(attempt(f"person-{n}") for n in range(8)))
    winner = (await queue.get(item().id)).decided_by

    assert 1 == told.count(str(winner))
    assert all(str(winner) in message for message in told)


async def test_a_choice_that_is_not_offered_is_refused(redis: Redis) -> None:
    """A decision must be one of the item's choices, and the error names them."""
    queue = ReviewQueue(redis)
    await queue.open_item(item())

    with pytest.raises(DecisionRefused, match="does not take 'edit'") as caught:
        await decide(queue, Edit(text="SELECT 1"))
    assert "approve, reject" in caught.value.hint
    assert "open" == (await queue.get(item().id)).status


async def test_an_approval_is_of_the_report_that_was_seen(redis: Redis) -> None:
    """Approving another digest is refused; a rejection needs no digest."""
    queue = ReviewQueue(redis)
    await queue.open_item(item())
    with pytest.raises(DecisionRefused, match="another version"):
        await decide(queue, Approve(), report_digest="d2")

    await decide(queue, Reject(reason="wrong"), report_digest="d2")


async def test_a_superseded_item_takes_no_decision(redis: Redis) -> None:
    """When the run goes another way, its open items close and the waiting ones stay."""
    queue = ReviewQueue(redis)
    for number in range(1, 4):
        await queue.open_item(item(interrupt_id=f"i-{number}"))
    await queue.open_item(item(run_id="r-2"))
    await queue.supersede("r-1", still_waiting=["i-2"])

    assert {"i-2", "i-1"} == {one.interrupt_id for one in await queue.list()}
    assert ["superseded", "open", "superseded"] == [
        one.status for one in sorted(await queue.of_run("r-1"), key=lambda one: one.interrupt_id)
    ]
    with pytest.raises(DecisionRefused, match="no longer waits"):
        await decide(queue, Approve())


async def test_an_item_is_found_by_its_run_when_it_is_the_only_one(redis: Redis) -> None:
    """A reference is an item's id, or the id of a run with one open item."""
    queue = ReviewQueue(redis)
    first = await queue.open_item(item())
    assert first == await queue.find(first.id)
    assert first == await queue.find("r-1")
    second = await queue.open_item(item(interrupt_id="i-2", title="Another"))

    with pytest.raises(NotFound, match="2 open items") as caught:
        await queue.find("r-1")
    assert first.id in caught.value.hint
    assert second.id in caught.value.hint
    await decide(queue, Approve())
    assert second == await queue.find("r-1")
    await queue.decide(second.id, Approve(), by="ada", at=NOON)
    with pytest.raises(NotFound, match="waits for nobody") as late:
        await queue.find("r-1")
    assert "approve by ada" in late.value.hint
    with pytest.raises(NotFound, match="no review item or run"):
        await queue.find("r-9")


async def test_a_tenants_list_and_revision_are_its_own(redis: Redis) -> None:
    """Whatever happens to others' items: to open, decide and remove them changes nothing of it."""
    queue = ReviewQueue(redis)
    ours = await queue.open_item(item("r-2", tenant="few"))
    before = await queue.revision(tenant="few")
    for number in range(5):
        await queue.open_item(item(interrupt_id=f"i-{number}", tenant="many"))
    theirs = await queue.list(tenant="many")
    await queue.decide(theirs[0].id, Approve(), by="Bob", at=NOON, report_digest="d1")
    seen = [await queue.revision(tenant=tenant) for tenant in ("few", "many", None)]

    assert [before, 6, 7] == seen
    assert 4 == len(await queue.list(tenant="many"))
    await queue.remove("r-1")
    assert [(ours,), (), ()] == [await queue.list(tenant=t) for t in ("few", "many", "")]
    assert before == await queue.revision(tenant="few") < await queue.revision(tenant=None)


async def test_the_oldest_open_item_comes_first(redis: Redis) -> None:
    """The queue of open items is in the order they were opened, as far as the limit."""
    queue = ReviewQueue(redis)
    for minute in (2, 1, 3):
        await queue.open_item(
            item(interrupt_id=f"i-{minute}", created_at=NOON + timedelta(minutes=minute))
        )

    assert ["i-1", "i-2"] == [one.interrupt_id for one in await queue.list(limit=2)]
    assert ["i-3", "i-2", "i-1"] == [one.interrupt_id for one in await queue.list(None)]


@pytest.mark.parametrize(
    "decision",
    [Approve(), Approve(note="n"), Edit(text="t"), Reject(reason="r"), Respond(text="t")],
)
def test_a_decision_reads_back_from_its_plain_form(decision: Decision) -> None:
    """Every decision survives being a plain dict, as graph state and forms carry it."""
    assert decision == parse_decision(decision.model_dump(mode="json"))


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "maybe"},
        {"kind": "edit"},
        {"kind": "reject", "reason": "  "},
        {"kind": "approve", "sql": "DROP"},
        "approve",
        None,
    ],
)
def test_what_is_no_decision_is_invalid(content: Any) -> None:
    """An unknown kind, a missing text or an extra field is refused with what belongs there."""
    with pytest.raises(Invalid, match="not understood") as caught:
        parse_decision(content)
    assert "reject a reason" in caught.value.hint


def test_an_item_is_decided_wholly_or_not_at_all() -> None:
    """No item says that it is decided without saying what, by whom and when."""
    with pytest.raises(ValueError, match="decided item"):
        item(status="decided")
    with pytest.raises(ValueError, match="decided item"):
        item(decided_by="ada")
