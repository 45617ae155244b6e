"""What becomes of ticks that came while no worker was there."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Final, Literal, TypeAlias

from services.evidence import Frozen

from ._timing import Timing

CatchUp: TypeAlias = Literal["none", "last", "all"]
"""
`none`: a missed tick is left out. `last`: the newest is made up for, for the others it stands.
`all`: each is, oldest first, but no more than a limit; older ones are left out.
"""

ON_TIME: Final = timedelta(minutes=5)
"""A tick that is started no later than this was not missed."""
_COUNTED: Final = 1_000
"""Ticks that are left out are counted up to here: nobody waits while years of minutes are."""


class Plan(Frozen):
    """What is due of a schedule now, and when it is due again."""

    ticks: tuple[datetime, ...]
    """To start now, oldest first."""
    left_out: int
    next_at: datetime


def plan(
    timing: Timing, next_at: datetime, now: datetime, catch_up: CatchUp, *, limit: int
) -> Plan:
    """What is due at *now* of a schedule whose next tick was *next_at*."""
    if next_at > now:
        return Plan(ticks=(), left_out=0, next_at=next_at)
    before = next_at - timedelta(seconds=1)
    kept = limit if catch_up == "all" else 1
    # One worker sees the same ticks as another, so what is due never depends on who looks.
    ticks = timing.newest(before, now, kept)
    if catch_up == "none":
        ticks = tuple(tick for tick in ticks if now - tick <= ON_TIME)
    due = sum(1 for _ in islice(timing.between(before, now), _COUNTED))
    return Plan(ticks=ticks, left_out=max(due - len(ticks), 0), next_at=timing.next_after(now))
