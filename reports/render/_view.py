"""What every renderer asks of a report: look-ups, words for statuses, cells as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from reports.document import (
    EvidenceRecord,
    Figure,
    Method,
    Prose,
    RenderedFinding,
    RenderedTable,
    Report,
    ReportContent,
)
from services.analysis import formats
from services.analysis.findings import (
    Author,
    FigureCell,
    Severity,
    Status,
    StatusCell,
    TableCell,
    TableColumn,
    TextCell,
)

STATUS_WORDS: Final[dict[Status, str]] = {
    "red": "Red",
    "amber": "Amber",
    "green": "Green",
    "none": "No limit",
}
SEVERITY_WORDS: Final[dict[Severity, str]] = {
    "critical": "Critical",
    "high": "High",
    "medium": "Medium",
    "low": "Low",
    "info": "Note",
}
SEVERITY_STATUS: Final[dict[Severity, Status]] = {
    "critical": "red",
    "high": "red",
    "medium": "amber",
    "low": "none",
    "info": "none",
}
STATUS_COLUMNS: Final = (
    ("Measure", "left"),
    ("Status", "left"),
    ("Value", "right"),
    ("Limit", "right"),
    ("Early warning", "right"),
    ("Change", "right"),
    ("Owner", "left"),
)
"""Heads of the traffic-light table, and how their columns are aligned."""
KIND_WORDS: Final = {
    "metric_query": "Governed metric query",
    "sql": "Unreviewed query",
    "computation": "Computation",
}
_CLAUSE: Final = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*"
      | \s+(?P<clause>(?:FROM|WHERE|GROUP\ BY|HAVING|ORDER\ BY|LIMIT|UNION(?:\ ALL)?
          |(?:LEFT\ |RIGHT\ |INNER\ |FULL\ |CROSS\ )?JOIN|QUALIFY|WINDOW)\b)""",
    re.VERBOSE,
)
NOTHING: Final = "\u2013"
"""Printed where a measure has no limit, change or owner, so that no cell is empty."""
NO_EVIDENCE: Final = "none"
"""Where figures stand that rest on no evidence: absences."""


@dataclass(frozen=True)
class Shown:
    """A cell as printed; `figure` names the figure behind it."""

    text: str
    figure: Figure | None = None
    status: Status | None = None

    @property
    def missing(self) -> bool:
        """True for a figure without a value."""
        return self.figure is not None and is_missing(self.figure)


@dataclass(frozen=True)
class View:
    """A report with its look-ups."""

    report: Report

    @cached_property
    def figures(self) -> dict[str, Figure]:
        return {figure.id: figure for figure in self.report.content.figures}

    @cached_property
    def records(self) -> dict[str, EvidenceRecord]:
        return {record.id: record for record in self.report.content.evidence}

    @cached_property
    def figures_by_evidence(self) -> dict[str, list[Figure]]:
        """Figures under the piece of evidence that shows them best: the one their cells lie in."""
        groups: dict[str, list[Figure]] = {name: [] for name in self.records}
        for figure in self.report.content.figures:
            groups.setdefault(self.home(figure), []).append(figure)
        return groups

    @cached_property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """The cover's facts: names and texts."""
        report, cover = self.report, self.report.content.cover
        previous = formats.display_date(cover.previous) if cover.previous else ""
        given = (
            ("Scope", cover.scope),
            ("Question", cover.question),
            ("As of", formats.display_date(cover.as_of)),
            ("Compared with", previous),
            ("Currency", cover.currency),
            ("Template", cover.template),
            ("Status", self.decided),
            ("Run", report.run_id),
            ("Made", moment(report.created_at)),
            ("Snapshot", cover.snapshot),
            ("Digest", report.digest),
        )
        return tuple((name, text) for name, text in given if text)

    @property
    def decided(self) -> str:
        """The status in words: who decided, and when."""
        report = self.report
        if report.attestation is None:
            return f"{report.status}: nobody has decided on this report"
        made = report.attestation
        note = f": {made.note}" if made.note else ""
        return f"{report.status}: {made.decision} by {made.by}, {moment(made.at)}{note}"

    @property
    def title(self) -> str:
        cover = self.report.content.cover
        return f"{cover.title}, {cover.entity}" if cover.entity else cover.title

    def home(self, figure: Figure) -> str:
        """Id of the evidence in which *figure* is shown."""
        places = (cell.split("/", 1)[0] for cell in figure.cells)
        known = (name for name in (*places, *figure.evidence) if name in self.records)
        return next(known, NO_EVIDENCE)

    def conventions(self) -> tuple[Method, ...]:
        """The methods that no section states, which hold for the whole report."""
        content = self.report.content
        stated = {method for section in content.sections for method in section.methods}
        return tuple(method for method in content.methods if method.text not in stated)

    def cited(self) -> tuple[Figure, ...]:
        """The numbers that sentences print, and those of the traffic-light table."""
        content = self.report.content
        named = {run.figure for prose in _sentences(content) for run in prose}
        for row in content.summary.status:
            indicator = row.indicator
            named |= {indicator.value, indicator.limit, indicator.amber, indicator.change}
        return tuple(
            figure for figure in content.figures if figure.id in named and figure.text is None
        )

    def beyond(self, figure: Figure) -> tuple[str, ...]:
        """Evidence of *figure* that does not lie beneath the piece in which it is shown."""
        reached = self._beneath([self.home(figure)])
        return tuple(name for name in figure.evidence if name not in reached)

    def statements(self, evidence: Iterable[str]) -> tuple[EvidenceRecord, ...]:
        """The SQL statements beneath *evidence*, each once, in the report's order."""
        reached = self._beneath(evidence)
        return tuple(
            record
            for name, record in self.records.items()
            if name in reached and record.kind != "computation"
        )

    def computations(self, evidence: Iterable[str]) -> tuple[EvidenceRecord, ...]:
        """The computations in *evidence* and between it and its statements."""
        reached = self._beneath(evidence)
        return tuple(
            record
            for name, record in self.records.items()
            if name in reached and record.kind == "computation"
        )

    def shown(self, cell: TableCell, column: TableColumn) -> Shown:
        """*cell* under *column*: without the unit where the head names it."""
        match cell:
            case TextCell():
                return Shown(cell.text)
            case StatusCell():
                return Shown(STATUS_WORDS[cell.status], status=cell.status)
            case FigureCell():
                return self.figure(cell.claim, bare=bool(column.unit))

    def figure(self, name: str, *, bare: bool = False) -> Shown:
        """Figure *name* as printed; a dash where there is no figure to name."""
        figure = self.figures.get(name)
        if figure is None:
            return Shown(NOTHING)
        if figure.text is not None:
            return Shown(figure.text, figure)
        return Shown(figure.short if bare and figure.short else figure.display, figure)

    def status_rows(self) -> Iterator[tuple[Shown, ...]]:
        """The traffic-light table under `STATUS_COLUMNS`, worst first."""
        for row in self.report.content.summary.status:
            indicator = row.indicator
            yield (
                Shown(indicator.label),
                Shown(STATUS_WORDS[row.status], status=row.status),
                self.figure(indicator.value),
                self.figure(indicator.limit),
                self.figure(indicator.amber),
                self.figure(indicator.change),
                self.figure(indicator.owner),
            )

    def absences(self, table: RenderedTable) -> tuple[Figure, ...]:
        """The figures of *table* that have no value, each reason once."""
        named = (cell.claim for row in table.block.rows for cell in row if cell.kind == "figure")
        missing = (figure for name in named if is_missing(figure := self.figures[name]))
        return tuple({figure.reason: figure for figure in missing}.values())

    def _beneath(self, evidence: Iterable[str]) -> set[str]:
        reached: set[str] = set()
        waiting = [name for name in evidence if name in self.records]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += [i for i in self.records[name].inputs if i in self.records]
        return reached


