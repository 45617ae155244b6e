"""Editing the texts of a draft: the list of them, and one text with its placeholders."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request, Response

from agent.driving import now
from agent.people import permission_for
from agent.texts import texts_of
from agent.web.access import Who
from agent.web.pages import page, wording
from agent.web.pages.reviews import other_holder, visible_item
from agent.web.serving import promptly, runner_of
from services.access import PERMISSIONS, ROLES, Identity
from services.analysis.editing import LONGEST
from services.errors import AssayError
from services.review import ReviewItem

router = APIRouter(prefix="/reviews", include_in_schema=False)


@router.get("/{item_id}/edit")
async def edit(request: Request, who: Who, item_id: str, finding: str = "") -> Response:
    """Every text of the draft, or one of them to be edited."""
    return await text_page(request, who, await visible_item(request, who, item_id), finding)


async def text_page(
    request: Request,
    who: Identity,
    item: ReviewItem,
    finding: str,
    *,
    problem: AssayError | None = None,
    status: int = 200,
    kept: str = "",
) -> Response:
    """The page of a text; after a form that failed, with why, and with what the person wrote."""
    runner, at = runner_of(request), now()
    async with promptly():
        texts = await texts_of(runner.stores, runner.graph, item)
    permission = permission_for(item)
    return await page(
        request,
        who,
        "review_text.html.j2",
        status=status,
        item=item,
        texts=texts,
        text=next((text for text in texts if text.finding == finding), None),
        finding=finding,
        may=who.may(permission),
        able=[role for role in ROLES if permission in PERMISSIONS[role]],
        held_by=other_holder(item, who, at=at),
        problem=problem,
        against=getattr(problem, "problems", ()),
        since=getattr(problem, "since", ()),
        kept=kept,
        longest=LONGEST,
        key=secrets.token_urlsafe(12),
        at=at,
        words=wording,
    )
