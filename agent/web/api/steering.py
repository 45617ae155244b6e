"""Steering runs: end one, go on with it, take it back, copy it, take its report back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from agent.intake import copy_run_id
from agent.rewind import Place
from agent.web.access import needs
from agent.web.api.models import (
    Fork,
    RollBack,
    RunId,
    RunView,
    Steered,
    Why,
    Withdrawal,
    links_of,
)
from agent.web.asking import ask
from agent.web.serving import promptly, runner_of, visible_run
from services.access import Identity
from services.store import AskKind

router = APIRouter(prefix="/v1/runs", tags=["runs"])
Steerer = Annotated[Identity, Depends(needs("steer"))]
Publisher = Annotated[Identity, Depends(needs("publish"))]


@router.post("/{run_id}/cancel", status_code=202, operation_id="cancelRun")
async def cancel(request: Request, run_id: RunId, who: Steerer, body: Why | None = None) -> Steered:
    """End a run: its driver finishes the steps under way, or is cut off; drafts stay drafts."""
    return await _ask(request, who, run_id, "cancel", reason=body.reason if body else "")


@router.post("/{run_id}/rollback", status_code=202, operation_id="rollBackRun")
async def roll_back(request: Request, run_id: RunId, who: Steerer, body: RollBack) -> Steered:
    """Take a run back to a step; what came after is superseded, and a worker goes on from there."""
    place = str(Place.parse(body.to))
    return await _ask(request, who, run_id, "rollback", reason=body.reason, to=place)


@router.post("/{run_id}/withdraw", status_code=202, operation_id="withdrawReport")
async def withdraw(request: Request, run_id: RunId, who: Publisher, body: Withdrawal) -> Steered:
    """Take a published report back: its files say WITHDRAWN, and why."""
    return await _ask(request, who, run_id, "withdraw", reason=body.reason)


@router.post("/{run_id}/resume", status_code=202, operation_id="resumeRun")
async def resume(request: Request, run_id: RunId, who: Steerer) -> RunView:
    """Leave a run to a worker, to go on with; failed steps are tried again."""
    record = await visible_run(request, who, run_id)
    async with promptly():
        return RunView.of(await runner_of(request).resume(record.id, by=who.name))


@router.post("/{run_id}/fork", status_code=202, operation_id="forkRun")
async def fork(
    request: Request, response: Response, run_id: RunId, who: Steerer, body: Fork
) -> RunView:
    """Go on from a step of a run in a copy of it, with changes; the run itself stays as it is."""
    place = Place.parse(body.at)
    record = await visible_run(request, who, run_id)
    changes = body.changes.model_dump(mode="json", exclude_none=True)
    name = copy_run_id(body.run_id, record)
    copy = await runner_of(request).fork(
        record.id, name, place, by=who.name, changes=changes, left=True
    )
    response.headers["Location"] = f"/v1/runs/{name}"
    return RunView.of(copy)


async def _ask(
    request: Request, who: Identity, run_id: str, kind: AskKind, *, reason: str, to: str = ""
) -> Steered:
    record = await visible_run(request, who, run_id)
    done = await ask(request, who, record, kind, reason=reason, to=to)
    record = await visible_run(request, who, record.id)
    return Steered(
        run_id=record.id, asked=kind, done=done, status=record.status, links=links_of(record)
    )
