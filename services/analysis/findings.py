"""
What an analyst hands over for one section: claims, findings, tables, charts and status rows.

Prose is slotted. A slot is `{claim_id}` (the recomputed value as printed), `{claim_id:word}` (a
word such as `above` or `rose`, checked against the claim) or `{claim_id@name}` (`label`, `as_of`,
`method` or one of the claim's parameters). Outside slots prose holds no digit, number-word, date
or direction word.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from services.analysis.claims import Claim
from services.evidence import Frozen

Severity: TypeAlias = Literal["critical", "high", "medium", "low", "info"]
Status: TypeAlias = Literal["red", "amber", "green", "none"]
FindingKind: TypeAlias = Literal[
    "limit_breach",
    "concentration",
    "trend",
    "backtest",
    "staging",
    "data_quality",
    "not_available",
    "observation",
]

ChartKind: TypeAlias = Literal[
    "line", "bar", "grouped_bar", "histogram", "backtest", "heatmap", "waterfall"
]


class Author(Frozen):
    """Who wrote something: the rules, or a model with its name."""

    kind: Literal["rules", "model"] = "rules"
    name: str = "rules"


class Authorship(Frozen):
    """Who wrote what: how many findings and sentences, and how many of a model's survived."""

    role: Literal["sql", "analyst", "narrator"]
    author: Author
    offered: int
    kept: int
    note: str = ""


class Finding(Frozen):
    """One thing a reader should know, resting on claims of its section."""

    id: str
    kind: FindingKind
    severity: Severity
    subject: str
    """Short plain name of what it is about, without figures."""
    claims: tuple[str, ...] = Field(min_length=1)
    prose: str
    """One to three slotted sentences."""
    action: str = ""
    """Slotted sentence: who should do what; empty when nobody needs to act."""
    author: Author = Author()
    prose_author: Author = Author()
    edited: bool = False
    """Whether a person has worded the prose anew since."""


class TextCell(Frozen):
    kind: Literal["text"] = "text"
    text: str


class FigureCell(Frozen):
    """Shows the outcome of a claim."""

    kind: Literal["figure"] = "figure"
    claim: str


class StatusCell(Frozen):
    kind: Literal["status"] = "status"
    status: Status


TableCell: TypeAlias = Annotated[TextCell | FigureCell | StatusCell, Field(discriminator="kind")]


class TableColumn(Frozen):
    label: str
    align: Literal["left", "right", "center"] = "right"
    unit: str = ""
    """Unit and scale of every figure below (`EUR m`), said in the head; cells then print without."""


class TableBlock(Frozen):
    """A table of the report. Every number in it is a claim of the section."""

    id: str
    title: str
    """Slotted."""
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    total_row: bool = False
    """True when the last row is a total and is set apart."""
    note: str = ""
    evidence: tuple[str, ...] = ()
    """Evidence whose full rows stand in the workbook."""


class ChartBlock(Frozen):
    """
    A chart, drawn from the rows of one piece of evidence.

    `kind` chooses the form: `line` (x, y[, series], rules drawn as labelled lines), `bar` (sorted
    horizontal bars of y by x), `grouped_bar` (with series), `histogram` (of x, `tail` marked),
    `backtest` (x date, y return or P&L, `band` = VaR as a positive loss, exceptions marked),
    `heatmap` (x, series, y = colour), `waterfall` (x, y).
    """

    id: str
    kind: ChartKind
    title: str
    """Slotted: the message of the chart."""
    caption: str
    """Slotted: source, as-of, method."""
    evidence: str
    x: str
    y: str = ""
    series: str = ""
    band: str = ""
    tail: str = ""
    """Claim id whose value marks the tail of a histogram."""
    rules: tuple[str, ...] = ()
    """Claim ids drawn as labelled reference lines."""
    x_label: str = ""
    y_label: str = ""
    unit: str = ""
    options: dict[str, Any] = {}


class Indicator(Frozen):
    """A row of the traffic-light table: a measure against its limit, and its change."""

    id: str
    label: str
    section: str
    status: Status
    value: str
    """Claim id."""
    limit: str = ""
    """Claim id of the red threshold."""
    amber: str = ""
    change: str = ""
    """Claim id of the change against the previous period."""
    owner: str = ""
    """Claim id of a text claim."""


class SectionAnalysis(Frozen):
    """All that one section says, before verification."""

    section: str
    title: str
    claims: tuple[Claim, ...] = ()
    findings: tuple[Finding, ...] = ()
    tables: tuple[TableBlock, ...] = ()
    charts: tuple[ChartBlock, ...] = ()
    indicators: tuple[Indicator, ...] = ()
    methods: tuple[str, ...] = ()
    """Slotted sentences: methods, parameters and assumptions used here."""
    gaps: tuple[str, ...] = ()
    """Slotted sentences: what is not available in the warehouse and is not filled."""
    evidence: tuple[str, ...] = ()
    """Every piece of evidence used, computations included."""
    synthetic: bool = False
    """True when a table of the fictional bank was read."""
    historical: str = ""
    """When the data is of another time than the report's as-of: which time, in words."""
