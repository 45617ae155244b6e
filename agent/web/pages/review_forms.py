"""What the forms of an item's page send: a decision, or who has the item."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field, ValidationError

from agent.desk import Desk
from agent.people import permission_for
from agent.web.access import Who, checked_form
from agent.web.pages.review_texts import text_page
from agent.web.pages.reviews import item_page, visible_item
from agent.web.problems import status_of
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.errors import AssayError, Invalid, NotFound, NotPermitted, StoreUnavailable
from services.evidence import Frozen
from services.review import Decision, ReviewItem, parse_decision

router = APIRouter(prefix="/reviews", include_in_schema=False, dependencies=[Depends(checked_form)])

_LONGEST: Final = 20_000
_NAMES: Final = {"reject": "reason"}
_TOLD_OF_BREACH: Final = {"approve": "acknowledged", "reject": "disputed", "respond": "remark"}


class _Sent(Frozen):
    """The fields of either form; those of the other are empty."""

    version: int
    key: Annotated[str, Field(max_length=100)] = ""
    kind: str = ""
    text: Annotated[str, Field(max_length=_LONGEST)] = ""
    of: str = "question"
    finding: Annotated[str, Field(max_length=300)] = ""
    digest: str = ""
    confirm: Annotated[str, Field(max_length=300)] = ""
    action: str = ""
    to: Annotated[str, Field(max_length=300)] = ""

    @property
    def edits_finding(self) -> bool:
        return (self.kind, self.of) == ("edit", "finding")

    @property
    def kept(self) -> dict[str, str]:
        """What the person wrote, for the form that they get back."""
        return self.model_dump(include={"kind", "text", "of", "confirm", "to"})


@router.post("/{item_id}/decision")
async def decide(request: Request, who: Who, item_id: str) -> Response:
    """Record the decision, or show the page again with what stands against it."""

    async def work(item: ReviewItem, sent: _Sent) -> str:
        who.require(permission_for(item))
        # Not bounded: an edited query is put before the guard, on the run's own snapshot.
        decided = await runner_of(request).decide(
            item.id,
            _decision(item, sent),
            by=who.name,
            digest=sent.digest or None,
            version=sent.version,
            key=sent.key,
        )
        if not decided.is_awaited and (decided.status == "decided" or sent.kind == "respond"):
            return _TOLD_OF_BREACH[sent.kind]
        if decided.status == "open":
            return "voted"
        return "finding" if sent.edits_finding else sent.kind

    return await _acted(request, who, item_id, work)


@router.post("/{item_id}/desk")
async def arrange(request: Request, who: Who, item_id: str) -> Response:
    """Claim, release, assign or delegate the item."""

    async def work(item: ReviewItem, sent: _Sent) -> str:
        who.require("answer")
        desk = Desk(runner_of(request).stores, who.name)
        async with promptly():
            await _arranged(desk, item.id, sent.action, sent.to, sent.version)
        return "claim" if sent.action == "take" else sent.action

    return await _acted(request, who, item_id, work)


async def _arranged(desk: Desk, item_id: str, action: str, to: str, version: int) -> None:
    match action:
        case "claim" | "take":
            await desk.claim(item_id, take=action == "take")
        case "release":
            await desk.release(item_id)
        case "assign":
            await desk.assign(item_id, to, version=version)
        case "unassign":
            await desk.assign(item_id, None, version=version)
        case "delegate":
            await desk.delegate(item_id, to, version=version)
        case _:
            raise Invalid("There is no such action.", hint="Use the buttons of the page.")


async def _acted(
    request: Request,
    who: Identity,
    item_id: str,
    work: Callable[[ReviewItem, _Sent], Awaitable[str]],
) -> Response:
    """Back to the page after *work*; where that failed, the page as it is now, with what was written."""
    item = await visible_item(request, who, item_id)
    sent = await _sent(request)
    try:
        said = await work(item, sent)
    except (NotFound, NotPermitted, StoreUnavailable):
        raise
    except AssayError as error:
        current = await visible_item(request, who, item_id)
        status = status_of(error)
        if sent.edits_finding:
            return await text_page(
                request, who, current, sent.finding, status=status, problem=error, kept=sent.text
            )
        return await item_page(request, who, current, status=status, problem=error, kept=sent.kept)
    return RedirectResponse(f"/reviews/{item.id}?told={said}", status_code=303)


async def _sent(request: Request) -> _Sent:
    form = await request.form()
    given = {name: form[name] for name in _Sent.model_fields if name in form}
    try:
        return _Sent.model_validate(given)
    except ValidationError as error:
        name = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise Invalid(
            f"The field {name!r} of the form is not valid: {error.errors()[0]['msg']}.",
            hint="Go back, and send it again.",
        ) from error


def _decision(item: ReviewItem, sent: _Sent) -> Decision:
    text = sent.text.replace("\r\n", "\n").strip()
    if sent.kind == "approve":
        if item.kind == "publication" and sent.confirm.strip() != item.run_id:
            raise Invalid(
                "The confirmation is not the name of the run.",
                hint=f"Type {item.run_id} to publish; nothing was recorded.",
            )
        return parse_decision({"kind": "approve", "note": text})
    if not text:
        raise Invalid(
            "A reason is needed to reject." if sent.kind == "reject" else "A text is needed.",
            hint="Nothing was recorded.",
        )
    said = {"kind": sent.kind, _NAMES.get(sent.kind, "text"): text}
    return parse_decision(
        said | ({"of": sent.of, "finding": sent.finding} if sent.kind == "edit" else {})
    )
