"""Absences: who is away, and who decides their reviews meanwhile."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from agent.absences import StandIns
from agent.driving import now
from agent.web.access import Who, needs
from agent.web.api.models import PersonName, example
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.evidence import Frozen
from services.review import Absence

router = APIRouter(prefix="/v1/absences", tags=["absences"])
Reader = Annotated[Identity, Depends(needs("read"))]
Person = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Leave(Frozen):
    """Who stands in, from the first day to the last; days of the review policy's zone."""

    model_config = example({"to": "Eve", "first": "2026-11-30", "last": "2026-12-03"})

    to: PersonName
    first: date
    last: date


@router.get("", operation_id="listAbsences")
async def list_absences(request: Request, who: Reader) -> list[Absence]:
    """Who is away, or will be; the first to begin comes first."""
    async with promptly():
        return list(await runner_of(request).stores.absences.list(tenant=who.tenant))


@router.put("/{person}", operation_id="setAbsence")
async def set_absence(request: Request, person: Person, body: Leave, who: Who) -> Absence:
    """
    Have a person's reviews go to somebody else: new ones, and those that nobody has begun with.

    Your own, or with the permission to administer, anybody's. What was set before ends.
    """
    rota, tenant = await rota_for(request, who, person)
    async with promptly():
        return await rota.set(person, body.to, body.first, body.last, by=who.name, tenant=tenant)


@router.delete("/{person}", operation_id="endAbsence")
async def end_absence(request: Request, person: Person, who: Who) -> Absence:
    """They are back: what nobody has begun with is theirs again."""
    rota, tenant = await rota_for(request, who, person)
    async with promptly():
        return await rota.end(person, by=who.name, tenant=tenant)


async def rota_for(request: Request, who: Identity, person: str) -> tuple[StandIns, str]:
    """The absences, and whose tenant *person* is of; raises `NotPermitted` for somebody else's."""
    who.require("answer" if person == who.name else "administer")
    rota = StandIns(runner_of(request).stores, now)
    async with promptly():
        tenant = who.tenant if who.tenant is not None else await rota.tenant_of(person)
    return rota, tenant
