"""What is made up for after nobody was there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.schedules import ON_TIME, Timing, plan

HOURLY = Timing.parse("0 * * * *")
FIRST = datetime(2026, 3, 1, 8, tzinfo=UTC)


def hours(*found: int) -> tuple[datetime, ...]:
    return tuple(FIRST.replace(hour=hour) for hour in found)


def test_nothing_is_due_before_its_time() -> None:
    """And nothing changes."""
    assert ((), 0, FIRST) == tuple(
        dict(plan(HOURLY, FIRST, FIRST - timedelta(seconds=1), "all", limit=9)).values()
    )


def test_a_tick_on_time_is_started_under_every_policy() -> None:
    """A worker that comes four minutes late has missed nothing."""
    for policy in ("none", "last", "all"):
        found = plan(HOURLY, FIRST, FIRST + timedelta(minutes=4), policy, limit=9)

        assert (hours(8), 0, hours(9)[0]) == (found.ticks, found.left_out, found.next_at)


def test_policies_differ_in_what_was_missed() -> None:
    """After a morning without workers: none, the newest, or all but the oldest beyond the limit."""
    noon = FIRST.replace(hour=12, minute=30)
    found = {
        policy: plan(HOURLY, FIRST, noon, policy, limit=3) for policy in ("none", "last", "all")
    }

    assert ((), 5) == (found["none"].ticks, found["none"].left_out)
    assert (hours(12), 4) == (found["last"].ticks, found["last"].left_out)
    assert (hours(10, 11, 12), 2) == (found["all"].ticks, found["all"].left_out)
    assert {hours(13)[0]} == {one.next_at for one in found.values()}


@settings(max_examples=25, deadline=None)
@given(
    cron=st.sampled_from(
        ["*/5 * * * *", "*/20 * * * *", "30 2 * * *", "0 6 * * MON-FRI", "0 0 1 * *"]
    ),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    looks=st.lists(st.integers(1, 60 * 60 * 24 * 4), min_size=1, max_size=4),
    policy=st.sampled_from(["none", "last", "all"]),
    limit=st.integers(1, 20),
)
def test_every_tick_is_started_once_or_counted_as_left_out(
    cron: str, zone: str, looks: list[int], policy: str, limit: int
) -> None:
    """However long workers are away, across the night of the clock's change too."""
    timing = Timing.parse(cron, zone)
    at = datetime(2026, 3, 26, 11, 7, tzinfo=UTC)
    begin, next_at = at, timing.next_after(at)
    started: list[datetime] = []
    for pause in looks:
        at += timedelta(seconds=pause)
        found = plan(timing, next_at, at, policy, limit=limit)
        due = list(timing.between(next_at - timedelta(seconds=1), at))

        assert len(due) > 1000 or len(due) == len(found.ticks) + found.left_out
        assert found.next_at > at
        assert len(found.ticks) <= (limit if policy == "all" else 1)
        assert policy != "none" or all(at - tick <= ON_TIME for tick in found.ticks)
        assert policy == "none" or found.ticks == tuple(due)[-(limit if policy == "all" else 1) :]
        started += found.ticks
        next_at = found.next_at

    assert started == sorted(set(started))
    assert set(started) <= set(timing.between(begin, at))
