"""The inbox of what waits for a person, and the page of one item."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from agent.desk import permission_for
from agent.driving import now
from agent.exhibits import other_findings
from agent.web.access import Who
from agent.web.library import library_of
from agent.web.pages import page, wording
from agent.web.pages.dossier import dossier_of
from agent.web.pages.highlighting import highlighted
from agent.web.serving import promptly, runner_of
from services.access import PERMISSIONS, ROLES, Identity
from services.analysis.failures import MASK
from services.errors import AssayError, Invalid
from services.review import TABS, Filters, Inbox, ReviewItem, Tab, obstacle, sort_into

router = APIRouter(prefix="/reviews", include_in_schema=False)

_MOST_OPEN: Final = 5_000
_MOST_DONE: Final = 300
_SHOWN: Final = 200
"""Rows of a tab that one page shows."""
_LONGEST: Final = 200
"""Characters of a filter."""
_FIELDS: Final = ("kind", "template", "severity", "run", "q")

_NOTHING_KEPT: Final = dict.fromkeys(("kind", "text", "of", "confirm", "to"), "")
_TOLD: Final = {
    "approve": "Your approval is recorded; the run goes on.",
    "voted": "Your approval is recorded. Somebody else gives the next one.",
    "edit": "Your text is taken; the run goes on with it.",
    "finding": "Your text is taken. It makes a new draft, which waits here once it is there.",
    "reject": "Your rejection is recorded.",
    "respond": "Your answer is recorded; the run goes on with it.",
    "claim": "You have it open now; others see that.",
    "release": "You have it open no more.",
    "assign": "It is assigned.",
    "unassign": "Nobody has it now.",
    "delegate": "It is delegated.",
}


@router.get("")
async def inbox(request: Request, who: Who) -> Response:
    """The tabs with their counts, and the rows of one; filters stand in the address."""
    given = {name: request.query_params.get(name, "")[:_LONGEST] for name in _FIELDS}
    tab = request.query_params.get("tab", "")
    return await _inbox(request, who, tab, given)


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


async def _inbox(request: Request, who: Identity, tab: str, given: dict[str, str]) -> Response:
    who.require("read")
    filters = _filters(given)
    inbox_of = await _sorted(request, who, filters)
    counts = inbox_of.counts()
    chosen = _tab(tab, counts)
    runner, at = runner_of(request), now()
    single = await runner.stores.is_single_user()
    kept = {name: value for name, value in given.items() if value}
    items = inbox_of.tabs[chosen]
    return await page(
        request,
        who,
        "reviews.html.j2",
        items=items[:_SHOWN],
        more=max(len(items) - _SHOWN, 0),
        tabs=[(name, title, counts[name], _link(name, kept)) for name, title in TABS.items()],
        tab=chosen,
        given=given,
        filtered=bool(kept),
        link=f"/reviews?tab={chosen}",
        needed={i.id: runner.stores.reviews.needed(i, single_user=single) for i in items[:_SHOWN]},
        at=at,
        words=wording,
    )


async def _sorted(request: Request, who: Identity, filters: Filters) -> Inbox:
    reviews = runner_of(request).stores.reviews
    async with promptly():
        waiting = await reviews.list("open", limit=_MOST_OPEN, tenant=who.tenant)
        done = await reviews.list("decided", limit=_MOST_DONE, tenant=who.tenant)
    return sort_into((*waiting, *done), filters, person=who.name, roles=tuple(who.roles), at=now())


def _filters(given: Mapping[str, str]) -> Filters:
    try:
        return Filters.model_validate(
            {name: value.strip() for name, value in given.items() if value.strip()}
        )
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise Invalid(
            f"The filter {name!r} has no such value.", hint="Choose one of the list."
        ) from error


def _tab(name: str, counts: Mapping[Tab, int]) -> Tab:
    """The tab that was asked for, or the first with something in it."""
    for tab in TABS:
        if tab == name:
            return tab
    if name:
        raise Invalid("There is no such tab.", hint=f"Tabs are {', '.join(TABS)}.")
    return next((tab for tab in TABS if tab != "done" and counts[tab]), "mine")


def _link(tab: Tab, kept: Mapping[str, str]) -> str:
    return "/reviews?" + urlencode({"tab": tab, **kept})
