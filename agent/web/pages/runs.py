"""Runs: the list with its filters, and the form that starts one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.intake import new_run_id, prepare
from agent.runner import Runner
from agent.story import standing
from agent.web import cursors
from agent.web.access import checked_form, needs
from agent.web.pages import page
from agent.web.pages.words import STATUS_LOOKS
from agent.web.problems import status_of
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.analysis.templates import load_template, template_names
from services.errors import AssayError, Invalid, Refused
from services.review import ReviewItem
from services.store import RunFilter, RunPlace, RunRecord

router = APIRouter(include_in_schema=False)
Reader = Annotated[Identity, Depends(needs("read"))]
Starter = Annotated[Identity, Depends(needs("start"))]
_PAGE: Final = 25


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list is narrowed to, as the URL says it."""

    status: str = ""
    template: str = ""
    who: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filters:
        return cls(**{one.name: query.get(one.name, "").strip()[:200] for one in fields(cls)})

    def fit(self, record: RunRecord) -> bool:
        """Whether the words fit; how a run stands takes more than its record to tell."""
        said = f"{record.id} {record.title} {record.request.get('question', '')}".lower()
        asked_by = str(record.request.get("requested_by", "")).lower()
        return self.who.lower() in asked_by and self.text.lower() in said

    @property
    def given(self) -> dict[str, str]:
        pairs = ((one.name, getattr(self, one.name)) for one in fields(self))
        return {name: value for name, value in pairs if value}


@dataclass(frozen=True, slots=True)
class Row:
    """A run in the list, and what waits for a person in it."""

    record: RunRecord
    standing: str
    items: tuple[ReviewItem, ...]


@router.get("/")
async def home(request: Request, who: Reader) -> Response:
    """To what waits for whoever looks, else to the runs."""
    waits = False
    if who.may("answer"):
        async with promptly():
            reviews = runner_of(request).stores.reviews
            waits = bool(await reviews.list("open", limit=1, tenant=who.tenant))
    return RedirectResponse("/reviews" if waits else "/runs", status_code=303)


@router.get("/runs")
async def list_runs(request: Request, who: Reader) -> Response:
    """The newest runs that fit the filters."""
    return await _listed(request, who)


@router.post("/runs", dependencies=[Depends(checked_form)])
async def start(
    request: Request,
    who: Starter,
    question: Annotated[str, Form(max_length=2_000)] = "",
    template: Annotated[str, Form(max_length=100)] = "quarterly",
    as_of: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Accept a run for a worker to drive, and show it."""
    runner = runner_of(request)
    given = {"question": question, "template": template, "as_of": as_of}
    try:
        name = new_run_id(question=question.strip(), template=template, tenant=who.tenant or "")
        accepted = await asyncio.to_thread(
            prepare,
            runner.settings,
            name,
            question=question.strip(),
            template=template,
            as_of=day(as_of),
        )
    except (Invalid, Refused) as error:
        return await _listed(request, who, given=given, error=error)
    async with promptly():
        await runner.accept(
            name, accepted.asked_by(who.name, "api"), left=True, tenant=who.tenant or ""
        )
    return RedirectResponse(f"/runs/{name}", status_code=303)


def day(text: str) -> date | None:
    """The date that a form's field holds; None for an empty one."""
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Invalid("The date is not valid.", hint="Write it as 2026-09-30.") from None


async def _listed(
    request: Request,
    who: Identity,
    *,
    given: Mapping[str, str] | None = None,
    error: AssayError | None = None,
) -> Response:
    filters = Filters.of(request.query_params)
    behind = request.query_params.get("behind", "")
    async with promptly():
        rows, cursor = await _rows(runner_of(request), who, filters, behind)
    onward = urlencode(filters.given | {"behind": cursor}) if cursor else ""
    values: dict[str, Any] = {
        "rows": rows,
        "filters": filters,
        "onward": onward,
        "behind": behind,
        "statuses": tuple(STATUS_LOOKS),
        "templates": [load_template(name) for name in template_names()],
        "given": given or {},
        "error": error,
    }
    return await page(
        request, who, "runs.html.j2", status=status_of(error) if error else 200, **values
    )


async def _rows(
    runner: Runner, who: Identity, filters: Filters, behind: str
) -> tuple[list[Row], str]:
    """A page of the list, and where the next begins when there may be more."""
    stores = runner.stores
    standings: dict[str, str] = {}

    async def fits(record: RunRecord) -> bool:
        if not filters.fit(record):
            return False
        is_driven = record.status == "running" and bool(await stores.runs.driver(record.id))
        standings[record.id] = standing(record, is_driven=is_driven)
        return filters.status in ("", standings[record.id])

    wanted = RunFilter(template=filters.template, tenant=who.tenant)
    found = await stores.runs.page(
        wanted, limit=_PAGE, after=cursors.read(behind, RunPlace), fits=fits
    )
    rows = []
    for record in found.runs:
        waits = record.status in ("waiting", "failed")
        items = await stores.reviews.of_run(record.id) if waits else ()
        waiting = tuple(item for item in items if item.status == "open")
        rows.append(Row(record, standings[record.id], waiting))
    return rows, cursors.write(found.next) or ""
