"""Who has an item: claims that end by themselves, assignment, delegation, and the inbox's tabs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from services.errors import DecisionRefused, Invalid, ItemChanged
from services.review import (
    Approve,
    Filters,
    Reject,
    ReviewItem,
    ReviewQueue,
    similar,
    sort_into,
)
from tests.services.review.items import NOON, TWO, item

LATER = NOON + timedelta(minutes=3)
AFTER = NOON + timedelta(minutes=11)


@pytest.fixture
async def queue(redis: Redis) -> ReviewQueue:
    made = ReviewQueue(redis, TWO)
    await made.open_item(item())
    return made


async def test_an_item_is_open_with_one_person_for_a_while(queue: ReviewQueue) -> None:
    """Others are told with whom and since when, and cannot decide it meanwhile."""
    await queue.claim(item().id, by="Ada", at=NOON)

    with pytest.raises(DecisionRefused, match="open with Ada since 3 min") as caught:
        await queue.claim(item().id, by="Bob", at=LATER)
    assert "12:10:00 UTC" in caught.value.hint
    with pytest.raises(DecisionRefused, match="open with Ada"):
        await queue.decide(item().id, Reject(reason="r"), by="Bob", at=LATER)
    with pytest.raises(DecisionRefused, match="open with Ada"):
        await queue.release(item().id, by="Bob", at=LATER)
    assert "Bob" == (await queue.claim(item().id, by="Bob", at=AFTER)).claimed_by(AFTER)


async def test_claiming_again_makes_it_last(queue: ReviewQueue) -> None:
    """With the time of the first claim, and no second note of it."""
    await queue.claim(item().id, by="Ada", at=NOON)
    again = await queue.claim(item().id, by="Ada", at=LATER)

    assert again.claim is not None
    assert (NOON, LATER + TWO.claim_for) == (again.claim.at, again.claim.until)
    assert 1 == len(again.changes)
    assert 1 == again.version


async def test_a_claim_is_taken_over_in_the_open(queue: ReviewQueue) -> None:
    """Whoever insists takes it, and the item says from whom."""
    await queue.claim(item().id, by="Ada", at=NOON)
    taken = await queue.claim(item().id, by="Bob", at=LATER, take=True)

    assert ("Bob", "taken over from Ada") == (taken.claimed_by(LATER), taken.changes[-1].what)


async def test_of_many_who_claim_at_once_one_has_it(queue: ReviewQueue) -> None:
    """The others are told who."""

    async def attempt(person: str) -> bool:
        try:
            await queue.claim(item().id, by=person, at=NOON)
        except DecisionRefused:
            return False
        return True

    assert 1 == sum(await asyncio.gather(*(attempt(f"p-{n}") for n in range(6))))


async def test_an_assigned_item_is_delegated_by_who_has_it(queue: ReviewQueue) -> None:
    """And by nobody else; each step is noted with who did it."""
    await queue.assign(item().id, " Ada ", by="Bob", at=NOON)
    with pytest.raises(DecisionRefused, match="is not Bob's to delegate"):
        await queue.delegate(item().id, "Eve", by="Bob", at=NOON)
    with pytest.raises(Invalid, match="themselves"):
        await queue.delegate(item().id, "Ada", by="Ada", at=NOON)
    given = await queue.delegate(item().id, "Eve", by="Ada", at=NOON)
    free = await queue.assign(item().id, None, by="Eve", at=NOON, version=3)

    assert ("Eve", None) == (given.assignee, free.assignee)
    assert [("assigned to", "Ada"), ("delegated to", "Eve"), ("unassigned", "")] == [
        (change.what, change.to) for change in free.changes
    ]
    with pytest.raises(ItemChanged):
        await queue.assign(item().id, "Zoe", by="Bob", at=NOON, version=3)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
async def test_what_is_no_name_is_given_nothing(queue: ReviewQueue, name: str) -> None:
    """A line break could forge a line of a log."""
    with pytest.raises(Invalid):
        await queue.assign(item().id, name, by="Bob", at=NOON)


async def test_a_decided_item_has_no_holder(queue: ReviewQueue) -> None:
    """It is neither claimed nor given to anybody."""
    await queue.decide(item().id, Reject(reason="r"), by="Ada", at=NOON)

    for change in (
        queue.claim(item().id, by="B", at=NOON),
        queue.assign(item().id, "B", by="B", at=NOON),
    ):
        with pytest.raises(DecisionRefused, match="already decided"):
            await change


async def test_an_erased_person_is_nowhere_in_an_item(queue: ReviewQueue) -> None:
    """Neither as voter, holder or assignee, nor in the notes of changes."""
    await queue.claim(item().id, by="Ada", at=NOON)
    await queue.claim(item().id, by="Bob", at=NOON, take=True)
    await queue.release(item().id, by="Bob", at=NOON)
    await queue.decide(item().id, Approve(), by="Ada", at=NOON)
    await queue.assign(item().id, "Eve", by="Ada", at=NOON)
    await queue.forget("Ada", name="(erased)")

    assert "Ada" not in (await queue.get(item().id)).model_dump_json()
    assert ("(erased)",) == (await queue.get(item().id)).approved_by


def stored(number: int, **fields: Any) -> ReviewItem:
    opened = TWO.applied(item(interrupt_id=f"i-{number}"))
    return ReviewItem.model_validate({**dict(opened), **fields})


def test_tabs_sort_by_who_has_an_item_and_how_late_it_is() -> None:
    """An item may stand in several tabs; decided ones stand in one."""
    claim = {"by": "Ada", "at": NOON, "until": AFTER}
    vote = {"by": "Bob", "at": NOON, "kind": "approve"}
    items = [
        stored(1),
        stored(2, assignee="Ada"),
        stored(3, claim=claim),
        stored(4, votes=(vote,), assignee="Eve"),
        stored(5, escalated_to="approver", assignee="Eve"),
        stored(6, status="superseded"),
    ]
    week = sort_into(
        items, Filters(), person="Ada", roles=["approver"], at=NOON + timedelta(days=7)
    )
    noon = sort_into(items, Filters(), person="Ada", roles=["approver"], at=NOON)

    def shown(inbox: Any, tab: str) -> set[str]:
        return {one.interrupt_id for one in inbox.tabs[tab]}

    assert {"i-2", "i-3", "i-5"} == shown(noon, "mine")
    assert {"i-1"} == shown(noon, "unassigned")
    assert {"i-1", "i-3"} == shown(week, "unassigned")
    assert {"i-4"} == shown(noon, "second")
    assert (set(), 5) == (shown(noon, "overdue"), week.counts()["overdue"])
    assert {"i-6"} == shown(noon, "done")


@pytest.mark.parametrize(
    ("filters", "seen"),
    [
        (Filters(), True),
        (Filters(kind="publication", severity="red", template="quarterly", run="r-1"), True),
        (Filters(q="QUARTERLY published"), True),
        (Filters(q="quarterly nothing"), False),
        (Filters(kind="held"), False),
        (Filters(severity="green"), False),
        (Filters(template="other"), False),
        (Filters(run="r"), False),
    ],
)
def test_filters_let_through_what_fits_all(filters: Filters, seen: bool) -> None:
    """Words must all be there, in any order and case."""
    assert seen == filters.let_through(item(severity="red", template="quarterly"))


def test_similar_items_are_of_the_same_matter_and_tenant() -> None:
    """The newest decision first, and never the item itself."""

    def decided(number: int, **fields: Any) -> ReviewItem:
        said = {"status": "decided", "decision": Approve(), "decided_by": "Ada"}
        at = NOON + timedelta(hours=number)
        return stored(number, **(said | {"decided_at": at} | fields))

    others = [
        decided(1),
        decided(2),
        decided(3, tenant="b"),
        decided(4, section="market"),
        decided(5, kind="held"),
        stored(6),
    ]

    assert ["i-2", "i-1"] == [one.interrupt_id for one in similar(stored(9), others)]
    assert () == similar(others[0], [others[0]])
