"""What a worker does beside its runs: each chore finds what is due, and may find another at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeAlias

from agent.absences import StandIns
from agent.courier import courier_of
from agent.deadlines import Deadlines
from agent.driving import now
from agent.pulse import beating
from agent.runner import Runner
from agent.steering import see_to_all
from agent.timetable import Timetable

Chore: TypeAlias = Callable[[], Awaitable[None]]


@asynccontextmanager
async def chores_of(
    runner: Runner, told: Callable[[str], None]
) -> AsyncIterator[tuple[Chore, ...]]:
    """All the chores of a worker on the stores of *runner*; at the end it is said to be gone."""
    async with beating(runner) as pulse:
        yield (
            Timetable(runner, told),
            courier_of(runner),
            partial(see_to_all, runner),
            Deadlines(runner.stores).remind,
            StandIns(runner.stores, now).tend,
            pulse,
        )
