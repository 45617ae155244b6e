"""What a run has made: the files of its report, and the rows that they cite."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse

from agent.request import Format
from agent.web.access import needs
from agent.web.api.files import MEDIA_TYPES, Opened, open_file, serve
from agent.web.api.models import (
    Artefact,
    Artefacts,
    EvidenceRows,
    ReportStatus,
    RunId,
    ShownColumn,
)
from agent.web.serving import promptly, runner_of, visible_run
from services.access import Identity
from services.errors import NotFound
from services.evidence import Evidence, Table, encode_scalar
from services.store import RunRecord

router = APIRouter(prefix="/v1/runs", tags=["artefacts"])
Reader = Annotated[Identity, Depends(needs("read"))]
EvidenceId = Annotated[
    str,
    PathParameter(pattern=r"^ev_[0-9a-f]{1,64}$", examples=["ev_0123456789abcdef01234567"]),
]

_BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_HEADERS: Final[dict[str, Any]] = {
    "ETag": {"schema": {"type": "string"}, "description": "The file's SHA-256, in quotes."},
    "Repr-Digest": {"schema": {"type": "string"}, "description": "RFC 9530, of the whole file."},
}
_FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file.",
        "content": {media.partition(";")[0]: _BINARY for media in MEDIA_TYPES.values()},
        "headers": _HEADERS,
    },
    206: {
        "description": "The part that was asked for.",
        "content": {media.partition(";")[0]: _BINARY for media in MEDIA_TYPES.values()},
        "headers": _HEADERS,
    },
    304: {"description": "The file is what the caller has."},
}


@router.get("/{run_id}/artefacts", operation_id="listArtefacts")
async def list_artefacts(request: Request, run_id: RunId, who: Reader) -> Artefacts:
    """The files of the run's report, as they are now, with their digests."""
    record = await visible_run(request, who, run_id)
    if record.report_digest is None:
        return Artefacts(artefacts=())
    return Artefacts(artefacts=await asyncio.to_thread(_artefacts, record))


@router.get(
    "/{run_id}/report.{suffix}",
    operation_id="fetchReport",
    response_class=StreamingResponse,
    responses=_FILES,
)
async def fetch(request: Request, run_id: RunId, suffix: Format, who: Reader) -> Response:
    """A file of the run's report; a part of it, when `Range` names one."""
    record = await visible_run(request, who, run_id)
    if record.report_digest is None or suffix not in record.request["formats"]:
        raise NotFound("This run has no such file.", hint=f"See /v1/runs/{record.id}/artefacts")
    opened = await asyncio.to_thread(open_file, Path(record.output_dir) / f"report.{suffix}")
    return serve(request, opened, name=f"{record.id}.{suffix}", suffix=suffix)


@router.get("/{run_id}/evidence/{evidence_id}", operation_id="showEvidence")
async def show_evidence(
    request: Request,
    run_id: RunId,
    evidence_id: EvidenceId,
    who: Reader,
    offset: Annotated[int, Query(ge=0, le=100_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> EvidenceRows:
    """
    Rows that the run has fetched or computed.

    Columns that the semantic model calls confidential are masked for whoever decides on nothing.
    """
    record = await visible_run(request, who, run_id)
    stores = runner_of(request).stores
    async with promptly():
        if not await stores.references.needs(record.id, f"evidence:{evidence_id}"):
            raise NotFound("This run has no evidence of that id.")
        evidence = await stores.evidence.evidence(evidence_id)
    table = await stores.evidence.table(evidence_id)
    hides = not (who.may("answer") or who.may("publish"))
    return _rows(evidence, table, range(offset, min(offset + limit, len(table))), hides=hides)


def _rows(evidence: Evidence, table: Table, shown: range, *, hides: bool) -> EvidenceRows:
    masked = [hides and column.sensitivity == "confidential" for column in table.columns]
    return EvidenceRows(
        id=evidence.id,
        sql=evidence.sql,
        as_of=evidence.as_of,
        snapshot=evidence.snapshot,
        digest=evidence.digest,
        complete=evidence.complete,
        row_count=evidence.row_count,
        columns=tuple(
            ShownColumn(
                name=column.name,
                type=column.type,
                unit=column.unit,
                label=column.label,
                masked=is_masked,
            )
            for column, is_masked in zip(table.columns, masked, strict=True)
        ),
        offset=shown.start,
        rows=tuple(
            tuple(
                None if is_masked else encode_scalar(values[row])
                for values, is_masked in zip(table.data, masked, strict=True)
            )
            for row in shown
        ),
    )


def _artefacts(record: RunRecord) -> tuple[Artefact, ...]:
    found = []
    for suffix in record.request["formats"]:
        name = f"report.{suffix}"
        try:
            opened = open_file(Path(record.output_dir) / name)
        except NotFound:
            continue
        opened.close()
        found.append(
            Artefact(
                name=name,
                size=opened.size,
                sha256=opened.sha256,
                media_type=MEDIA_TYPES[suffix].partition(";")[0],
                status=_status(record, opened),
                href=f"/v1/runs/{record.id}/{name}",
            )
        )
    return tuple(found)


def _status(record: RunRecord, opened: Opened) -> ReportStatus:
    """What the file is, by the receipt that names it: a draft's file is in none."""
    published = {file["sha256"] for file in (record.receipt or {}).get("files", ())}
    if opened.sha256 in published:
        return "WITHDRAWN" if record.status == "withdrawn" else "APPROVED"
    return "REJECTED" if record.status == "rejected" else "DRAFT"
