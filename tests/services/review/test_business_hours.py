"""Hours of work: nights, weekends and holidays do not count, in the zone where people work."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.review import BusinessHours

HOURS = BusinessHours()
BERLIN = BusinessHours(zone="Europe/Berlin")
FRIDAY = datetime(2026, 10, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        (FRIDAY, 1, datetime(2026, 10, 2, 16, tzinfo=UTC)),
        (FRIDAY, 2, datetime(2026, 10, 2, 17, tzinfo=UTC)),
        (FRIDAY, 3, datetime(2026, 10, 5, 10, tzinfo=UTC)),
        (FRIDAY, 10, datetime(2026, 10, 5, 17, tzinfo=UTC)),
        (datetime(2026, 10, 3, 12, tzinfo=UTC), 1, datetime(2026, 10, 5, 10, tzinfo=UTC)),
        (datetime(2026, 10, 5, 3, tzinfo=UTC), 1, datetime(2026, 10, 5, 10, tzinfo=UTC)),
        (datetime(2026, 10, 5, 22, tzinfo=UTC), 1, datetime(2026, 10, 6, 10, tzinfo=UTC)),
    ],
)
def test_work_is_done_in_hours_of_work(start: datetime, hours: int, end: datetime) -> None:
    """What does not fit before the weekend goes on behind it."""
    assert end == HOURS.after(start, timedelta(hours=hours))


def test_a_holiday_is_no_day_of_work() -> None:
    """A Monday off moves the deadline to Tuesday."""
    hours = BusinessHours(holidays=(date(2026, 10, 5),))

    assert datetime(2026, 10, 6, 10, tzinfo=UTC) == hours.after(FRIDAY, timedelta(hours=3))


def test_hours_are_those_of_the_zone() -> None:
    """Nine in Berlin is seven in UTC in summer, and eight once the clocks have changed."""
    summer = datetime(2026, 10, 23, 14, tzinfo=UTC)

    assert datetime(2026, 10, 26, 9, tzinfo=UTC) == BERLIN.after(summer, timedelta(hours=2))
    assert datetime(2026, 10, 23, 15, tzinfo=UTC) == BERLIN.after(summer, timedelta(hours=1))


@settings(max_examples=60, deadline=None)
@given(
    start=st.datetimes(
        datetime(2026, 1, 1),  # noqa: DTZ001 (hypothesis adds the zone)
        datetime(2027, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    minutes=st.integers(1, 6_000),
)
def test_time_between_is_the_work_that_was_done(start: datetime, minutes: int) -> None:
    """`between` takes back what `after` did, and no deadline lies outside the hours."""
    work = timedelta(minutes=minutes)
    end = BERLIN.after(start, work)

    assert work == BERLIN.between(start, end)
    assert end > start


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"zone": "Mars/Olympus"}, "no time zone"),
        ({"zone": "../etc/passwd"}, "no time zone"),
        ({"days": ()}, "at least 1"),
        ({"opens": "17:00", "closes": "09:00"}, "closes after"),
        ({"opens": "09:00+02:00"}, "name none"),
    ],
)
def test_a_calendar_without_hours_is_refused(fields: dict[str, object], problem: str) -> None:
    """When it is read, not when an item is due."""
    with pytest.raises(ValidationError, match=problem):
        BusinessHours.model_validate(fields)
