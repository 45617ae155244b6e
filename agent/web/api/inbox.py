"""Review items in the shapes of LangGraph's review tools, and answers in those shapes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from agent.compat.inbox import decision_of, hitl_request, human_interrupt
from agent.compat.shapes import HITLRequest, HumanInterrupt, InboxAnswer, Shape
from agent.web.access import Who, needs
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.evidence import Frozen
from services.review import Decision, ReviewItem
from services.store import UtcTime

router = APIRouter(prefix="/v1/inbox", tags=["inbox"])
Reader = Annotated[Identity, Depends(needs("read"))]
_COUNTED = 10_000


class Waiting(Frozen):
    """An open item: which one it is, and the question in the shape that was asked for."""

    id: str
    run_id: str
    created_at: UtcTime
    value: HumanInterrupt | HITLRequest


class Inbox(Frozen):
    """The oldest open items; `total` counts those that are not shown too."""

    shape: Shape
    items: tuple[Waiting, ...]
    total: int


class Answered(Frozen):
    """The item after the answer."""

    id: str
    run_id: str
    status: str
    decision: Decision | None
    decided_by: str | None


@router.get("")
async def inbox(
    request: Request,
    who: Reader,
    shape: Shape = "agent-inbox",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Inbox:
    """What waits for a person, oldest first, in the shape of Agent Inbox or of the middleware."""
    async with promptly():
        reviews = runner_of(request).stores.reviews
        items = await reviews.list("open", limit=_COUNTED, tenant=who.tenant)
    shown = tuple(_waiting(item, shape) for item in items[:limit])
    return Inbox(shape=shape, items=shown, total=len(items))


@router.post("/{item_id}")
async def decide(request: Request, item_id: str, answer: InboxAnswer, who: Who) -> Answered:
    """Answer an item, in either shape; a publication takes the permission to publish."""
    runner = runner_of(request)
    async with promptly():
        item = await runner.stores.reviews.get(item_id, tenant=who.tenant)
        who.require("publish" if item.kind == "publication" else "answer")
        decided = await runner.decide(item.id, decision_of(item, answer), by=who.name)
    same = {name: getattr(decided, name) for name in Answered.model_fields}
    return Answered(**same)


def _waiting(item: ReviewItem, shape: Shape) -> Waiting:
    value = human_interrupt(item) if shape == "agent-inbox" else hitl_request(item)
    return Waiting(id=item.id, run_id=item.run_id, created_at=item.created_at, value=value)
