"""A run's report as it stands, for whoever reads it on a screen."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.files import Status
from agent.runner import Runner
from reports.document import Attestation, Report, ReportContent
from reports.render import View
from services.audit import events, revealed
from services.store import RunRecord

_STATUS: dict[str, Status] = {"done": "APPROVED", "rejected": "REJECTED", "withdrawn": "WITHDRAWN"}


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A file of a report on disk."""

    format: str
    path: Path
    size: int
    digest: str


async def reading(runner: Runner, record: RunRecord, content: ReportContent) -> View:
    """The report of that content, as it was decided on, with its look-ups."""
    report = Report(
        content=content,
        digest=record.report_digest or "",
        run_id=record.id,
        created_at=record.created_at,
        status=_STATUS.get(record.status, "DRAFT"),
        attestation=await _attestation(runner, record),
    )
    return View(report)


async def _attestation(runner: Runner, record: RunRecord) -> Attestation | None:
    """Who decided what of the report, and why; None while nobody has."""
    digest = record.report_digest or ""
    if record.status == "withdrawn":
        by, at, note = await _withdrawal(runner, record)
        return Attestation(decision="withdrawn", by=by, at=at, digest=digest, note=note)
    if record.status not in ("done", "rejected"):
        return None
    for item in reversed(await runner.stores.reviews.of_run(record.id)):
        if item.kind == "publication" and item.decision and item.decided_by and item.decided_at:
            said = item.decision.model_dump()
            approvers = item.approved_by if record.status == "done" else ()
            return Attestation(
                decision="approved" if record.status == "done" else "rejected",
                by=" and ".join(approvers) or item.decided_by,
                at=item.decided_at,
                digest=digest,
                note=said.get("reason") or said.get("note") or "",
            )
    return None


async def _withdrawal(runner: Runner, record: RunRecord) -> tuple[str, datetime, str]:
    audit = runner.stores.audit
    personal = await audit.personal(record.id)
    for entry in reversed(await audit.entries(record.id)):
        if entry.event == events.REPORT_WITHDRAW_ASKED:
            said = revealed(entry, personal)
            return str(said["by"]), entry.at, str(said["reason"])
    return "(unknown)", record.updated_at, ""


async def report_files(record: RunRecord) -> tuple[ReportFile, ...]:
    """The files of the run's report that are on disk, with their digests."""
    if record.report_digest is None:
        return ()
    return await asyncio.to_thread(_files, record)


def _files(record: RunRecord) -> tuple[ReportFile, ...]:
    found = []
    for name in record.request["formats"]:
        path = Path(record.output_dir) / f"report.{name}"
        try:
            content = path.read_bytes()
        except OSError:
            continue
        digest = hashlib.sha256(content).hexdigest()
        found.append(ReportFile(name, path, len(content), digest))
    return tuple(found)
