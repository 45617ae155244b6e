"""
The report as a value: everything a renderer needs, and nothing that it would have to compute.

`ReportContent` is what the digest covers. `Report` wraps it with what differs between two runs of
the same question: run id, times, status, decisions, audit.
"""

from __future__ import annotations

import hashlib
import operator
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, PlainSerializer

from services.analysis.findings import (
    Author,
    Authorship,
    ChartBlock,
    Indicator,
    Severity,
    Status,
    TableBlock,
)
from services.evidence import Column, Frozen, Plain, canonical_json

SCHEMA_VERSION = "1.0"


PlainDecimal = Annotated[Decimal, PlainSerializer(lambda v: format(v, "f"), when_used="json")]
"""A number whose JSON text never has an exponent."""


class EvidenceRecord(Frozen):
    """A statement that was run, as the report's reader may check it."""

    id: str
    sql: str
    digest: str
    rows: int
    as_of: date
    complete: bool = True
    tables: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    kind: Literal["metric_query", "sql", "computation"] = "metric_query"
    computation: str = ""
    """Name and version, for a computation; its `inputs` are evidence ids."""
    inputs: tuple[str, ...] = ()
    sample: tuple[dict[str, Plain], ...] = ()
    """The first rows, for the evidence panel; the workbook holds all of them."""


class Figure(Frozen):
    """One verified number or text of the report, with its way back to the warehouse."""

    id: str
    label: str
    value: PlainDecimal | None
    text: str | None = None
    unit: str
    display: str
    short: str = ""
    """`display` without the unit, for a column whose head names it."""
    method: str
    parameters: dict[str, str]
    as_of: date
    verified: bool
    reason: str = ""
    kind: str
    """Kind of the claim: value, change, share, rank, comparison, trend, absence."""
    evidence: tuple[str, ...]
    """Ids of the statements it rests on, and of computations between."""
    cells: tuple[str, ...] = ()
    """`evidence/row/column` of each cell."""


class TextRun(Frozen):
    """A piece of a sentence: plain words, or a figure printed in place."""

    text: str
    figure: str = ""
    """Figure id when this piece is a figure; `text` is then its display."""


Prose = tuple[TextRun, ...]


class RenderedFinding(Frozen):
    id: str
    section: str
    kind: str
    severity: Severity
    subject: str
    claims: tuple[str, ...]
    prose: Prose
    action: Prose = ()
    author: Author
    prose_author: Author
    edited: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """Whether a person has worded it anew; what nobody edited has the digest that it always had."""


class RenderedTable(Frozen):
    block: TableBlock
    title: Prose
    note: Prose = ()


class RenderedChart(Frozen):
    """A chart with its data: `rows` are the evidence rows it draws."""

    block: ChartBlock
    title: Prose
    caption: Prose
    columns: tuple[Column, ...]
    rows: tuple[dict[str, Plain], ...]


class Section(Frozen):
    id: str
    number: int
    title: str
    synthetic: bool = False
    historical: str = ""
    skipped: str = ""
    """Why a person left this section out; empty for a section that stands."""
    findings: tuple[RenderedFinding, ...] = ()
    tables: tuple[RenderedTable, ...] = ()
    charts: tuple[RenderedChart, ...] = ()
    methods: tuple[Prose, ...] = ()
    gaps: tuple[Prose, ...] = ()
    evidence: tuple[str, ...] = ()


class StatusRow(Frozen):
    """A row of the traffic-light table, worst first; the strings are figure ids."""

    indicator: Indicator
    status: Status


class Summary(Frozen):
    headline: Prose
    lines: tuple[Prose, ...]
    """At most five."""
    status: tuple[StatusRow, ...]
    actions: tuple[Prose, ...] = ()
    counts: dict[str, int] = {}
    """Indicators by status."""


class Cover(Frozen):
    title: str
    scope: str
    entity: str
    question: str = ""
    template: str
    as_of: date
    previous: date | None = None
    currency: str
    snapshot: str
    fictional: str = ""
    """Notice that the bank is fictional, where a synthetic table was read."""
    authorship: tuple[Authorship, ...] = ()


class Method(Frozen):
    name: str
    text: Prose


class ReportContent(Frozen):
    """What the digest covers."""

    cover: Cover
    summary: Summary
    sections: tuple[Section, ...]
    methods: tuple[Method, ...]
    figures: tuple[Figure, ...]
    evidence: tuple[EvidenceRecord, ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(canonical_json(self.model_dump(mode="json"))).hexdigest()


class AuditLine(Frozen):
    seq: int
    at: datetime
    event: str
    text: str


class Attestation(Frozen):
    """A person's decision, bound to the digest it was made on."""

    decision: Literal["approved", "rejected", "withdrawn"]
    by: str
    at: AwareDatetime
    digest: str
    note: str = ""


class Report(Frozen):
    """One report of one run."""

    content: ReportContent
    digest: str
    run_id: str
    created_at: AwareDatetime
    status: Literal["DRAFT", "APPROVED", "REJECTED", "WITHDRAWN"]
    attestation: Attestation | None = None
    audit: tuple[AuditLine, ...] = ()
    audit_head: str = ""
