"""Schedules as they are kept: by tenant, by name, by when they are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from services.errors import InputConflict, NotFound
from services.schedules import Schedule, ScheduleBook, Timing

AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
NINE = AT.replace(hour=9, minute=0)


def schedule(name: str = "daily", tenant: str = "", mark: str = "1", **changes: object) -> Schedule:
    fields: dict[str, object] = {
        "id": f"sc-{mark:0>10}",
        "name": name,
        "tenant": tenant,
        "timing": Timing.parse("0 9 * * *"),
        "template": "quarterly",
        "formats": ("html",),
        "created_at": AT,
        "created_by": "Ada",
        "next_at": NINE,
        "try_at": NINE,
    }
    return Schedule.model_validate(fields | changes)


async def test_a_tenant_sees_its_own_schedules_only(redis: Redis) -> None:
    """Two tenants may use one name; neither is told of the other's."""
    book = ScheduleBook(redis)
    mine, theirs = schedule(), schedule(tenant="acme", mark="2")
    await book.add(mine)
    await book.add(theirs)
    await book.add(schedule("other", tenant="acme", mark="3"))

    assert (mine,) == await book.list()
    assert theirs == await book.get("daily", tenant="acme")
    with pytest.raises(NotFound):
        await book.remove("other")
    assert "other" in {s.name for s in await book.list(tenant="acme")}


async def test_a_name_is_taken_once(redis: Redis) -> None:
    """Adding the same again after a lost answer is no conflict; adding another is."""
    book = ScheduleBook(redis)
    first = await book.add(schedule())

    assert first == await book.add(schedule())
    with pytest.raises(InputConflict, match="daily"):
        await book.add(schedule(mark="2"))


async def test_what_is_due_is_told_until_it_is_settled(redis: Redis) -> None:
    """In the order of the ticks; of two workers that settle one tick, one does."""
    book = ScheduleBook(redis)
    late = await book.add(schedule("late", next_at=AT, try_at=AT, mark="2"))
    daily = await book.add(schedule())
    settled = daily.model_copy(update={"next_at": NINE + timedelta(days=1), "try_at": NINE})

    assert () == await book.due(AT - timedelta(seconds=1))
    assert (late, daily) == await book.due(NINE)
    assert await book.settle(daily, settled)
    assert not await book.settle(daily, settled)
    assert settled == await book.get("daily")


async def test_a_paused_or_removed_schedule_is_never_due(redis: Redis) -> None:
    """And whoever was about to settle it leaves it as it is now."""
    book = ScheduleBook(redis)
    daily = await book.add(schedule())
    gone = await book.add(schedule("gone", mark="2"))
    await book.change("daily", lambda s: s.model_copy(update={"paused": True}))
    await book.remove("gone")

    assert () == await book.due(NINE)
    assert not await book.settle(daily, daily)
    assert not await book.settle(gone, gone)
    assert [True] == [s.paused for s in await book.list()]


async def test_an_unknown_name_comes_with_what_is_close(redis: Redis) -> None:
    """So that a typing error costs one look."""
    book = ScheduleBook(redis)
    await book.add(schedule())

    with pytest.raises(NotFound) as missing:
        await book.get("dayly")
    assert "daily" in missing.value.hint


def test_a_run_is_named_by_schedule_and_tick() -> None:
    """And a schedule that was removed and added again names its runs anew."""
    first, second = schedule(mark="1"), schedule(mark="2")

    assert first.run_id(NINE) == first.run_id(NINE)
    assert "daily-20260301T0900Z-00000001" == first.run_id(NINE)
    assert first.run_id(NINE) != second.run_id(NINE)
    assert len(schedule("n" * 40).run_id(NINE)) <= 80
