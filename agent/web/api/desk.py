"""Who has a review item: claim it, release it, give it to somebody, hand it on."""

from __future__ import annotations

from fastapi import APIRouter, Request

from agent.desk import Desk
from agent.web.api.models import Assignment, ClaimWish, Delegation
from agent.web.api.reviews import ItemId, Reviewer, visible_item
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.review import ReviewItem

router = APIRouter(prefix="/v1/reviews", tags=["reviews"])


@router.post("/{item_id}/claim", operation_id="claimReview")
async def claim(
    request: Request, item_id: ItemId, who: Reviewer, body: ClaimWish | None = None
) -> ReviewItem:
    """Have the item open for a while: until then nobody else decides it."""
    desk = await _desk(request, item_id, who)
    async with promptly():
        return await desk.claim(item_id, take=body is not None and body.take)


@router.post("/{item_id}/release", operation_id="releaseReview")
async def release(request: Request, item_id: ItemId, who: Reviewer) -> ReviewItem:
    """Have the item open no more."""
    desk = await _desk(request, item_id, who)
    async with promptly():
        return await desk.release(item_id)


@router.post("/{item_id}/assign", operation_id="assignReview")
async def assign(request: Request, item_id: ItemId, who: Reviewer, body: Assignment) -> ReviewItem:
    """Give the item to a person, or to nobody."""
    desk = await _desk(request, item_id, who)
    async with promptly():
        return await desk.assign(item_id, body.to, version=body.version)


@router.post("/{item_id}/delegate", operation_id="delegateReview")
async def delegate(
    request: Request, item_id: ItemId, who: Reviewer, body: Delegation
) -> ReviewItem:
    """Hand the item on; only who has it does."""
    desk = await _desk(request, item_id, who)
    async with promptly():
        return await desk.delegate(item_id, body.to, version=body.version)


async def _desk(request: Request, item_id: str, who: Identity) -> Desk:
    await visible_item(request, who, item_id)
    return Desk(runner_of(request).stores, who.name)