def _sentences(content: ReportContent) -> Iterator[Prose]:
    """All prose of the report."""
    summary = content.summary
    yield from (summary.headline, *summary.lines, *summary.actions)
    for section in content.sections:
        for found in section.findings:
            yield from (found.prose, found.action)
        for chart in section.charts:
            yield from (chart.title, chart.caption)
        for table in section.tables:
            yield from (table.title, table.note)
        yield from (*section.methods, *section.gaps)


def laid_out(sql: str) -> str:
    """*sql* with a line for each clause; what already has lines keeps them."""
    if "\n" in sql:
        return sql
    return _CLAUSE.sub(lambda m: f"\n{m['clause']}" if m["clause"] else m[0], sql).strip()


def is_missing(figure: Figure) -> bool:
    """True for a figure that is not available."""
    return figure.value is None and figure.text is None


def plain_text(prose: Prose) -> str:
    """*prose* without its links."""
    return "".join(run.text for run in prose)


def moment(at: datetime) -> str:
    """`8 October 2026, 09:30 UTC`."""
    utc = at.astimezone(UTC)
    return f"{formats.display_date(utc.date())}, {utc:%H:%M} UTC"


def written_by(author: Author) -> str:
    """Who wrote something, in words."""
    return "the rules" if author.kind == "rules" else f"model {author.name}"


def byline(found: RenderedFinding) -> str:
    """Who found and worded it, where that was not the rules alone; empty otherwise."""
    said = []
    if "model" in {found.author.kind, found.prose_author.kind}:
        said = [
            f"found by {written_by(found.author)}",
            f"worded by {written_by(found.prose_author)}",
        ]
    if found.edited:
        said.append("edited by a reviewer")
    text = ", ".join(said)
    return text[:1].upper() + text[1:]


def parameters_text(parameters: dict[str, str]) -> str:
    """`confidence 0.99, window 500`."""
    return ", ".join(f"{name} {value}" for name, value in parameters.items())


def exact(figure: Figure) -> str:
    """The value as recomputed, unrounded and unscaled, with its unit."""
    if figure.value is None:
        return figure.text or ""
    return f"{format(figure.value, 'f')} {figure.unit}".strip()


def counted(number: int, noun: str) -> str:
    """`1 row`, `1,204 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def author_lines(report: Report) -> Sequence[str]:
    """Who wrote what, a sentence each."""
    edited = sum(f.edited for section in report.content.sections for f in section.findings)
    return [
        f"{credit.role.upper() if credit.role == 'sql' else credit.role.capitalize()}: "
        f"{written_by(credit.author)}, {credit.kept:,} of {credit.offered:,} kept"
        + (f"; {credit.note}" if credit.note else "")
        for credit in report.content.cover.authorship
    ] + ([f"Editor: a reviewer, {counted(edited, 'finding')}"] if edited else [])
