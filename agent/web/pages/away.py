"""Who is away and who stands in: the page, and its forms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from agent.driving import now
from agent.web.access import Who, checked_form
from agent.web.api.absences import rota_for
from agent.web.pages import page
from agent.web.problems import status_of
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.errors import AssayError, Invalid, NotPermitted, StoreUnavailable

router = APIRouter(prefix="/reviews/away", include_in_schema=False)

_FIELDS: Final = ("person", "first", "last", "to")
_LONGEST: Final = 200
_TOLD: Final = {"set": "It is set.", "ended": "The absence is ended."}


@router.get("")
async def show(request: Request, who: Who, told: str = "") -> Response:
    """Everybody's absences, and the form for one's own."""
    return await _page(request, who, told=_TOLD.get(told, ""))


@router.post("", dependencies=[Depends(checked_form)])
async def set_absence(request: Request, who: Who) -> Response:
    """Set an absence, or show the page again with what stands against it."""
    given = await _given(request, who)
    try:
        rota, tenant = await rota_for(request, who, given["person"])
        first, last = _day(given["first"]), _day(given["last"])
        async with promptly():
            await rota.set(given["person"], given["to"], first, last, by=who.name, tenant=tenant)
    except (NotPermitted, StoreUnavailable):
        raise
    except AssayError as error:
        return await _page(request, who, given=given, problem=error)
    return RedirectResponse("/reviews/away?told=set", status_code=303)


@router.post("/end", dependencies=[Depends(checked_form)])
async def end_absence(request: Request, who: Who) -> Response:
    """End one: what nobody has begun with goes back."""
    given = await _given(request, who)
    rota, tenant = await rota_for(request, who, given["person"])
    async with promptly():
        await rota.end(given["person"], by=who.name, tenant=tenant)
    return RedirectResponse("/reviews/away?told=ended", status_code=303)


async def _page(
    request: Request,
    who: Identity,
    *,
    told: str = "",
    given: Mapping[str, str] | None = None,
    problem: AssayError | None = None,
) -> Response:
    who.require("read")
    stores = runner_of(request).stores
    async with promptly():
        absences = await stores.absences.list(tenant=who.tenant)
    asked = who.name if who.may("answer") else ""
    return await page(
        request,
        who,
        "away.html.j2",
        status=status_of(problem) if problem else 200,
        absences=absences,
        at=now(),
        told=told,
        problem=problem,
        given=given or dict.fromkeys(_FIELDS, "") | {"person": asked},
        zone=stores.reviews.policy.hours.zone,
    )


async def _given(request: Request, who: Identity) -> dict[str, str]:
    form = await request.form()
    given = {name: str(form.get(name, "")).strip()[:_LONGEST] for name in _FIELDS}
    return given | {"person": given["person"] or who.name}


def _day(said: str) -> date:
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise Invalid("This is no day.", hint="Give it as year-month-day.") from None
