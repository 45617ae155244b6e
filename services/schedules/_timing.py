"""
When a schedule ticks: a cron expression of five fields, read as the clock on a wall of its zone.

Twice a year that clock jumps. As Debian's cron does, a schedule at fixed times (`30 2 * * *`) ticks
once for each time it names: at the end of the gap when the clock skips it, and the first time when
the clock shows it twice. One that follows the clock, whose minute or hour begins with a star
(`*/15 * * * *`), ticks whenever the clock shows such a time: not for a skipped one, and again for
a repeated one. So nothing is left out, nothing is done twice, and an interval stays an interval.
"""

from __future__ import annotations

import difflib
import heapq
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import model_validator

from services.errors import Invalid
from services.evidence import Frozen

_NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LONGEST_FOLD: Final = timedelta(hours=4)
"""No clock has been set back by more since 1970: it was three hours, at Casey in Antarctica."""
_LONGEST: Final = 200
"""Characters of a cron expression; a list of all minutes has fewer."""
_START: Final = datetime(2024, 1, 1)  # noqa: DTZ001 (a time on the wall, of no zone)


class Timing(Frozen):
    """A cron expression in a zone of the IANA database; raises `Invalid` through `parse` only."""

    cron: str
    zone: str = "UTC"

    @classmethod
    def parse(cls, cron: str, zone: str = "UTC") -> Self:
        """The timing that these texts say; raises `Invalid`, which says what is wrong with them."""
        _check_zone(zone)
        return cls(cron=_checked_cron(cron), zone=zone)

    @model_validator(mode="before")
    @classmethod
    def _is_spelled_out(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and isinstance(cron := fields.get("cron"), str):
            return {**fields, "cron": _NAMED.get(cron.strip().lower(), " ".join(cron.split()))}
        return fields

    @property
    def follows_the_clock(self) -> bool:
        """Whether it ticks by an interval, rather than at fixed times of the day."""
        minute, hour = self.cron.split()[:2]
        return minute.startswith("*") or hour.startswith("*")

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """Every tick later than *after*, in order and in UTC; the same from wherever one starts."""
        found = self._following(after) if self.follows_the_clock else self._fixed(after)
        last = after.astimezone(UTC)
        for tick in found:
            if tick > last:
                last = tick
                yield tick

    def next_after(self, after: datetime) -> datetime:
        """The first tick later than *after*."""
        for tick in self.ticks(after):
            return tick
        raise Invalid(f"The cron expression {self.cron!r} names no day that ever comes.")

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The ticks later than *after*, up to and with *until*."""
        for tick in self.ticks(after):
            if tick > until:
                return
            yield tick

    def newest(self, after: datetime, until: datetime, limit: int) -> tuple[datetime, ...]:
        """The last *limit* ticks later than *after* and up to *until*, without counting them all."""
        span = timedelta(hours=1)
        while True:
            start = max(after, until - span)
            found = tuple(self.between(start, until))
            if len(found) >= limit or start == after:
                return found[-limit:]
            span *= 2

    def _fixed(self, after: datetime) -> Iterator[datetime]:
        for shown in self._shown(self._wall(after)):
            yield _end_of_gap(shown, ZoneInfo(self.zone))

    def _following(self, after: datetime) -> Iterator[datetime]:
        """
        All moments at which the clock shows a time of ours.

        A moment is told once no later time on the wall can be an earlier moment.
        """
        zone = ZoneInfo(self.zone)
        ahead: list[datetime] = []
        for shown in self._shown(self._wall(after) - _LONGEST_FOLD):
            moments = _moments(shown, zone)
            while ahead and moments and ahead[0] < moments[0]:
                yield heapq.heappop(ahead)
            for moment in moments:
                heapq.heappush(ahead, moment)

    def _shown(self, after: datetime) -> Iterator[datetime]:
        """Times on the wall that match, whether or not the clock shows them."""
        return CronSim(self.cron, after)

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)


def _moments(shown: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """When the clock shows a time: never in a gap, twice where it is set back, else once."""
    found = {shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return tuple(m for m in sorted(found) if m.astimezone(zone).replace(tzinfo=None) == shown)


def _end_of_gap(shown: datetime, zone: ZoneInfo) -> datetime:
    """The first moment at which the clock shows a time, or one that is later on the wall."""
    if moments := _moments(shown, zone):
        return moments[0]
    # In a gap the later reading lies before the jump, the earlier one behind it: halve between.
    low, high = sorted(shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        before = middle.astimezone(zone).replace(tzinfo=None) < shown
        low, high = (middle, high) if before else (low, middle)
    return high


def _checked_cron(text: str) -> str:
    cron = _NAMED.get(text.strip().lower(), " ".join(text.split()))
    hint = 'minute hour day month weekday, for example "30 6 * * MON-FRI"; or @daily, @monthly'
    if len(cron.split()) != 5 or len(cron) > _LONGEST:
        raise Invalid("A cron expression has five fields.", hint=hint)
    try:
        if next(iter(CronSim(cron, _START)), None) is None:
            raise Invalid("The cron expression names no day that ever comes.", hint=hint)
    except (CronSimError, ValueError, OverflowError, RecursionError) as error:
        # The library names the field, and never repeats what was in it.
        field = str(error).removeprefix("Bad ") if isinstance(error, CronSimError) else "a"
        raise Invalid(
            f"The cron expression cannot be read: its {field} field makes no sense.", hint=hint
        ) from error
    return cron


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = zoneinfo.available_timezones()
        ends = {zone.rpartition("/")[2].lower(): zone for zone in sorted(known)}
        wanted = name.replace(" ", "_").lower()
        close = ends.get(wanted) or next(
            iter(ends[end] for end in difflib.get_close_matches(wanted, ends, n=1)), ""
        )
        raise Invalid(
            "There is no such time zone.",
            hint=f"did you mean {close}?" if close else "for example Europe/Berlin, or UTC",
        ) from error
