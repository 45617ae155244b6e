"""Who is away, until when, and to whom their reviews go meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

from pydantic import model_validator
from redis.asyncio import Redis

from services.errors import InputConflict, Invalid, NotFound
from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import UtcTime, as_bytes, redis_errors

_ABSENCES: Final = "assay:review:absences"
_REVISION: Final = "revision"
"""Beside the absences: whoever sets one has looked at all the others as they are."""
_FURTHEST: Final = 3
"""Stand-ins of stand-ins that are followed."""
_LONGEST: Final = timedelta(days=366)

_SET: Final = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or '0') ~= ARGV[2] then
  return redis.call('HGET', KEYS[1], ARGV[3]) == ARGV[4] and 1 or 0
end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
return 1
"""

_CHANGE: Final = """
local current = redis.call('HGET', KEYS[1], ARGV[1])
if current ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1])
else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return 1
"""


class Absence(Frozen):
    """A person is away from the first day to the last, and somebody stands in for them."""

    person: str
    to: str
    tenant: str = ""
    first: date
    last: date
    zone: str = "UTC"
    """Whose days these are."""
    set_by: str
    set_at: UtcTime
    has_begun: bool = False
    """Whether what was open at its beginning has been passed on."""
    is_over: bool = False
    """Whether it ends before its last day: what was passed on is being given back."""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        is_last = self.last == date.max  # no day comes after it
        if is_last or not timedelta() <= self.last - self.first <= _LONGEST:
            raise ValueError("an absence ends after it begins, within a year")
        return self

    @property
    def begins_at(self) -> datetime:
        return datetime.combine(self.first, time(), ZoneInfo(self.zone))

    @property
    def ends_at(self) -> datetime:
        return datetime.combine(self.last + timedelta(days=1), time(), ZoneInfo(self.zone))

    def holds(self, at: datetime) -> bool:
        return not self.is_over and self.begins_at <= at < self.ends_at


class Absences:
    """One absence a person, of now or to come; a new one takes the place of the old."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("absences.set")
    async def set(self, absence: Absence) -> Absence:
        """
        Keep *absence*; raises `InputConflict` when reviews would go round in a circle.

        Of two that are set at once, the later one is checked against the earlier.
        """
        if absence.to == absence.person:
            raise Invalid("Nobody stands in for themselves.", hint="Name somebody else.")
        script = self._redis.register_script(_SET)
        field, new = _field(absence.tenant, absence.person), absence.model_dump_json()
        while True:
            with redis_errors():
                revision = await self._redis.hget(_ABSENCES, _REVISION) or b"0"
            _check_circle(absence, await self.list(tenant=absence.tenant))
            with redis_errors():
                if await script(keys=[_ABSENCES], args=[_REVISION, revision, field, new]):
                    return absence

    async def list(self, *, tenant: str | None = None) -> tuple[Absence, ...]:
        """Those of one *tenant*, or of all; the first to begin comes first."""
        with redis_errors():
            found = await self._redis.hgetall(_ABSENCES)
        absences = [
            Absence.model_validate_json(one)
            for name, one in found.items()
            if as_bytes(name) != _REVISION.encode()
        ]
        mine = [one for one in absences if tenant in (None, one.tenant)]
        return tuple(sorted(mine, key=lambda one: (one.first, one.person)))

    async def find(self, person: str, *, tenant: str) -> Absence | None:
        """The absence of a person, or None."""
        with redis_errors():
            found = await self._redis.hget(_ABSENCES, _field(tenant, person))
        return None if found is None else Absence.model_validate_json(found)

    async def get(self, person: str, *, tenant: str) -> Absence:
        """The same; raises `NotFound`."""
        found = await self.find(person, tenant=tenant)
        if found is None:
            raise NotFound(
                f"{person} is not away, and is not to be.", hint="See `assay review absences`."
            )
        return found

    @failpoint("absences.note")
    async def note(
        self, absence: Absence, *, has_begun: bool = False, is_over: bool = False
    ) -> Absence:
        """*absence* with what has become of it, unless another took its place meanwhile."""
        changes = {"has_begun": has_begun or absence.has_begun, "is_over": is_over}
        noted = absence.model_copy(update=changes)
        await self._change(absence, noted.model_dump_json())
        return noted

    @failpoint("absences.remove")
    async def remove(self, absence: Absence) -> None:
        """Forget *absence*, unless another took its place."""
        await self._change(absence, "")

    async def _change(self, absence: Absence, new: str) -> None:
        script = self._redis.register_script(_CHANGE)
        args = [_field(absence.tenant, absence.person), absence.model_dump_json(), new]
        with redis_errors():
            await script(keys=[_ABSENCES], args=args)


def stand_ins(
    person: str, absences: Iterable[Absence], *, tenant: str, at: datetime
) -> tuple[str, ...]:
    """Who stands in for *person* at that time, and who for them if they are away too."""
    away = {one.person: one.to for one in absences if one.tenant == tenant and one.holds(at)}
    found: list[str] = []
    while (person := away.get(person, "")) and len(found) < _FURTHEST and person not in found:
        found.append(person)
    return tuple(found)


def _check_circle(absence: Absence, others: Iterable[Absence]) -> None:
    """Raise `InputConflict` if at any moment of *absence* its reviews would come back to it."""
    away = {one.person: one for one in others if not one.is_over}
    begins, ends = absence.begins_at, absence.ends_at
    way = [absence.person, absence.to]
    while (following := away.get(way[-1])) is not None:
        begins, ends = max(begins, following.begins_at), min(ends, following.ends_at)
        if begins >= ends:
            return
        way.append(following.to)
        if following.to == absence.person:
            raise InputConflict(
                f"Reviews would go round in a circle: {' to '.join(way)}.",
                hint=f"{following.person} is away until {following.last} too; name somebody who is there.",
            )
        if following.to in way[:-1]:
            return


def _field(tenant: str, person: str) -> str:
    return f"{tenant}\0{person}"
