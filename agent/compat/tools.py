"""What a machine may ask of Assay: reading, and starting runs. None of it decides anything."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from agent.answer import answer
from agent.checking import LogChecks
from agent.compat.results import (
    AskArguments,
    AskResult,
    FileCheck,
    OpenItem,
    PublishedFiles,
    ReportArguments,
    ReportResult,
    ReviewArguments,
    ReviewResult,
    RunArguments,
    RunEvent,
    RunFile,
    RunStatusResult,
    VerifyResult,
)
from agent.intake import new_run_id, prepare
from agent.runner import Runner
from services.access import Identity
from services.review import ReviewItem
from services.store import RunRecord

_QUESTIONS: Final = 2
"""Questions answered at once: each has query processes of its own."""
_ROWS_SIZE: Final = 60_000
"""Characters of JSON that the rows of one answer may have."""
_EVENTS: Final = 20
_FLAWS: Final = 20
_COUNTED: Final = 10_000
_DECIDES: Final = (
    "A person decides, on the review page or with `assay review show ITEM`; no tool here does."
)
_WORKERS: Final = "A worker (`assay worker`) drives it."


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools, on one runner. Whoever calls has been asked what they may do."""

    runner: Runner
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_QUESTIONS))
    checks: LogChecks = field(default_factory=LogChecks)

    async def ask(self, who: Identity, asked: AskArguments) -> AskResult:
        """One governed query, read with the settings' policy and role."""
        del who  # what may be read is the same for all
        async with self.turns:
            found = await answer(self.runner.settings, asked.question, asked.as_of)
        document = found.document()
        rows = _within(document["rows"][: asked.limit], _ROWS_SIZE)
        total = found.evidence.row_count
        return AskResult(
            columns=tuple(found.table.columns),
            rows=rows,
            shown=len(rows),
            total=total,
            said=_said(len(rows), total, "rows"),
            **{
                name: document[name]
                for name in AskResult.model_fields
                if name in document and name not in ("rows", "columns")
            },
        )

    async def report(self, who: Identity, asked: ReportArguments) -> ReportResult:
        """Accept a run, which a worker drives."""
        name = new_run_id(
            asked.run, question=asked.question, template=asked.template, tenant=who.tenant or ""
        )
        accepted = await asyncio.to_thread(
            prepare,
            self.runner.settings,
            name,
            question=asked.question,
            template=asked.template,
            as_of=asked.as_of,
            formats=asked.formats,
        )
        record = await self.runner.accept(
            name, accepted.asked_by(who.name, "mcp"), left=True, tenant=who.tenant or ""
        )
        return ReportResult(
            run=record.id,
            title=record.title,
            status=record.status,
            as_of=record.as_of,
            snapshot=record.snapshot,
            next=f"{_WORKERS} Call run_status with this run to see how far it is.",
        )

    async def run_status(self, who: Identity, asked: RunArguments) -> RunStatusResult:
        """How far a run is, with the last entries of its log."""
        stores = self.runner.stores
        record = await stores.runs.get(asked.run, tenant=who.tenant)
        entries = await stores.audit.entries(record.id)
        waiting = await self._open(record.id)
        last = entries[-_EVENTS:]
        return RunStatusResult(
            run=record.id,
            title=record.title,
            status=record.status,
            template=record.template,
            as_of=record.as_of,
            created_at=record.created_at,
            updated_at=record.updated_at,
            report_digest=record.report_digest,
            published=record.receipt is not None,
            files=_files(record),
            failure=record.failure,
            open_items=tuple(item.id for item in waiting),
            events=tuple(
                RunEvent(seq=e.seq, at=e.at, event=e.event, words=e.words()) for e in last
            ),
            said=_said(len(last), len(entries), "events", which="last"),
            next=_next(record, waiting),
        )

    async def verify(self, who: Identity, asked: RunArguments) -> VerifyResult:
        """Recompute a run's audit chain, and the digests of what it has published."""
        stores = self.runner.stores
        record = await stores.runs.get(asked.run, tenant=who.tenant)
        found = await self.checks.verdict(stores.audit, record.id, tenant=who.tenant)
        published = await asyncio.to_thread(_check_published, record)
        return VerifyResult(
            run=record.id,
            ok=found.ok and (published is None or published.ok),
            entries=found.entries,
            head=found.head,
            flaws=found.flaws[:_FLAWS],
            said=_said(len(found.flaws[:_FLAWS]), len(found.flaws), "flaws"),
            published=published,
        )

    async def review_status(self, who: Identity, asked: ReviewArguments) -> ReviewResult:
        """What waits for a person."""
        reviews, runs = self.runner.stores.reviews, self.runner.stores.runs
        waiting: Sequence[ReviewItem]
        if asked.run is not None:
            waiting = await self._open((await runs.get(asked.run, tenant=who.tenant)).id)
        else:
            waiting = await reviews.list("open", limit=_COUNTED, tenant=who.tenant)
        shown = waiting[: asked.limit]
        return ReviewResult(
            items=tuple(_open_item(item) for item in shown),
            shown=len(shown),
            total=len(waiting),
            said=_said(len(shown), len(waiting), "items"),
            next=_DECIDES if shown else "Nothing waits for a person.",
        )

    async def _open(self, run_id: str) -> tuple[ReviewItem, ...]:
        items = await self.runner.stores.reviews.of_run(run_id)
        return tuple(item for item in items if item.status == "open")


def _open_item(item: ReviewItem) -> OpenItem:
    same = {name: getattr(item, name) for name in OpenItem.model_fields if hasattr(item, name)}
    return OpenItem(item=item.id, run=item.run_id, **same)


def _files(record: RunRecord) -> tuple[RunFile, ...]:
    if record.report_digest is None:
        return ()
    paths = {name: Path(record.output_dir) / f"report.{name}" for name in record.request["formats"]}
    return tuple(
        RunFile(format=name, path=str(path)) for name, path in paths.items() if path.is_file()
    )


def _next(record: RunRecord, waiting: Sequence[ReviewItem]) -> str:
    if waiting:
        return _DECIDES
    if record.status in ("queued", "running"):
        return f"{_WORKERS} Ask again in a while."
    return "Nothing more is to come of it."


def _check_published(record: RunRecord) -> PublishedFiles | None:
    if record.receipt is None:
        return None
    files = tuple(_check_file(file["path"], file["sha256"]) for file in record.receipt["files"])
    return PublishedFiles(
        ok=all(file.ok for file in files), digest=record.receipt["digest"], files=files
    )


def _check_file(path: str, digest: str) -> FileCheck:
    try:
        with Path(path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return FileCheck(path=path, ok=False, reason=f"it cannot be read ({error.strerror})")
    reason = "" if found == digest else "it is not what was published"
    return FileCheck(path=path, ok=not reason, reason=reason)


def _within(rows: Sequence[dict[str, Any]], size: int) -> tuple[dict[str, Any], ...]:
    """As many of the first *rows* as *size* characters of JSON hold."""
    kept = []
    for row in rows:
        size -= len(json.dumps(row, ensure_ascii=False))
        if size < 0:
            break
        kept.append(row)
    return tuple(kept)


def _said(shown: int, total: int, what: str, *, which: str = "first") -> str:
    """How many there are, and how many of them these are."""
    if shown == total:
        return f"{shown:,} of {total:,} {what}" if total else f"no {what}"
    return f"{which} {shown:,} of {total:,} {what}"
