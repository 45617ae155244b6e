"""Hours of work: a deadline of eight hours on a Friday afternoon ends on Monday."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from services.evidence import Frozen

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FURTHEST: Final = 3_660
"""Days that are looked through: a calendar of holidays alone must not be looked through for ever."""


class BusinessHours(Frozen):
    """When people work: the days and hours of a zone, but for holidays."""

    zone: str = "UTC"
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = ("mon", "tue", "wed", "thu", "fri")
    opens: time = time(9)
    closes: time = time(17)
    holidays: tuple[date, ...] = ()

    @field_validator("zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time zone called {name!r}") from None
        return name

    @model_validator(mode="after")
    def _has_hours(self) -> Self:
        if self.opens.tzinfo or self.closes.tzinfo:
            raise ValueError("opens and closes are hours of the zone, and name none themselves")
        if self.opens >= self.closes:
            raise ValueError("a day of work closes after it opens")
        return self

    def after(self, start: datetime, work: timedelta) -> datetime:
        """When *work* has been done by someone who begins at *start*; UTC."""
        left = work
        for opens, closes in self._days_from(start):
            begins = max(opens, start)
            if closes > begins and left <= closes - begins:
                return begins + left
            left -= max(closes - begins, timedelta())
        raise ValueError("the calendar has no hours of work left")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much time of work lies between the two; none when *end* comes first."""
        total = timedelta()
        for opens, closes in self._days_from(start):
            if opens >= end:
                break
            total += max(min(closes, end) - max(opens, start), timedelta())
        return total

    def _days_from(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Opening and closing of each day of work, from the day of *start* on, in UTC."""
        zone = ZoneInfo(self.zone)
        first = start.astimezone(zone).date()
        for offset in range(_FURTHEST):
            day = first + timedelta(days=offset)
            if _DAYS[day.weekday()] in self.days and day not in self.holidays:
                yield (
                    datetime.combine(day, self.opens, zone).astimezone(UTC),
                    datetime.combine(day, self.closes, zone).astimezone(UTC),
                )
