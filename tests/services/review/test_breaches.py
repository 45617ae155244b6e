"""A breach has to be acknowledged, and nothing waits for that."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from services.errors import DecisionRefused, Invalid, NotFound
from services.review import (
    Approve,
    Breach,
    Reject,
    Respond,
    ReviewItem,
    ReviewPolicy,
    ReviewQueue,
    similar,
)
from tests.services.review.items import NOON, TWO, item

LATER = NOON + timedelta(minutes=5)
VAR = Breach(
    indicator="market.var",
    measure="VaR",
    value="EUR 5.16m",
    limit="EUR 5.00m",
    over="EUR +0.16m",
    owner="Henrike Falk",
)


def breach(run_id: str = "r-1", of: str = "market.var", **fields: Any) -> ReviewItem:
    plain = {
        "kind": "breach",
        "title": f"{of} is above its limit",
        "code": "",
        "choices": ("approve", "respond", "reject"),
        "breach": VAR.model_copy(update={"indicator": of}),
    }
    return item(run_id, f"breach:{of}", **(plain | fields))


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis, TWO)


async def test_a_breach_is_due_in_two_hours_of_work(redis: Redis) -> None:
    """Four in the afternoon and two hours more is ten the next morning; then it goes to a role."""
    queue = ReviewQueue(redis, ReviewPolicy())
    opened = await queue.open_item(breach(created_at=NOON.replace(hour=16)))

    assert opened.deadline is not None
    assert timedelta(hours=18) == opened.deadline.due_at - opened.created_at
    assert ("reminder", "approver", 1) == (
        (opened.next_notice or ("",))[0],
        opened.deadline.escalate_to,
        opened.needed,
    )


async def test_a_run_names_what_it_waits_for_and_never_a_breach(queue: ReviewQueue) -> None:
    """However many there are; whoever comes too late to publish acknowledges nothing by mistake."""
    await queue.open_item(breach())
    await queue.open_item(breach(of="market.es"))
    awaited = await queue.open_item(item())

    assert awaited == await queue.find("r-1")

    await queue.decide(awaited.id, Reject(reason="stale"), by="Ada", at=NOON)
    with pytest.raises(NotFound, match="waits for nobody") as refused:
        await queue.find("r-1")

    assert "reject by Ada" in refused.value.hint
    assert breach().id in refused.value.hint


async def test_it_is_acknowledged_with_what_is_done(queue: ReviewQueue) -> None:
    """An approval without a word is none; with two needed, two people say what is done."""
    opened = await queue.open_item(breach())
    for note in ("", "  "):
        with pytest.raises(Invalid, match="what is done"):
            await queue.decide(opened.id, Approve(note=note), by="Ada", at=NOON)
    first = await queue.decide(opened.id, Approve(note="hedged"), by="Ada", at=NOON)
    second = await queue.decide(opened.id, Approve(note="agreed"), by="Bob", at=NOON)

    assert (("Ada",), "open") == (first.approved_by, first.status)
    assert (("Ada", "Bob"), "decided") == (second.approved_by, second.status)


async def test_a_remark_stays_with_it_and_decides_nothing(queue: ReviewQueue) -> None:
    """The item stays open, counts no approval, and keeps the same remark once."""
    opened = await queue.open_item(breach())
    for _ in range(2):
        said = await queue.decide(opened.id, Respond(text="asked"), by="Ada", at=NOON, key="k")
    approved = await queue.decide(opened.id, Approve(note="hedged"), by="Ada", at=LATER)

    assert ("open", ["asked"], ()) == (
        said.status,
        [r.note for r in said.remarks],
        said.approved_by,
    )
    assert ("open", ("Ada",)) == (approved.status, approved.approved_by)
    for number in range(99):
        await queue.decide(opened.id, Respond(text=str(number)), by="Ada", at=NOON)
    with pytest.raises(DecisionRefused, match="100 remarks"):
        await queue.decide(opened.id, Respond(text="more"), by="Ada", at=NOON)


async def test_it_outlives_its_run_and_ends_with_its_report(queue: ReviewQueue) -> None:
    """A run that goes another way closes its waits alone; a withdrawal closes breaches, and says so."""
    waits, open_one, done = [
        await queue.open_item(one) for one in (item(), breach(), breach(of="market.es"))
    ]
    await queue.decide(done.id, Reject(reason="wrong limit"), by="Ada", at=NOON)
    await queue.supersede("r-1")
    kept = [(await queue.get(one.id)).status for one in (waits, open_one, done)]
    for _ in range(2):
        await queue.close("r-1", why="the report was withdrawn", by="Eve", at=LATER)
    closed, disputed = await queue.get(open_one.id), await queue.get(done.id)

    assert ["superseded", "open", "decided"] == kept
    assert ("superseded", "decided") == (closed.status, disputed.status)
    assert ["closed, the report was withdrawn, by Eve at 2026-10-01 12:05:00 UTC"] == [
        str(change) for change in closed.changes
    ]
    assert () == await queue.due(NOON + timedelta(days=30))
    with pytest.raises(DecisionRefused, match="report was withdrawn"):
        await queue.decide(closed.id, Approve(note="hedged"), by="Ada", at=NOON)


async def test_earlier_breaches_are_those_of_the_same_limit(queue: ReviewQueue) -> None:
    """In whatever report they stood; another limit's, or another tenant's, are not shown."""
    for run_id, fields in (
        ("r-2", {"template": "daily"}),
        ("r-3", {"of": "market.es"}),
        ("r-4", {"tenant": "north"}),
    ):
        one = await queue.open_item(breach(run_id, **fields))
        await queue.decide(one.id, Reject(reason="wrong limit"), by="Ada", at=NOON)
    earlier = await queue.list("decided")

    assert ["r-2"] == [one.run_id for one in similar(breach(), earlier)]


async def test_its_owner_can_be_forgotten(queue: ReviewQueue) -> None:
    """A limit's owner is a person too."""
    await queue.open_item(breach())
    [changed] = await queue.forget("Henrike Falk", name="(erased)")

    assert changed.breach is not None
    assert "(erased)" == changed.breach.owner
