"""Reviews: what waits for a person, and the answers."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from agent.exhibits import ReviewDetail, detail_of
from agent.texts import texts_of
from agent.web import cursors
from agent.web.access import needs
from agent.web.api.models import Approval, EditedText, Rejection, ReviewList, Text, Texts
from agent.web.cursors import Cursor, Limit
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.review import (
    Decision,
    ItemFilter,
    ItemKind,
    ItemListing,
    ItemPlace,
    ItemStatus,
    ReviewItem,
    parse_decision,
)

router = APIRouter(prefix="/v1/reviews", tags=["reviews"])
Reader = Annotated[Identity, Depends(needs("read"))]
Reviewer = Annotated[Identity, Depends(needs("answer"))]
ItemId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,80}$", examples=["rv-0123456789"])]
DecisionKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=100,
        pattern=r"^[!-~]*$",
        description="The same decision sent again under the same key counts once.",
    ),
]


@router.get("", operation_id="listReviews")
async def list_reviews(  # noqa: PLR0913, PLR0917 (a parameter of the query each)
    request: Request,
    response: Response,
    who: Reader,
    status: ItemStatus | Literal["all"] = "open",
    kind: ItemKind | None = None,
    run: Annotated[str, Query(max_length=100)] = "",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> ReviewList:
    """
    What waits for a person, oldest first; with another status, or all, the newest first.

    A page may be short, or empty, and still have a next.
    """
    wanted = ItemFilter(
        status=None if status == "all" else status, kind=kind, run=run, tenant=who.tenant
    )
    after = cursors.read(cursor, ItemPlace)
    async with promptly():
        listing = ItemListing(runner_of(request).stores.redis)
        page = await listing.page(wanted, limit=limit, after=after)
    following = cursors.write(page.next)
    cursors.link_next(request, response, following)
    return ReviewList(items=page.items, next=following)


@router.get("/{item_id}", operation_id="showReview")
async def show(request: Request, item_id: ItemId, who: Reader) -> ReviewDetail:
    """One item with everything a decision needs, the first rows of its evidence among it."""
    item = await visible_item(request, who, item_id)
    async with promptly():
        return await detail_of(runner_of(request).stores, item)


@router.get("/{item_id}/texts", operation_id="listReviewTexts")
async def texts(request: Request, item_id: ItemId, who: Reader) -> Texts:
    """What may be edited of the draft that an item is about; nothing for other items."""
    item = await visible_item(request, who, item_id)
    runner = runner_of(request)
    async with promptly():
        return Texts(texts=await texts_of(runner.stores, runner.graph, item))


@router.post("/{item_id}/approve", operation_id="approveReview")
async def approve(
    request: Request,
    item_id: ItemId,
    who: Reviewer,
    body: Approval | None = None,
    key: DecisionKey = "",
) -> ReviewItem:
    """
    Approve: publish the report, or try the failed step again.

    A breach is acknowledged by it; the note has to say what is done.
    """
    given = body or Approval()
    decision = parse_decision({"kind": "approve", "note": given.note})
    return await _decide(
        request,
        who,
        item_id,
        decision,
        digest=given.report_digest,
        version=given.version,
        key=key,
    )


@router.post("/{item_id}/edit", operation_id="editReview")
async def edit(
    request: Request,
    item_id: ItemId,
    who: Reviewer,
    body: EditedText,
    key: DecisionKey = "",
) -> ReviewItem:
    """Go on with another input than the one that failed, or with another text of a draft's finding."""
    said = body.model_dump(include={"text", "of", "finding"})
    decision = parse_decision({"kind": "edit", **said})
    return await _decide(request, who, item_id, decision, version=body.version, key=key)


@router.post("/{item_id}/reject", operation_id="rejectReview")
async def reject(
    request: Request,
    item_id: ItemId,
    who: Reviewer,
    body: Rejection,
    key: DecisionKey = "",
) -> ReviewItem:
    """Reject: do not publish, or leave the failed section out; a breach is disputed by it."""
    decision = parse_decision({"kind": "reject", "reason": body.reason})
    return await _decide(request, who, item_id, decision, version=body.version, key=key)


@router.post("/{item_id}/respond", operation_id="respondToReview")
async def respond(
    request: Request,
    item_id: ItemId,
    who: Reviewer,
    body: Text,
    key: DecisionKey = "",
) -> ReviewItem:
    """Answer a clarification; the run goes on with it. To a breach it adds a remark."""
    decision = parse_decision({"kind": "respond", "text": body.text})
    return await _decide(request, who, item_id, decision, version=body.version, key=key)


async def visible_item(request: Request, who: Identity, item_id: str) -> ReviewItem:
    """An item of their tenant; raises `NotFound`, in the same words, for another's and for none."""
    async with promptly():
        return await runner_of(request).stores.reviews.get(item_id, tenant=who.tenant)


async def _decide(
    request: Request,
    who: Identity,
    item_id: str,
    decision: Decision,
    *,
    digest: str | None = None,
    version: int | None = None,
    key: str = "",
) -> ReviewItem:
    item = await visible_item(request, who, item_id)
    if item.kind == "publication":
        who.require("publish")
    # Not bounded: an edited query is put before the guard, on the run's own snapshot.
    return await runner_of(request).decide(
        item.id, decision, by=who.name, digest=digest, version=version, key=key
    )
