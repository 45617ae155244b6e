"""One run: its history as a timeline, as a table and as JSON, and the trace of how it was made."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

from fastapi import APIRouter, Depends, Query, Request, Response

from agent.driving import now
from agent.lanes import lanes
from agent.retries import retries
from agent.story import Story, story
from agent.trace_tree import trace_tree
from agent.web.access import needs
from agent.web.pages import page
from agent.web.serving import promptly, runner_of, visible_run
from services.access import Identity, Permission
from services.audit import AuditVerdict, verify_run
from services.errors import TooManyRequests
from services.settings import Settings
from services.store import RunRecord
from services.telemetry import read_trace

router = APIRouter(include_in_schema=False)
Reader = Annotated[Identity, Depends(needs("read"))]
View: TypeAlias = Literal["timeline", "compact"]
_LOG_PAGE: Final = 500
"""Entries of a log that one page shows."""
_MOST_LINKS: Final = 200_000
"""Entries of all logs that are read to check one: a few seconds of the process."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done to a run, in words for its button."""

    name: str
    label: str
    permission: Permission


ACTIONS: Final = (
    Action("resume", "Resume", "steer"),
    Action("rollback", "Go back …", "steer"),
    Action("fork", "Copy and change …", "steer"),
    Action("cancel", "Cancel …", "steer"),
    Action("withdraw", "Withdraw the report …", "publish"),
)


@router.get("/runs/{run_id}")
async def timeline_page(request: Request, run_id: str, who: Reader) -> Response:
    """The run, with a bar for each try of each step."""
    return await _history_page(request, run_id, who, "timeline")


@router.get("/runs/{run_id}/compact")
async def compact_page(request: Request, run_id: str, who: Reader) -> Response:
    """The run, with a line for each thing that happened."""
    return await _history_page(request, run_id, who, "compact")


@router.get("/runs/{run_id}/fragment")
async def fragment(request: Request, run_id: str, who: Reader, view: View = "timeline") -> Response:
    """The part of a run's page that changes while it runs."""
    values = await _values(request, run_id, who)
    return await page(request, who, "run_live.html.j2", view=view, **values)


@router.get("/runs/{run_id}/json")
async def json_page(request: Request, run_id: str, who: Reader) -> Response:
    """The run's whole history as one JSON document, on a page."""
    told = await _story(request, run_id, who)
    return await page(
        request,
        who,
        "run_json.html.j2",
        story=told,
        document=_document(told, runner_of(request).settings),
        tab="json",
    )


@router.get("/runs/{run_id}/history.json")
async def download(request: Request, run_id: str, who: Reader) -> Response:
    """The same document as a file."""
    told = await _story(request, run_id, who)
    headers = {
        "Content-Disposition": f'attachment; filename="{told.record.id}.json"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    document = _document(told, runner_of(request).settings)
    return Response(document, media_type="application/json", headers=headers)


@router.get("/runs/{run_id}/audit")
async def audit_page(
    request: Request,
    run_id: str,
    who: Reader,
    check: bool = False,
    start: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """The run's audit log; where that is asked for, with a check of its chain."""
    told = await _story(request, run_id, who)
    async with promptly():
        links, _ = await runner_of(request).stores.audit.global_head()
    is_short = links <= _MOST_LINKS
    first = start // _LOG_PAGE * _LOG_PAGE
    return await page(
        request,
        who,
        "run_audit.html.j2",
        story=told,
        entries=told.entries[first : first + _LOG_PAGE],
        first=first,
        size=_LOG_PAGE,
        is_short=is_short,
        verdict=await _checked(request, told.record.id) if check and is_short else None,
        at=now(),
        tab="audit",
    )


async def _checked(request: Request, run_id: str) -> AuditVerdict:
    """Whether the log is sound. It takes the whole log over all runs, so one is checked at a time."""
    checking: asyncio.Lock = request.app.state.checking
    if checking.locked():
        raise TooManyRequests(
            "Another log is being checked.", hint="Check this one in a moment.", retry_after=5
        )
    async with checking:
        return await verify_run(runner_of(request).stores.audit, run_id)


@router.get("/runs/{run_id}/trace")
async def trace_page(
    request: Request,
    run_id: str,
    who: Reader,
    all: bool = False,  # noqa: A002 (the page's own word)
) -> Response:
    """The run's spans as a tree with their times; with *all* every one of them is unfolded."""
    told = await _story(request, run_id, who)
    spans = await asyncio.to_thread(
        read_trace, runner_of(request).settings.trace_dir, told.record.id
    )
    return await page(
        request,
        who,
        "run_trace.html.j2",
        story=told,
        trace=trace_tree(spans),
        may_see_content=who.may("steer"),
        unfolded=all,
        tab="trace",
    )


async def _history_page(request: Request, run_id: str, who: Identity, view: View) -> Response:
    values = await _values(request, run_id, who)
    return await page(request, who, "run.html.j2", view=view, tab=view, **values)


async def _values(request: Request, run_id: str, who: Identity) -> dict[str, Any]:
    told = await _story(request, run_id, who)
    at = now()
    return {
        "story": told,
        "lanes": lanes(told.timeline, now=at),
        "moments": told.timeline.moments(),
        "retries": retries(told.timeline, now=at),
        "actions": possible(told),
        # It holds the runs of all tenants: how many is not a tenant's to know.
        "queue": None if who.tenant else await runner_of(request).stores.queue.state(),
        "at": at,
    }


async def _story(request: Request, run_id: str, who: Identity) -> Story:
    record = await visible_run(request, who, run_id)
    async with promptly():
        return await story(runner_of(request), record)


def possible(told: Story) -> tuple[Action, ...]:
    """What can be done to a run where it stands, whoever may."""
    record = told.record
    can = {
        "resume": not told.is_over and not told.driver and not _goes_on_by_itself(record),
        "rollback": record.receipt is None
        and record.status != "cancelled"
        and bool(told.timeline.attempts),
        "fork": bool(told.timeline.attempts),
        "cancel": not told.is_over,
        "withdraw": record.status == "done" and record.receipt is not None,
    }
    return tuple(action for action in ACTIONS if can[action.name])


def _goes_on_by_itself(record: RunRecord) -> bool:
    """Whether a worker or a person's decision takes it further, and nobody has to resume it."""
    return record.status == "waiting" or (record.status == "queued" and record.left)


def _document(told: Story, settings: Settings) -> str:
    """Everything, without the names of the server's folders."""
    document = told.document()
    del document["run"]["output_dir"], document["run"]["request"]["output"]
    text = json.dumps(document, indent=2, ensure_ascii=False, default=str)
    for folder in (settings.output, settings.home):
        text = text.replace(str(folder.absolute()), "…")
    return text
