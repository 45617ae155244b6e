"""Deadlines of review items: each reminder and each escalation is said once, by whichever worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from agent.deadlines import Deadlines
from agent.stores import Stores, open_stores
from services import failpoints
from services.audit import AuditEntry, events
from services.review import Reject, ReviewItem
from services.settings import load_settings
from services.store import ENDPOINTS, Event
from tests.services.review.items import item

FRIDAY = datetime(2026, 10, 2, 15, tzinfo=UTC)
"""An hour before the weekend, with sixteen hours of work to go."""
REMINDED = datetime(2026, 10, 6, 14, tzinfo=UTC)
DUE = datetime(2026, 10, 6, 15, tzinfo=UTC)


@pytest.fixture
async def stores(redis: Redis, valkey_home: Path) -> AsyncIterator[Stores]:
    """The stores of a home whose server is empty."""
    del redis
    async with open_stores(load_settings(home=valkey_home)) as opened:
        yield opened


async def opened(stores: Stores) -> ReviewItem:
    return await stores.reviews.open_item(item(created_at=FRIDAY))


async def tick(stores: Stores, at: datetime, workers: int = 1) -> None:
    chores = [Deadlines(stores, lambda: at).remind() for _ in range(workers)]
    await asyncio.gather(*chores)


async def said(stores: Stores) -> list[AuditEntry]:
    deadlines = (events.REVIEW_REMINDER, events.REVIEW_ESCALATED)
    return [entry for entry in await stores.audit.entries("r-1") if entry.event in deadlines]


async def test_a_deadline_waits_for_the_weekend_to_end(stores: Stores) -> None:
    """Nothing is said on Saturday or Sunday, and the item is not overdue then."""
    made = await opened(stores)
    assert made.deadline is not None
    assert (REMINDED, DUE) == (made.deadline.remind_at, made.deadline.due_at)
    for day in range(3):
        await tick(stores, FRIDAY + timedelta(days=day))

    assert [] == await said(stores)
    assert not made.is_overdue(DUE - timedelta(seconds=1))
    assert made.is_overdue(DUE)


async def test_two_workers_remind_and_escalate_once(stores: Stores) -> None:
    """However often they look; the item then goes to the role, and who listens hears of both."""
    await stores.redis.hset(ENDPOINTS, "somebody", "listens")
    made = await opened(stores)
    for at in (REMINDED, REMINDED, DUE, DUE, DUE + timedelta(days=3)):
        await tick(stores, at, workers=2)
    after = await stores.reviews.get(made.id)

    assert ["review.reminder", "review.escalated"] == [entry.event for entry in await said(stores)]
    assert ("approver", ("reminder", "escalation"), 1) == (
        after.escalated_to,
        after.told,
        after.version,
    )
    assert () == await stores.reviews.due(DUE + timedelta(days=30))
    events_out = [Event.model_validate_json(line) for line in await stores.outbox.waiting()]
    assert ["review.reminder", "review.escalated"] == [event.type for event in events_out]
    assert "approver" == events_out[1].data["role"]


async def test_a_worker_that_comes_late_says_both(stores: Stores) -> None:
    """In their order: no reminder is lost while nothing ran."""
    await opened(stores)
    for _ in range(2):
        await tick(stores, DUE + timedelta(days=1))

    assert ["review.reminder", "review.escalated"] == [entry.event for entry in await said(stores)]


async def test_what_is_decided_is_not_spoken_of(stores: Stores) -> None:
    """Nor what has gone with its run."""
    made = await opened(stores)
    await stores.reviews.decide(made.id, Reject(reason="r"), by="Ada", at=FRIDAY)
    await tick(stores, DUE)
    other = await stores.reviews.open_item(item(run_id="r-2", created_at=FRIDAY))
    await stores.reviews.remove(other.run_id)

    assert () == await stores.reviews.due(DUE)
    assert [] == await said(stores)


@pytest.mark.parametrize(
    "place", ["audit.append:after", "reviews.told:before", "reviews.told:after"]
)
async def test_a_worker_that_dies_says_nothing_twice(stores: Stores, place: str) -> None:
    """The next one goes on where it stopped."""
    await opened(stores)
    failpoints.set_traps(f"{place}=crash")
    try:
        with pytest.raises(failpoints.Crash):
            await tick(stores, REMINDED)
    finally:
        failpoints.set_traps("")
    await tick(stores, REMINDED)
    await tick(stores, REMINDED)

    assert ["review.reminder"] == [entry.event for entry in await said(stores)]


async def test_the_log_names_nobody_and_says_what_is_due(stores: Stores) -> None:
    """Ids, kind, time and role: enough for a message with a link."""
    made = await opened(stores)
    for _ in range(2):
        await tick(stores, DUE)
    _, escalated = await said(stores)

    assert {
        "item": made.id,
        "kind": "publication",
        "due": DUE.isoformat(),
        "role": "approver",
    } == escalated.fields
