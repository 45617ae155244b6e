"""Schedules: reports that come again by the clock."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from agent.driving import now
from agent.scheduling import NewSchedule, Scheduler
from agent.web.access import needs
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.schedules import Schedule, ScheduleBook

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])
Operator = Annotated[Identity, Depends(needs("administer"))]
_NEXT = 5


@router.get("")
async def list_schedules(request: Request, who: Operator) -> list[dict[str, Any]]:
    """All schedules of your tenant, by name."""
    async with promptly():
        found = await _book(request).list(tenant=who.tenant or "")
    return [_shown(schedule) for schedule in found]


@router.post("", status_code=201)
async def add(
    request: Request, body: NewSchedule, response: Response, who: Operator
) -> dict[str, Any]:
    """Have a report made again and again."""
    made = body.made(at=now(), by=who.name, tenant=who.tenant or "")
    async with promptly():
        stored = await _scheduler(request, who).add(made)
    response.headers["Location"] = f"/v1/schedules/{stored.name}"
    return _shown(stored)


@router.get("/{name}")
async def show(request: Request, name: str, who: Operator) -> dict[str, Any]:
    """One schedule, with its next ticks."""
    async with promptly():
        schedule = await _book(request).get(name, tenant=who.tenant or "")
    ticks = islice(schedule.timing.ticks(now()), _NEXT)
    return _shown(schedule) | {"next_ticks": [tick.isoformat() for tick in ticks]}


@router.post("/{name}/pause")
async def pause_schedule(request: Request, name: str, who: Operator) -> dict[str, Any]:
    """Start nothing until it is resumed."""
    async with promptly():
        return _shown(await _scheduler(request, who).pause(name, tenant=who.tenant or ""))


@router.post("/{name}/resume")
async def resume_schedule(request: Request, name: str, who: Operator) -> dict[str, Any]:
    """Go on with the next tick; what was missed while it was paused stays missed."""
    async with promptly():
        return _shown(
            await _scheduler(request, who).resume(name, at=now(), tenant=who.tenant or "")
        )


@router.delete("/{name}", status_code=204)
async def remove(request: Request, name: str, who: Operator) -> None:
    """Remove it, and leave the runs that it started."""
    async with promptly():
        await _scheduler(request, who).remove(name, tenant=who.tenant or "")


def _scheduler(request: Request, who: Identity) -> Scheduler:
    return Scheduler(runner_of(request).stores, by=who.name)


def _book(request: Request) -> ScheduleBook:
    return runner_of(request).stores.schedules


def _shown(schedule: Schedule) -> dict[str, Any]:
    return schedule.model_dump(mode="json", exclude={"try_at"})
