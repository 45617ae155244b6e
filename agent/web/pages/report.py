"""The report of a run inside the site: its text, its exhibits, its files."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse

from agent.reading import report_files
from agent.request import Format
from agent.web.access import needs
from agent.web.library import library_of
from agent.web.pages import page
from agent.web.serving import promptly, runner_of, visible_run
from reports.render import words
from reports.render.picture import picture
from services.access import Identity
from services.errors import NotFound

router = APIRouter(include_in_schema=False)
Reader = Annotated[Identity, Depends(needs("read"))]
_ALONE: Final = (
    "sandbox allow-scripts allow-popups; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""A file of a report is a document of its own: whatever is in it, it is not of this site."""
_INLINE: Final = frozenset({"html", "pdf"})


@router.get("/runs/{run_id}/report")
async def report_page(request: Request, run_id: str, who: Reader) -> Response:
    """The report as its document says it; each figure leads to its evidence."""
    record = await visible_run(request, who, run_id)
    view = await library_of(request).view(record)
    async with promptly():
        items = await runner_of(request).stores.reviews.of_run(record.id)
    return await page(
        request,
        who,
        "report.html.j2",
        record=record,
        view=view,
        words=words,
        content=view.report.content,
        files=await report_files(record),
        open_items=[i for i in items if i.status == "open" and i.kind == "publication"],
        tab="report",
    )


@router.get("/runs/{run_id}/files/report.{suffix}")
async def file(request: Request, run_id: str, suffix: Format, who: Reader) -> Response:
    """A file of the report, shown or saved; a page in it is kept apart from this site."""
    record = await visible_run(request, who, run_id)
    for found in await report_files(record):
        if found.format == suffix:
            return FileResponse(
                found.path,
                filename=f"{record.id}.{suffix}",
                content_disposition_type="inline" if suffix in _INLINE else "attachment",
                headers={
                    "Content-Security-Policy": _ALONE if suffix == "html" else "default-src 'none'",
                    "X-Content-Type-Options": "nosniff",
                    "Cache-Control": "no-store",
                    "ETag": f'"{found.digest}"',
                },
            )
    raise NotFound("This run has no such file.", hint=f"See /runs/{record.id}/report.")


@router.get("/runs/{run_id}/charts/{chart_id:path}")
async def chart(request: Request, run_id: str, chart_id: str, who: Reader) -> Response:
    """A chart of the report as a picture."""
    record = await visible_run(request, who, run_id)
    drawn = await library_of(request).drawings(record)
    if chart_id not in drawn:
        raise NotFound("The report has no such chart.", hint=f"See /runs/{record.id}/report.")
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=3600",
    }
    return Response(picture(drawn[chart_id]), media_type="image/svg+xml", headers=headers)
