"""Periods in words, seen from 30 September 2026."""

from __future__ import annotations

from datetime import date

import pytest

from services.retrieval._periods import period_at
from services.retrieval._words import read_words

AS_OF = date(2026, 9, 30)

PERIODS = {
    "2026-06-30": "2026-06-30",
    "30 June 2026": "2026-06-30",
    "30th of June": "2026-06-30",
    "June 30, 2026": "2026-06-30",
    "31 December": "2025-12-31",
    "June": "2026-06-01/2026-06-30",
    "Oct": "2025-10-01/2025-10-31",
    "February 2024": "2024-02-01/2024-02-29",
    "Q2 2026": "2026-04-01/2026-06-30",
    "Q4": "2025-10-01/2025-12-31",
    "second quarter of 2025": "2025-04-01/2025-06-30",
    "2020": "2020-01-01/2020-12-31",
    "last quarter": "2026-04-01/2026-06-30",
    "this quarter": "2026-07-01/2026-09-30",
    "previous month": "2026-08-01/2026-08-31",
    "last year": "2025-01-01/2025-12-31",
    "last 30 days": "2026-09-01/2026-09-30",
    "last two quarters": "2026-04-01/2026-09-30",
    "two quarters ago": "2026-01-01/2026-03-31",
    "a year ago": "2025-01-01/2025-12-31",
    "year end 2025": "2025-12-31",
    "year to date": "2026-01-01/2026-09-30",
    "ytd": "2026-01-01/2026-09-30",
}


@pytest.mark.parametrize(("text", "expected"), PERIODS.items())
def test_a_period_is_read(text: str, expected: str):
    """All of the text is taken, and a bare month or quarter is the latest that has begun."""
    words = read_words(text)
    found = period_at(words, 0, AS_OF)
    assert found is not None
    period, used = found
    days = [period.start] if period.is_day else [period.start, period.end]

    assert (expected, len(words)) == ("/".join(str(day) for day in days), used)


@pytest.mark.parametrize(
    "text", ["31 June 2026", "2026-02-30", "5", "2,020", "quarter", "2020m", "loan", "30"]
)
def test_what_is_no_period_is_left_alone(text: str):
    """Impossible dates, plain numbers and amounts are no periods."""
    assert period_at(read_words(text), 0, AS_OF) is None
