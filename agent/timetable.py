"""
The ticks of schedules become runs, whichever worker looks first.

A run's id follows from its schedule and its tick, and a schedule is settled after its runs are
accepted: two workers at once, or one that dies in between, give one run a tick.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from agent.driving import now
from agent.intake import prepare
from agent.request import Accepted, Request
from agent.runner import Runner
from services.errors import AssayError, InputConflict, NotFound, Retryable, StoreUnavailable
from services.failpoints import failpoint
from services.schedules import Plan, Schedule, plan
from services.store import Failure, RunRecord

_PUT_OFF: Final = timedelta(seconds=30)
"""How long a tick waits that could not be accepted now: the queue is full, the warehouse is busy."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """A chore of a worker: starts what is due, and is called again and again."""

    runner: Runner
    told: Callable[[str], None]
    """Takes a line for whoever looks after the worker."""
    clock: Callable[[], datetime] = now

    async def __call__(self) -> None:
        """Start the runs that are due. One schedule's trouble never stops another."""
        for schedule in await self.runner.stores.schedules.due(self.clock()):
            await self._see_to(schedule)

    @failpoint("timetable.see_to")
    async def _see_to(self, schedule: Schedule) -> None:
        at = self.clock()
        due = plan(
            schedule.timing,
            schedule.next_at,
            at,
            schedule.catch_up,
            limit=schedule.catch_up_limit,
        )
        try:
            await self._start(schedule, due.ticks)
        except StoreUnavailable:
            raise
        except Retryable as error:
            settled = _put_off(schedule, error, at)
        except AssayError as error:
            settled = _passed(schedule, due, _failure(error))
        except Exception as error:  # noqa: BLE001 (one schedule's defect never stops the others)
            settled = _passed(
                schedule,
                due,
                Failure(code="A000", message=f"Unexpected error ({type(error).__name__})"),
            )
        else:
            settled = _started(schedule, due)
        if await self.runner.stores.schedules.settle(schedule, settled):
            self._tell(schedule, settled, due)

    async def _start(self, schedule: Schedule, ticks: tuple[datetime, ...]) -> None:
        """A run for each tick; the request is prepared once for all that have none yet."""
        prepared: Accepted | None = None
        for tick in ticks:
            run_id = schedule.run_id(tick)
            known = await self._known(run_id, schedule.tenant)
            if known is not None and known.id != run_id:
                continue  # an earlier version accepted it, under the name that it gave
            accepted = None if known is None else _asked(known)
            if accepted is None:
                prepared = prepared or await self._prepared(schedule, run_id)
                accepted = _renamed(prepared, run_id)
            try:
                await self.runner.accept(
                    run_id,
                    accepted,
                    left=True,
                    tenant=schedule.tenant,
                    priority=schedule.priority,
                )
            except InputConflict:
                # Another worker has just accepted it, on data that are newer or older than ours.
                await self.runner.stores.runs.get(run_id)

    async def _known(self, run_id: str, tenant: str) -> RunRecord | None:
        """The run that somebody has accepted; accepting it again ends what they began."""
        try:
            return await self.runner.stores.runs.get(run_id, tenant=tenant)
        except NotFound:
            return None

    async def _prepared(self, schedule: Schedule, run_id: str) -> Accepted:
        accepted = await asyncio.to_thread(
            prepare,
            self.runner.settings,
            run_id,
            question=schedule.question,
            template=schedule.template,
            formats=schedule.formats,
        )
        return accepted.asked_by(f"schedule:{schedule.name}", "schedule")

    def _tell(self, schedule: Schedule, settled: Schedule, due: Plan) -> None:
        if settled.last_error is not None:
            error = settled.last_error
            later = "put off" if settled.next_at == schedule.next_at else "not started"
            self.told(f"schedule {schedule.name}: {later}: {error.code} {error.message}")
            return
        for tick in due.ticks:
            self.told(f"schedule {schedule.name}: accepted {schedule.run_id(tick)}")
        if due.left_out:
            self.told(f"schedule {schedule.name}: {due.left_out} missed ticks left out")


def _asked(record: RunRecord) -> Accepted:
    return Accepted(Request.model_validate(record.request), record.snapshot, record.title)


def _renamed(accepted: Accepted, run_id: str) -> Accepted:
    """The same request under another run's name, and with that run's folder."""
    folder = Path(accepted.request.output).with_name(run_id)
    return replace(accepted, request=accepted.request.model_copy(update={"output": str(folder)}))


def _started(schedule: Schedule, due: Plan) -> Schedule:
    newest = due.ticks[-1] if due.ticks else None
    return _changed(
        schedule,
        next_at=due.next_at,
        try_at=due.next_at,
        left_out=schedule.left_out + due.left_out,
        last_at=newest or schedule.last_at,
        last_run=schedule.run_id(newest) if newest else schedule.last_run,
        last_error=None if newest else schedule.last_error,
    )


def _passed(schedule: Schedule, due: Plan, failure: Failure) -> Schedule:
    """It goes on with its next tick: what keeps this one from being accepted may be seen to by then."""
    return _changed(
        schedule,
        next_at=due.next_at,
        try_at=due.next_at,
        left_out=schedule.left_out + due.left_out + len(due.ticks),
        last_error=failure,
    )


def _put_off(schedule: Schedule, error: AssayError, at: datetime) -> Schedule:
    return _changed(schedule, try_at=at + _PUT_OFF, last_error=_failure(error))


def _failure(error: AssayError) -> Failure:
    return Failure(code=error.code, message=error.message, hint=error.hint)


def _changed(schedule: Schedule, **changes: object) -> Schedule:
    return Schedule.model_validate({**dict(schedule), **changes})
