"""Dates and periods in a question, told relative to the as-of date."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ._words import Word

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_MONTHS["sept"] = 9
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4}
_UNITS = ("day", "week", "month", "quarter", "year")
_PREVIOUS = frozenset({"last", "previous", "prior", "preceding"})
_THIS = frozenset({"this", "current", "present"})


@dataclass(frozen=True, slots=True)
class Period:
    """A day, when it starts where it ends, or a stretch of days; both ends are included."""

    start: date
    end: date

    @property
    def is_day(self) -> bool:
        return self.start == self.end


Reading = tuple[Period, int]
"""A period and the number of words that name it."""


def period_at(words: Sequence[Word], start: int, as_of: date) -> Reading | None:
    """The period that begins at word *start*, or nothing."""
    rest = words[start : start + 6]
    for reader in _READERS:
        try:
            found = reader(rest, as_of)
        except ValueError:  # such as the 31st of June
            found = None
        if found is not None:
            return found
    return None


def _form(words: Sequence[Word], index: int) -> str:
    return words[index].form if index < len(words) else ""


def _whole(words: Sequence[Word], index: int) -> int | None:
    if index >= len(words) or words[index].is_scaled:
        return None
    number = words[index].number
    return int(number) if number is not None and number == int(number) else None


def _year(words: Sequence[Word], index: int) -> tuple[int | None, int]:
    """A year at *index*, with an `of` or a comma before it, and the words it takes."""
    skipped = 1 if _form(words, index) in ("of", ",") else 0
    number = _whole(words, index + skipped)
    if number is not None and 1900 <= number <= 2100 and words[index + skipped].text.isdigit():
        return number, skipped + 1
    return None, 0


def _iso_day(words: Sequence[Word], _as_of: date) -> Reading | None:
    day = words[0].day
    return (Period(day, day), 1) if day else None


def _day_first(words: Sequence[Word], as_of: date) -> Reading | None:
    """`30 June 2026`, `30th of June`."""
    number = _whole(words, 0)
    skipped = 1 if _form(words, 1) == "of" else 0
    month = _MONTHS.get(_form(words, 1 + skipped))
    if number is None or month is None or not 1 <= number <= 31:
        return None
    year, used = _year(words, 2 + skipped)
    day = date(year, month, number) if year else _latest_day(month, number, as_of)
    return Period(day, day), 2 + skipped + used


def _month_first(words: Sequence[Word], as_of: date) -> Reading | None:
    """`June 30, 2026`, `June 2026`, `June`."""
    month = _MONTHS.get(_form(words, 0))
    if month is None:
        return None
    number = _whole(words, 1)
    if number is not None and 1 <= number <= 31:
        year, used = _year(words, 2)
        day = date(year, month, number) if year else _latest_day(month, number, as_of)
        return Period(day, day), 2 + used
    year, used = _year(words, 1)
    return _month(year or _latest_day(month, 1, as_of).year, month), 1 + used


def _quarter_named(words: Sequence[Word], as_of: date) -> Reading | None:
    """`Q2 2026`, `second quarter of 2026`, `Q2`."""
    form, used = _form(words, 0), 1
    number = int(form[1]) if form in ("q1", "q2", "q3", "q4") else _ORDINALS.get(form)
    if number is None or (form in _ORDINALS and _form(words, 1) != "quarter"):
        return None
    used += form in _ORDINALS
    year, more = _year(words, used)
    if year is None:
        year = as_of.year if _quarter(as_of.year, number).start <= as_of else as_of.year - 1
    return _quarter(year, number), used + more


def _year_end(words: Sequence[Word], as_of: date) -> Reading | None:
    """`year end 2025`, `year end`."""
    if (_form(words, 0), _form(words, 1)) != ("year", "end"):
        return None
    year, used = _year(words, 2)
    day = date(year or as_of.year - 1, 12, 31)
    return Period(day, day), 2 + used


def _relative(words: Sequence[Word], as_of: date) -> Reading | None:
    """`last quarter`, `this year`, `last 30 days`, `two quarters ago`, `a year ago`."""
    form = _form(words, 0)
    if form in _PREVIOUS | _THIS and _form(words, 1) in _UNITS:
        return _unit_before(as_of, _form(words, 1), 0 if form in _THIS else 1), 2
    number = _whole(words, 1)
    if form in _PREVIOUS | {"past"} and number and _form(words, 2) in _UNITS:
        start = _unit_before(as_of, _form(words, 2), number).end + timedelta(days=1)
        return Period(min(start, as_of), as_of), 3
    count = 1 if form in ("a", "one") else _whole(words, 0)
    if count and _form(words, 1) in _UNITS and _form(words, 2) == "ago":
        return _unit_before(as_of, _form(words, 1), count), 3
    return None


def _to_date(words: Sequence[Word], as_of: date) -> Reading | None:
    """`year to date`, `ytd`."""
    length = 1 if _form(words, 0) == "ytd" else 3
    if length == 3 and [_form(words, i) for i in range(3)] != ["year", "to", "date"]:
        return None
    return Period(date(as_of.year, 1, 1), as_of), length


def _year_alone(words: Sequence[Word], _as_of: date) -> Reading | None:
    year, used = _year(words, 0)
    return (Period(date(year, 1, 1), date(year, 12, 31)), used) if year and used == 1 else None


_READERS: tuple[Callable[[Sequence[Word], date], Reading | None], ...] = (
    _iso_day,
    _day_first,
    _month_first,
    _quarter_named,
    _year_end,
    _to_date,
    _relative,
    _year_alone,
)


def _latest_day(month: int, day: int, as_of: date) -> date:
    """The latest such day that does not lie after *as_of*; a bare month counts from its start."""
    this_year = date(as_of.year, month, day)
    return this_year if this_year <= as_of else date(as_of.year - 1, month, day)


def _month(year: int, month: int) -> Period:
    last = calendar.monthrange(year, month)[1]
    return Period(date(year, month, 1), date(year, month, last))


def _quarter(year: int, number: int) -> Period:
    return Period(_month(year, 3 * number - 2).start, _month(year, 3 * number).end)


def _unit_before(as_of: date, unit: str, count: int) -> Period:
    """The calendar unit that lies *count* units before the one that holds *as_of*."""
    match unit:
        case "day" | "week":
            day = as_of - timedelta(days=count * (7 if unit == "week" else 1))
            return Period(day, day)
        case "month":
            index = as_of.year * 12 + as_of.month - 1 - count
            return _month(index // 12, index % 12 + 1)
        case "quarter":
            index = as_of.year * 4 + (as_of.month - 1) // 3 - count
            return _quarter(index // 4, index % 4 + 1)
        case _:
            return Period(date(as_of.year - count, 1, 1), date(as_of.year - count, 12, 31))
