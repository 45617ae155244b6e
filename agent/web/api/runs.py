"""Runs: start one, see how far it is, fetch its files."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse

from agent.intake import new_run_id, prepare
from agent.request import FORMATS, Format
from agent.web.access import needs
from agent.web.serving import promptly, runner_of, visible_run
from services.access import Identity
from services.errors import NotFound
from services.evidence import Frozen
from services.store import Priority

router = APIRouter(prefix="/v1/runs", tags=["runs"])
Reader = Annotated[Identity, Depends(needs("read"))]
Starter = Annotated[Identity, Depends(needs("start"))]


class NewRun(Frozen):
    """What to report on: a question, or a template."""

    question: str = ""
    template: str = "quarterly"
    as_of: date | None = None
    formats: tuple[Format, ...] = FORMATS
    run_id: str | None = None
    priority: Priority = "normal"


@router.post("", status_code=202)
async def start(request: Request, body: NewRun, response: Response, who: Starter) -> dict[str, Any]:
    """Accept a run, for a worker to drive."""
    runner = runner_of(request)
    name = body.run_id or new_run_id(body.question, body.template)
    accepted = await asyncio.to_thread(
        prepare,
        runner.settings,
        name,
        question=body.question,
        template=body.template,
        as_of=body.as_of,
        formats=body.formats,
    )
    async with promptly():
        record = await runner.accept(
            name,
            accepted.asked_by(who.name, "api"),
            left=True,
            tenant=who.tenant or "",
            priority=body.priority,
        )
    response.headers["Location"] = f"/v1/runs/{name}"
    return record.model_dump(mode="json")


@router.get("")
async def list_runs(request: Request, who: Reader) -> list[dict[str, Any]]:
    """The newest runs, newest first."""
    async with promptly():
        records = await runner_of(request).stores.runs.list(limit=50, tenant=who.tenant)
    return [record.model_dump(mode="json") for record in records]


@router.get("/{run_id}")
async def show(request: Request, run_id: str, who: Reader) -> dict[str, Any]:
    """One run."""
    return (await visible_run(request, who, run_id)).model_dump(mode="json")


@router.get("/{run_id}/report.{suffix}")
async def fetch(request: Request, run_id: str, suffix: Format, who: Reader) -> FileResponse:
    """A file of the run's report."""
    record = await visible_run(request, who, run_id)
    path = Path(record.output_dir) / f"report.{suffix}"
    if record.report_digest is None or not path.is_file():
        raise NotFound("This run has no such file.", hint=f"see /v1/runs/{run_id}")
    return FileResponse(path)
