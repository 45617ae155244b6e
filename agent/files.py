"""Writing a report's files, as a draft or with a person's decision on every page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from agent.request import Request
from agent.sections import load_with_inputs
from reports.document import Attestation, AuditLine, Report, ReportContent
from reports.render import WrittenFile, render
from services.audit import START, AuditEntry, AuditLog, events, revealed
from services.failpoints import failpoint
from services.store import EvidenceStore

Status: TypeAlias = Literal["DRAFT", "APPROVED", "REJECTED", "WITHDRAWN"]
_STATUS: Final[dict[str, Status]] = {
    "approved": "APPROVED",
    "rejected": "REJECTED",
    "withdrawn": "WITHDRAWN",
}
_LEFT_OUT: Final = frozenset({events.STEP_STARTED, events.STATEMENT_CHECKED, events.MODEL_CALLED})


@dataclass(frozen=True, slots=True)
class Press:
    """What the files of one run's reports are made from."""

    run_id: str
    accepted_at: datetime
    """Reports carry it, so that drawing one again changes nothing."""
    evidence: EvidenceStore
    audit: AuditLog

    @failpoint("files.write")
    async def write(
        self,
        request: Request,
        content: ReportContent,
        digest: str,
        attestation: Attestation | None = None,
    ) -> tuple[WrittenFile, ...]:
        """
        Render *content* to the request's folder; each file is replaced as a whole.

        Without an attestation the files are marked DRAFT. With one, nothing in them depends on
        when they are written, so writing them twice is the same as writing them once.
        """
        exhibits = await load_with_inputs(self.evidence, [e.id for e in content.evidence])
        lines, head = await self._audit_until(attestation.at if attestation else None)
        report = Report(
            content=content,
            digest=digest,
            run_id=self.run_id,
            created_at=self.accepted_at,
            status=_STATUS[attestation.decision] if attestation else "DRAFT",
            attestation=attestation,
            audit=lines,
            audit_head=head,
        )
        tables = {name: exhibit.table for name, exhibit in exhibits.items()}
        return await asyncio.to_thread(
            render, report, tables, request.formats, Path(request.output)
        )

    async def _audit_until(self, end: datetime | None) -> tuple[tuple[AuditLine, ...], str]:
        """The log up to the decision that the files attest, and the digest of its last entry."""
        entries = await self.audit.entries(self.run_id)
        kept = [entry for entry in entries if end is None or entry.at <= end]
        lines = _audit_lines(kept, await self.audit.personal(self.run_id))
        return lines, kept[-1].digest if kept else START


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
