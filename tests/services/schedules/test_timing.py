"""When schedules tick: also in the nights when the clock jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import Invalid
from services.schedules import Timing

# Gaps and folds of one hour, of half an hour, of a whole day, at midnight, and none.
NIGHTS = {
    "Europe/Berlin": (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)),
    "Africa/Cairo": (datetime(2026, 4, 23, tzinfo=UTC), datetime(2026, 10, 29, tzinfo=UTC)),
    "Pacific/Apia": (datetime(2011, 12, 30, tzinfo=UTC),),
    "Asia/Kolkata": (datetime(2026, 3, 29, tzinfo=UTC),),
}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def ticks(cron: str, zone: str, after: datetime, count: int) -> list[str]:
    found = islice(Timing.parse(cron, zone).ticks(after), count)
    return [f"{tick.astimezone(ZoneInfo(zone)):%d %H:%M %Z}" for tick in found]


def test_a_skipped_time_is_made_up_for_at_the_end_of_the_gap() -> None:
    """On 29 March Berlin's clock goes from 2:00 to 3:00; the report of 2:30 comes at 3:00."""
    found = ticks("30 2 * * *", "Europe/Berlin", utc(2026, 3, 28, 0), 3)

    assert ["28 02:30 CET", "29 03:00 CEST", "30 02:30 CEST"] == found


def test_a_repeated_time_counts_once() -> None:
    """On 25 October Berlin's clock shows 2:30 twice; the report comes the first time."""
    found = ticks("30 2 * * *", "Europe/Berlin", utc(2026, 10, 24, 0), 3)

    assert ["24 02:30 CEST", "25 02:30 CEST", "26 02:30 CET"] == found


def test_an_interval_stays_an_interval() -> None:
    """Every thirty minutes is every thirty minutes of real time, in both nights."""
    for night in NIGHTS["Europe/Berlin"]:
        timing = Timing.parse("*/30 * * * *", "Europe/Berlin")
        found = list(timing.between(night - timedelta(hours=3), night + timedelta(hours=6)))

        assert {timedelta(minutes=30)} == {b - a for a, b in pairwise(found)}


def test_a_day_that_never_was_is_made_up_for_at_its_end() -> None:
    """Samoa had no 30 December 2011: what was due then came as the 31st began."""
    found = ticks("0 12 30 12 *", "Pacific/Apia", utc(2011, 1, 1), 2)

    assert ["31 00:00 +14", "30 12:00 +14"] == found


FIELD = st.one_of(
    st.just("*"),
    st.integers(2, 30).map(lambda step: f"*/{step}"),
)
MINUTE = FIELD | st.lists(st.integers(0, 59), min_size=1, max_size=4).map(
    lambda found: ",".join(map(str, found))
)
HOUR = FIELD | st.lists(st.integers(0, 4), min_size=1, max_size=3).map(
    lambda found: ",".join(map(str, found))
)


def matches(field: str, value: int) -> bool:
    if field == "*":
        return True
    if field.startswith("*/"):
        return value % int(field[2:]) == 0
    return value in {int(part) for part in field.split(",")}


def shown(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def expected(minute: str, hour: str, zone: ZoneInfo, start: datetime, end: datetime) -> set:
    """By looking at the clock every minute, and at every minute that should have been on it."""
    moments = [
        start + timedelta(minutes=m) for m in range(int((end - start) / timedelta(minutes=1)))
    ]
    if minute.startswith("*") or hour.startswith("*"):
        times = ((moment, shown(moment, zone)) for moment in moments)
        return {m for m, t in times if matches(minute, t.minute) and matches(hour, t.hour)}
    seen: set[datetime] = set()
    found = set()
    behind = shown(start - timedelta(minutes=1), zone)
    for moment in moments:
        ahead = shown(moment, zone)
        # Times between the last one seen and this one are due now, unless they were before.
        while behind < ahead:
            behind += timedelta(minutes=1)
            if behind not in seen and matches(minute, behind.minute) and matches(hour, behind.hour):
                found.add(moment)
            seen.add(behind)
    return found


@settings(max_examples=25, deadline=None)
@given(minute=MINUTE, hour=HOUR, zone=st.sampled_from(sorted(NIGHTS)), data=st.data())
def test_ticks_are_those_that_somebody_at_the_clock_would_count(
    minute: str, hour: str, zone: str, data: st.DataObject
) -> None:
    """Whatever the expression, zone and night, none is missing, and none is there twice."""
    night = data.draw(st.sampled_from(NIGHTS[zone]))
    start, end = night - timedelta(hours=26), night + timedelta(hours=30)
    timing = Timing.parse(f"{minute} {hour} * * *", zone)
    found = list(timing.between(start - timedelta(seconds=1), end - timedelta(seconds=1)))

    assert found == sorted(set(found))
    assert set(found) == expected(minute, hour, ZoneInfo(zone), start, end)


@settings(max_examples=25, deadline=None)
@given(
    minute=MINUTE,
    hour=HOUR,
    zone=st.sampled_from(sorted(NIGHTS)),
    offset=st.integers(0, 50 * 3600),
    data=st.data(),
)
def test_ticks_are_the_same_from_wherever_one_starts(
    minute: str, hour: str, zone: str, offset: int, data: st.DataObject
) -> None:
    """A worker that looks in the midst of the night sees what one saw that looked before."""
    start = data.draw(st.sampled_from(NIGHTS[zone])) - timedelta(hours=25)
    timing = Timing.parse(f"{minute} {hour} * * *", zone)
    middle, end = start + timedelta(seconds=offset), start + timedelta(hours=60)

    assert [t for t in timing.between(start, end) if t > middle] == list(
        timing.between(middle, end)
    )


@pytest.mark.parametrize(
    "cron",
    ["", "* * * *", "* * * * * *", "61 * * * *", "* * * * FUN", "*/0 * * * *", "0 0 30 2 *", "@noon",
     "1," * 300 + " * * * *", "\x00 * * * *", "٣ * * * *"],
)  # fmt: skip
def test_an_expression_that_cannot_be_is_refused(cron: str) -> None:
    """With a sentence, and without repeating what was given."""
    with pytest.raises(Invalid) as refused:
        Timing.parse(cron)

    assert "cron expression" in refused.value.message
    assert not cron or cron not in refused.value.message


@pytest.mark.parametrize(
    "zone", ["", "Mars/Base", "../../etc/passwd", "America", "/etc/localtime", "\x00"]
)
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    """A path is no zone either."""
    with pytest.raises(Invalid, match="no such time zone"):
        Timing.parse("@daily", zone)


def test_a_city_is_led_to_its_zone() -> None:
    """Whoever writes Berlin is told Europe/Berlin."""
    with pytest.raises(Invalid) as refused:
        Timing.parse("@daily", "berlin")

    assert "Europe/Berlin" in refused.value.hint


def test_the_newest_ticks_of_years_are_found_at_once() -> None:
    """A schedule of every minute that was away for ten years costs no more than one of a day."""
    timing = Timing.parse("* * * * *", "Europe/Berlin")
    found = timing.newest(utc(2016, 1, 1), utc(2026, 1, 1), 3)

    assert (utc(2025, 12, 31, 23, 58), utc(2025, 12, 31, 23, 59), utc(2026, 1, 1)) == found
    assert () == Timing.parse("0 0 1 1 *").newest(utc(2026, 1, 2), utc(2026, 5, 1), 3)
