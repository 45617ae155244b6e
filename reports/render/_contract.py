"""
The shape of `report.json`: a versioned contract for other programs.

Within one major version, fields are only added. Numbers that are figures travel as decimal
strings, so that no reader rounds them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from reports.document import SCHEMA_VERSION
from services.analysis.findings import ChartKind, FindingKind, Severity, Status
from services.evidence import Frozen, Plain

SCHEMA_ID = "https://assay.example/schemas/report-1.json"

DecimalText = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$")]
Unit = Annotated[str, Field(pattern=r"^([A-Z]{3}|ratio|pp|bp|count|days|years)$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Run(Frozen):
    """A piece of a sentence; `figure` names the figure that its text prints."""

    text: str
    figure: str | None = None


Sentence = tuple[Run, ...]


class Statement(Frozen):
    """A statement that a figure rests on."""

    id: str
    sql: str
    digest: str
    rows: int
    """How many rows it gave."""


class Verified(Frozen):
    """What the report says at one place, and the way back to the warehouse."""

    id: str
    """The same in every run."""
    label: str
    display: str
    method: str
    parameters: dict[str, str]
    as_of: date
    verified: bool
    kind: str
    cells: tuple[str, ...]
    """`evidence/row/column` of each cell it was recomputed from."""
    evidence: tuple[Statement, ...]
    """The SQL statements it rests on, directly or through computations."""
    computations: tuple[str, ...]
    """Ids of the computations between the figure and its statements."""


class JsonFigure(Verified):
    """One number of the report."""

    value: DecimalText | None
    """The value, unrounded and unscaled; null where it is not available: see `reason`."""
    unit: Unit
    """A number without a dimension, such as a p-value, is a ratio."""
    reason: str
    """Why there is no number."""


class JsonText(Verified):
    """One text that was read from the warehouse: a name, an owner, a verdict."""

    text: str


class Record(Frozen):
    """A piece of evidence: a statement with its rows, or a computation on other evidence."""

    id: str
    kind: Literal["metric_query", "sql", "computation"]
    sql: str
    computation: str
    inputs: tuple[str, ...]
    digest: str
    rows: int
    complete: bool
    as_of: date
    tables: tuple[str, ...]
    columns: tuple[dict[str, Any], ...]
    sample: tuple[dict[str, Plain], ...]


class Credit(Frozen):
    """Who wrote what: how much was offered, and how much of it passed the checks."""

    role: str
    author: str
    model: str | None
    offered: int
    kept: int
    note: str


class JsonFinding(Frozen):
    id: str
    kind: FindingKind
    severity: Severity
    subject: str
    prose: str
    action: str
    claims: tuple[str, ...]
    """Ids of the figures it rests on."""
    texts: tuple[str, ...]
    """Ids of the texts it names."""
    prose_runs: Sentence
    action_runs: Sentence
    author: str
    prose_author: str
    edited: bool
    """Whether a person has worded it anew."""


class JsonColumn(Frozen):
    label: str
    unit: str


class JsonCell(Frozen):
    """A cell: its text as printed, and the figure or status behind it."""

    text: str
    figure: str | None = None
    status: Status | None = None


class JsonTable(Frozen):
    id: str
    title: str
    columns: tuple[JsonColumn, ...]
    rows: tuple[tuple[JsonCell, ...], ...]
    total_row: bool
    note: str
    evidence: tuple[str, ...]


class JsonChart(Frozen):
    id: str
    kind: ChartKind
    title: str
    caption: str
    evidence: str
    x: str
    y: str
    series: str
    unit: str


class JsonSection(Frozen):
    id: str
    number: int
    title: str
    synthetic: bool
    historical: str
    skipped: str
    findings: tuple[JsonFinding, ...]
    tables: tuple[JsonTable, ...]
    charts: tuple[JsonChart, ...]
    methods: tuple[str, ...]
    gaps: tuple[str, ...]
    evidence: tuple[str, ...]


class JsonIndicator(Frozen):
    """A row of the traffic-light table; value, limit, amber, change and owner are figure ids."""

    id: str
    label: str
    section: str
    status: Status
    value: str
    limit: str | None
    amber: str | None
    change: str | None
    owner: str | None


class JsonSummary(Frozen):
    headline: str
    headline_runs: Sentence
    lines: tuple[str, ...]
    actions: tuple[str, ...]
    status: tuple[JsonIndicator, ...]
    counts: dict[str, int]


class JsonCover(Frozen):
    title: str
    scope: str
    entity: str
    question: str
    template: str
    as_of: date
    previous: date | None
    currency: str
    snapshot: str
    fictional: str
    authorship: tuple[Credit, ...]


class JsonMethod(Frozen):
    name: str
    text: str


class JsonAttestation(Frozen):
    """A person's decision on the report of that digest."""

    decision: Literal["approved", "rejected", "withdrawn"]
    by: str
    at: AwareDatetime
    digest: str
    note: str


class JsonAuditLine(Frozen):
    seq: int
    at: AwareDatetime
    event: str
    text: str


class JsonAudit(Frozen):
    head: str
    """Digest of the last entry of the chain."""
    entries: tuple[JsonAuditLine, ...]


class ReportJson(Frozen):
    """A financial risk assessment report whose every figure can be recomputed."""

    schema_version: str = Field(default=SCHEMA_VERSION, pattern=r"^1\.\d+$")
    run_id: str
    status: Literal["DRAFT", "APPROVED", "REJECTED", "WITHDRAWN"]
    digest: Digest
    """Of the content: the same question on the same snapshot gives the same digest."""
    created_at: AwareDatetime
    cover: JsonCover
    summary: JsonSummary
    sections: tuple[JsonSection, ...]
    methods: tuple[JsonMethod, ...]
    figures: tuple[JsonFigure, ...]
    texts: tuple[JsonText, ...]
    evidence: tuple[Record, ...]
    attestation: JsonAttestation | None
    audit: JsonAudit


def report_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `report.json`."""
    schema = ReportJson.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **schema,
    }
