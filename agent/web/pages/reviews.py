"""The inbox of what waits for a person, and the page of one item."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from agent.driving import now
from agent.exhibits import other_findings
from agent.people import permission_for
from agent.web.access import Who
from agent.web.library import library_of
from agent.web.pages import page, wording
from agent.web.pages.dossier import dossier_of
from agent.web.pages.highlighting import highlighted
from agent.web.pages.inbox import SHOWN, Wanted, read_inbox, rows_of
from agent.web.serving import promptly, runner_of
from services.access import PERMISSIONS, ROLES, Identity
from services.analysis.failures import MASK
from services.errors import AssayError
from services.review import TABS, Absence, ReviewItem, obstacle

router = APIRouter(prefix="/reviews", include_in_schema=False)

_NOTHING_KEPT: Final = dict.fromkeys(("kind", "text", "of", "confirm", "to"), "")
_TOLD: Final = {
    "approve": "Your approval is recorded; the run goes on.",
    "voted": "Your approval is recorded. Somebody else gives the next one.",
    "edit": "Your text is taken; the run goes on with it.",
    "finding": "Your text is taken. It makes a new draft, which waits here once it is there.",
    "reject": "Your rejection is recorded.",
    "respond": "Your answer is recorded; the run goes on with it.",
    "acknowledged": "Acknowledged; what is done about it is in the record.",
    "disputed": "Disputed; your reason is in the record.",
    "remark": "Your remark is recorded. The item stays open.",
    "claim": "You have it open now; others see that.",
    "release": "You have it open no more.",
    "assign": "It is assigned.",
    "unassign": "Nobody has it now.",
    "delegate": "It is delegated.",
}


@router.get("")
async def inbox(request: Request, who: Who) -> Response:
    """The tabs with their counts, and the rows of one; filters stand in the address."""
    who.require("read")
    wanted = Wanted.of(request)
    inbox_of = await read_inbox(request, who, wanted)
    counts = inbox_of.counts()
    chosen = wanted.chosen(counts)
    items = inbox_of.tabs[chosen]
    runner = runner_of(request)
    single = await runner.stores.is_single_user()
    return await page(
        request,
        who,
        "reviews.html.j2",
        items=items[:SHOWN],
        rows=await rows_of(request, items[:SHOWN]),
        absence=await _absence(request, who),
        more=max(len(items) - SHOWN, 0),
        tabs=[(name, title, counts[name], wanted.link(name)) for name, title in TABS.items()],
        tab=chosen,
        given=wanted.given,
        filtered=bool(wanted.kept),
        link=f"/reviews?tab={chosen}",
        here=wanted.link(chosen),
        events=wanted.link(chosen, "/reviews/events"),
        needed={i.id: runner.stores.reviews.needed(i, single_user=single) for i in items[:SHOWN]},
        words=wording,
    )


@router.get("/{item_id}")
async def item(request: Request, who: Who, item_id: str, told: str = "") -> Response:
    """One item: the evidence, and the decision beside it."""
    found = await visible_item(request, who, item_id)
    return await item_page(request, who, found, told=_TOLD.get(told, ""))


async def visible_item(request: Request, who: Identity, item_id: str) -> ReviewItem:
    """An item of their tenant; raises `NotFound`, in the same words, for another's and for none."""
    who.require("read")
    async with promptly():
        return await runner_of(request).stores.reviews.get(item_id, tenant=who.tenant)


async def item_page(
    request: Request,
    who: Identity,
    found: ReviewItem,
    *,
    status: int = 200,
    told: str = "",
    problem: AssayError | None = None,
    kept: Mapping[str, str] | None = None,
) -> Response:
    """The page of an item; after a form that failed, with why, and with what the person wrote."""
    runner, at = runner_of(request), now()
    single = await runner.stores.is_single_user()
    needed = runner.stores.reviews.needed(found, single_user=single)
    permission = permission_for(found)
    may = who.may(permission)
    return await page(
        request,
        who,
        "review.html.j2",
        status=status,
        item=found,
        dossier=await dossier_of(library_of(request), found),
        needed=needed,
        may=may,
        able=[role for role in ROLES if permission in PERMISSIONS[role]],
        cannot_approve=obstacle(found, who.name, at, needed=needed) if may else "",
        held_by=other_holder(found, who, at=at),
        single=single,
        told=told,
        problem=problem,
        since=getattr(problem, "since", ()),
        kept=_NOTHING_KEPT | dict(kept or {}),
        key=secrets.token_urlsafe(12),
        at=at,
        words=wording,
        sql=highlighted,
        mask=MASK,
        others=other_findings(found),
    )


def other_holder(found: ReviewItem, who: Identity, *, at: Any) -> str:
    """Who else has the item open; empty when nobody has, or they themselves."""
    name = found.claimed_by(at)
    return "" if name is None or name == who.name else name


async def _absence(request: Request, who: Identity) -> Absence | None:
    """The absence of whoever looks, if it has begun: others have what would be theirs."""
    async with promptly():
        found = await runner_of(request).stores.absences.find(who.name, tenant=who.tenant or "")
    return found if found is not None and found.holds(now()) else None
