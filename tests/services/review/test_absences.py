"""Whose reviews go to whom while they are away."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis

from services.errors import InputConflict, Invalid, NotFound
from services.review import Absence, Absences, stand_ins
from tests.services.review.items import NOON


def away(person: str, to: str, first: int = 1, last: int = 10, **fields: Any) -> Absence:
    """An absence within October."""
    days = {"first": date(2026, 10, first), "last": date(2026, 10, last)}
    return Absence(person=person, to=to, set_by="Olga", set_at=NOON, **days, **fields)


def test_days_are_whole_days_of_a_zone() -> None:
    """The last day counts to its end; no absence ends before it begins, or lasts for years."""
    one = away("Ada", "Bob", 2, 3, zone="America/New_York")

    assert [False, True, True, False] == [
        one.holds(datetime(2026, 10, day, hour, tzinfo=UTC))
        for day, hour in ((2, 3), (2, 4), (4, 3), (4, 4))
    ]
    with pytest.raises(ValidationError):
        away("Ada", "Bob", 5, 4)


def test_who_stands_in_for_who_stands_in() -> None:
    """A few of them are followed, of the same tenant, that are away at that time."""
    chain = [away(f"p{n}", f"p{n + 1}") for n in range(6)]
    later = [away("Ada", "Bob"), away("Bob", "Eve", 11, 12)]
    other = [away("Ada", "Bob", tenant="north")]
    circle = [away("Ada", "Bob"), away("Bob", "Ada")]

    def of(person: str, known: list[Absence]) -> tuple[str, ...]:
        return stand_ins(person, known, tenant="", at=NOON)

    assert ("p1", "p2", "p3") == of("p0", chain)
    assert ("Bob",) == of("Ada", later)
    assert () == of("Ada", other)
    assert 2 >= len(of("Ada", circle))


async def test_a_circle_is_refused(redis: Redis) -> None:
    """Only where all of it would hold at one time; what was set in its place counts no more."""
    absences = Absences(redis)
    for one in (away("Ada", "Bob"), away("Bob", "Eve", 5, 20), away("Zoe", "Ada", tenant="north")):
        await absences.set(one)
    with pytest.raises(InputConflict, match="Eve to Ada to Bob to Eve"):
        await absences.set(away("Eve", "Ada", 8, 9))
    with pytest.raises(Invalid, match="themselves"):
        await absences.set(away("Eve", "Eve"))
    apart = await absences.set(away("Eve", "Ada", 1, 4))
    await absences.set(away("Ada", "Zoe"))
    await absences.set(away("Eve", "Ada", 8, 9))

    assert "Ada" == apart.to
    assert ["Ada", "Bob", "Eve"] == sorted(one.person for one in await absences.list(tenant=""))


async def test_an_absence_that_was_replaced_is_not_touched(redis: Redis) -> None:
    """Whoever begins or ends one that they read before changes nothing of its successor."""
    absences = Absences(redis)
    old = await absences.set(away("Ada", "Bob"))
    new = await absences.set(away("Ada", "Eve"))
    await absences.note(old, has_begun=True)
    await absences.remove(old)
    kept = await absences.get("Ada", tenant="")
    await absences.remove(await absences.note(new, is_over=True))

    assert new == kept
    with pytest.raises(NotFound, match="Ada is not away"):
        await absences.get("Ada", tenant="")
