"""The report for other programs: `report.json`, the contract in `report.schema.json`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any

from reports.document import (
    EvidenceRecord,
    Figure,
    Prose,
    RenderedFinding,
    RenderedTable,
    Report,
    Section,
)
from reports.render import _contract as contract
from reports.render._view import View, plain_text
from services.analysis.findings import Author, Authorship

__all__ = ["json_bytes", "published_schema", "schema_bytes"]


def json_bytes(report: Report) -> bytes:
    """`report.json`: UTF-8, indented, the same bytes for the same report."""
    document = report_document(report).model_dump(mode="json")
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def schema_bytes() -> bytes:
    """The schema as it is published beside this module."""
    return (json.dumps(contract.report_schema(), ensure_ascii=False, indent=2) + "\n").encode()


def published_schema() -> dict[str, Any]:
    """The published JSON Schema of `report.json`."""
    text = (files("reports.render") / "report.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def report_document(report: Report) -> contract.ReportJson:
    """*report* in the shape of the contract."""
    view, content = View(report), report.content
    attestation = report.attestation
    return contract.ReportJson(
        run_id=report.run_id,
        status=report.status,
        digest=report.digest,
        created_at=report.created_at,
        cover=_cover(report),
        summary=_summary(report),
        sections=tuple(_section(view, section) for section in content.sections),
        methods=tuple(
            contract.JsonMethod(name=method.name, text=plain_text(method.text))
            for method in content.methods
        ),
        figures=tuple(_figure(view, f) for f in content.figures if f.text is None),
        texts=tuple(_text(view, f) for f in content.figures if f.text is not None),
        evidence=tuple(_record(record) for record in content.evidence),
        attestation=contract.JsonAttestation(**attestation.model_dump()) if attestation else None,
        audit=contract.JsonAudit(
            head=report.audit_head,
            entries=tuple(
                contract.JsonAuditLine(
                    seq=line.seq, at=_utc(line.at), event=line.event, text=line.text
                )
                for line in report.audit
            ),
        ),
    )


def _cover(report: Report) -> contract.JsonCover:
    cover = report.content.cover
    given = cover.model_dump(exclude={"authorship"})
    return contract.JsonCover(**given, authorship=tuple(_credit(c) for c in cover.authorship))


def _credit(credit: Authorship) -> contract.Credit:
    return contract.Credit(
        role=credit.role,
        author=credit.author.kind,
        model=credit.author.name if credit.author.kind == "model" else None,
        offered=credit.offered,
        kept=credit.kept,
        note=credit.note,
    )


def _summary(report: Report) -> contract.JsonSummary:
    summary = report.content.summary
    return contract.JsonSummary(
        headline=plain_text(summary.headline),
        headline_runs=_runs(summary.headline),
        lines=tuple(map(plain_text, summary.lines)),
        actions=tuple(map(plain_text, summary.actions)),
        status=tuple(
            contract.JsonIndicator(
                id=row.indicator.id,
                label=row.indicator.label,
                section=row.indicator.section,
                status=row.status,
                value=row.indicator.value,
                limit=row.indicator.limit or None,
                amber=row.indicator.amber or None,
                change=row.indicator.change or None,
                owner=row.indicator.owner or None,
            )
            for row in summary.status
        ),
        counts=dict(summary.counts),
    )


def _section(view: View, section: Section) -> contract.JsonSection:
    return contract.JsonSection(
        id=section.id,
        number=section.number,
        title=section.title,
        synthetic=section.synthetic,
        historical=section.historical,
        skipped=section.skipped,
        findings=tuple(_finding(view, found) for found in section.findings),
        tables=tuple(_table(view, table) for table in section.tables),
        charts=tuple(
            contract.JsonChart(
                title=plain_text(chart.title),
                caption=plain_text(chart.caption),
                **chart.block.model_dump(
                    include={"id", "kind", "evidence", "x", "y", "series", "unit"}
                ),
            )
            for chart in section.charts
        ),
        methods=tuple(map(plain_text, section.methods)),
        gaps=tuple(map(plain_text, section.gaps)),
        evidence=section.evidence,
    )


def _finding(view: View, found: RenderedFinding) -> contract.JsonFinding:
    texts = tuple(name for name in found.claims if view.figures[name].text is not None)
    return contract.JsonFinding(
        id=found.id,
        kind=found.kind,
        severity=found.severity,
        subject=found.subject,
        prose=plain_text(found.prose),
        action=plain_text(found.action),
        claims=tuple(name for name in found.claims if name not in texts),
        texts=texts,
        prose_runs=_runs(found.prose),
        action_runs=_runs(found.action),
        author=_author(found.author),
        prose_author=_author(found.prose_author),
        edited=found.edited,
    )


def _table(view: View, table: RenderedTable) -> contract.JsonTable:
    block = table.block
    rows = [
        [view.shown(cell, column) for cell, column in zip(row, block.columns, strict=True)]
        for row in block.rows
    ]
    return contract.JsonTable(
        id=block.id,
        title=plain_text(table.title),
        columns=tuple(contract.JsonColumn(label=c.label, unit=c.unit) for c in block.columns),
        rows=tuple(
            tuple(
                contract.JsonCell(
                    text=cell.text,
                    figure=cell.figure.id if cell.figure else None,
                    status=cell.status,
                )
                for cell in row
            )
            for row in rows
        ),
        total_row=block.total_row,
        note=plain_text(table.note),
        evidence=block.evidence,
    )


def _figure(view: View, figure: Figure) -> contract.JsonFigure:
    return contract.JsonFigure(
        value=None if figure.value is None else _decimal(figure.value),
        unit=figure.unit or "ratio",
        reason=figure.reason,
        **_verified(view, figure),
    )


def _text(view: View, figure: Figure) -> contract.JsonText:
    return contract.JsonText(text=figure.text or "", **_verified(view, figure))


def _verified(view: View, figure: Figure) -> dict[str, Any]:
    """What a number and a text have in common."""
    statements = view.statements(figure.evidence)
    return {
        "evidence": tuple(
            contract.Statement(id=record.id, sql=record.sql, digest=record.digest, rows=record.rows)
            for record in statements
        ),
        "computations": tuple(record.id for record in view.computations(figure.evidence)),
        **figure.model_dump(
            include={
                "id",
                "label",
                "display",
                "method",
                "parameters",
                "as_of",
                "verified",
                "kind",
                "cells",
            }
        ),
    }


def _record(record: EvidenceRecord) -> contract.Record:
    return contract.Record(**record.model_dump())


def _runs(prose: Prose) -> contract.Sentence:
    return tuple(contract.Run(text=run.text, figure=run.figure or None) for run in prose)


def _author(author: Author) -> str:
    return author.name if author.kind == "model" else author.kind


def _decimal(value: Decimal) -> str:
    return format(value, "f")


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
