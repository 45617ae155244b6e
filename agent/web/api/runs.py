"""Runs: start one, find them, see how far one is and what happened in it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import AwareDatetime

from agent.history import history
from agent.web import cursors
from agent.web.access import needs
from agent.web.api.intents import carry_out, carry_out_once, intend
from agent.web.api.models import NewRun, RunDetail, RunHistory, RunId, RunList, RunView
from agent.web.cursors import Cursor, Limit
from agent.web.serving import promptly, runner_of, visible_run
from services.access import Identity
from services.errors import NotPermitted
from services.store import RunFilter, RunPlace, RunStatus

router = APIRouter(prefix="/v1/runs", tags=["runs"])
Reader = Annotated[Identity, Depends(needs("read"))]
Starter = Annotated[Identity, Depends(needs("start"))]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="The same key with the same body is the same run, for a day at least.",
    ),
]


@router.post("", status_code=202, operation_id="startRun")
async def start(
    request: Request, body: NewRun, response: Response, who: Starter, key: IdempotencyKey = None
) -> RunView:
    """Accept a run, for a worker to drive."""
    runner = runner_of(request)
    if key is None:
        record = await carry_out(runner, who, await intend(runner, who, body))
    else:
        record = await carry_out_once(runner, who, body, key)
    response.headers["Location"] = f"/v1/runs/{record.id}"
    return RunView.of(record)


def _filter(  # noqa: PLR0913, PLR0917 (a parameter of the query each)
    who: Reader,
    status: RunStatus | None = None,
    template: Annotated[str, Query(max_length=80)] = "",
    requested_by: Annotated[str, Query(max_length=80)] = "",
    tenant: Annotated[str | None, Query(max_length=80)] = None,
    created_after: AwareDatetime | None = None,
    created_before: AwareDatetime | None = None,
    q: Annotated[str, Query(max_length=200, description="Words of the title or id.")] = "",
) -> RunFilter:
    """Which runs; whoever belongs to a tenant sees that one's."""
    if who.tenant is not None and tenant not in (None, who.tenant):
        raise NotPermitted("You may not look for runs of another tenant here.")
    return RunFilter(
        status=status,
        template=template,
        requested_by=requested_by,
        tenant=tenant if who.tenant is None else who.tenant,
        created_after=_in_range(created_after),
        created_before=_in_range(created_before),
        words=q,
    )


@router.get("", operation_id="listRuns")
async def list_runs(
    request: Request,
    response: Response,
    wanted: Annotated[RunFilter, Depends(_filter)],
    cursor: Cursor = None,
    limit: Limit = 50,
) -> RunList:
    """
    Runs, newest first.

    A page reads at most 2,000 records, whatever it looks for: one that found little of what it looks
    for may be short, or empty, and still have a next. Without a filter each page is full but the last.
    """
    after = cursors.read(cursor, RunPlace)
    async with promptly():
        page = await runner_of(request).stores.runs.page(wanted, limit=limit, after=after)
    following = cursors.write(page.next)
    cursors.link_next(request, response, following)
    return RunList(runs=tuple(RunView.of(record) for record in page.runs), next=following)


@router.get("/{run_id}", operation_id="showRun")
async def show(request: Request, run_id: RunId, who: Reader) -> RunDetail:
    """One run: how far it is, what it waits for, what it has used up."""
    record = await visible_run(request, who, run_id)
    stores = runner_of(request).stores
    async with promptly():
        items = await stores.reviews.of_run(record.id)
        return RunDetail.of(
            record,
            driven=record.id in await stores.runs.driven([record.id]),
            items=tuple(item for item in items if item.status == "open"),
            spent=await stores.spending.of_run(record.id),
            forks=tuple(copy.id for copy in await stores.runs.forks(record.id)),
        )


@router.get("/{run_id}/history", operation_id="showHistory")
async def show_history(request: Request, run_id: RunId, who: Reader) -> RunHistory:
    """What happened in a run, oldest first: checkpoints, tries, decisions, effects."""
    record = await visible_run(request, who, run_id)
    runner = runner_of(request)
    async with promptly():
        return RunHistory(moments=await history(runner.stores, runner.graph, record.id))


def _in_range(moment: datetime | None) -> datetime | None:
    """The moment, unless it lies where no time zone can tell it."""
    return moment if moment is None or 1 < moment.year < 9999 else None
