"""Writing a report's files, as a draft or with a person's decision on every page."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.deps import Deps
from agent.request import Request
from agent.sections import load_with_inputs
from reports.document import Attestation, AuditLine, Report, ReportContent
from reports.render import WrittenFile, render


async def write_files(
    deps: Deps,
    request: Request,
    content: ReportContent,
    digest: str,
    attestation: Attestation | None = None,
) -> tuple[WrittenFile, ...]:
    """
    Render *content* to the request's folder; each file is replaced as a whole.

    Without an attestation the files are marked DRAFT. Nothing in them depends on the clock, so
    writing them twice is the same as writing them once.
    """
    exhibits = await load_with_inputs(deps.evidence, [record.id for record in content.evidence])
    report = Report(
        content=content,
        digest=digest,
        run_id=deps.run_id,
        created_at=deps.accepted_at,
        status=_status(attestation),
        attestation=attestation,
        audit=await _audit_lines(deps),
        audit_head=await deps.audit.head(deps.run_id) or "",
    )
    tables = {name: exhibit.table for name, exhibit in exhibits.items()}
    return await asyncio.to_thread(render, report, tables, request.formats, Path(request.output))


def _status(attestation: Attestation | None) -> str:
    if attestation is None:
        return "DRAFT"
    return "APPROVED" if attestation.decision == "approved" else "REJECTED"


async def _audit_lines(deps: Deps) -> tuple[AuditLine, ...]:
    entries = await deps.audit.entries(deps.run_id)
    return tuple(
        AuditLine(
            seq=entry.seq,
            at=entry.at,
            event=entry.event,
            text=", ".join(f"{key} {value}" for key, value in entry.fields.items() if value != ""),
        )
        for entry in entries
    )
