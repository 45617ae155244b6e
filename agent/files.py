"""Writing a report's files, as a draft or with a person's decision on every page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.deps import Deps
from agent.request import Request
from agent.sections import load_with_inputs
from reports.document import Attestation, AuditLine, Report, ReportContent
from reports.render import WrittenFile, render
from services.audit import AuditEntry, events, revealed


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
    entries = await deps.audit.entries(deps.run_id)
    report = Report(
        content=content,
        digest=digest,
        run_id=deps.run_id,
        created_at=deps.accepted_at,
        status=_status(attestation),
        attestation=attestation,
        audit=_audit_lines(entries, await deps.audit.personal(deps.run_id)),
        audit_head=entries[-1].digest if entries else "",
    )
    tables = {name: exhibit.table for name, exhibit in exhibits.items()}
    return await asyncio.to_thread(render, report, tables, request.formats, Path(request.output))


def _status(attestation: Attestation | None) -> str:
    if attestation is None:
        return "DRAFT"
    return "APPROVED" if attestation.decision == "approved" else "REJECTED"


def _audit_lines(
    entries: Sequence[AuditEntry], personal: Mapping[str, Any]
) -> tuple[AuditLine, ...]:
    """What people read of the log: without the checks and starts, which `assay audit show` has."""
    shown = (
        entry.model_copy(update={"fields": revealed(entry, personal)})
        for entry in entries
        if entry.event not in _LEFT_OUT
    )
    return tuple(
        AuditLine(seq=entry.seq, at=entry.at, event=entry.event, text=entry.words())
        for entry in shown
    )


_LEFT_OUT = frozenset({events.STEP_STARTED, events.STATEMENT_CHECKED, events.MODEL_CALLED})
