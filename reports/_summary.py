"""The first page: are we inside appetite, what changed, who must act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from reports._register import with_inputs
from reports._sections import VerifiedSection
from reports.document import Figure, Prose, StatusRow, Summary, TextRun
from services.analysis import formats
from services.analysis.build import SEVERITIES
from services.analysis.claims import ComparisonClaim, ValueClaim, evidence_of
from services.analysis.context import Exhibit
from services.analysis.findings import Finding, Indicator, Status
from services.evidence import Cell

_MOST_LINES: Final = 5
_STATUSES: Final[tuple[Status, ...]] = ("red", "amber", "green", "none")
_COUNTED: Final[Mapping[Status, str]] = {
    "red": "Limits breached",
    "amber": "At early warning",
    "green": "Inside appetite",
}

_NO_FINDING: Final = (TextRun(text="The tables hold the answer; there is no finding beyond them."),)


class _Row(NamedTuple):
    section: VerifiedSection
    indicator: Indicator


class _Point(NamedTuple):
    section: VerifiedSection
    finding: Finding


class SummaryWriter:
    """Writes the summary of *sections*; a limit that two of them show counts once, in the first."""

    def __init__(
        self, sections: Sequence[VerifiedSection], exhibits: Mapping[str, Exhibit], as_of: date
    ) -> None:
        self._sections = sections
        self._exhibits = exhibits
        self._as_of = as_of
        self._rows = self._worst_first()
        self._points = self._breaches_first()

    def figures(self) -> tuple[Figure, ...]:
        """How many measures have each status; none where no measure has a limit."""
        limited = [row for row in self._rows if row.indicator.limit]
        return tuple(self._count(status, limited) for status in _COUNTED) if limited else ()

    def summary(self) -> Summary:
        counts = self.figures()
        lines = [point.section.prose(point.finding.prose) for point in self._points]
        headline = _headline(counts) if counts else lines.pop(0) if lines else _NO_FINDING
        return Summary(
            headline=headline,
            lines=tuple(lines[:_MOST_LINES]),
            status=tuple(
                StatusRow(indicator=row.indicator, status=row.indicator.status)
                for row in self._rows
            ),
            actions=tuple(
                point.section.prose(point.finding.action)
                for point in self._points
                if point.finding.action
            ),
            counts=dict(Counter(row.indicator.status for row in self._rows)),
        )

    def _worst_first(self) -> list[_Row]:
        rows: dict[str, _Row] = {}
        for section in self._sections:
            for indicator in section.analysis.indicators:
                key = self._limit_of(section, indicator.limit) or indicator.id
                rows.setdefault(key, _Row(section, indicator))
        return sorted(rows.values(), key=lambda row: _STATUSES.index(row.indicator.status))

    def _breaches_first(self) -> list[_Point]:
        points: dict[str, _Point] = {}
        for section in self._sections:
            for finding in section.analysis.findings:
                points.setdefault(self._limits_of(section, finding), _Point(section, finding))
        return sorted(
            points.values(),
            key=lambda point: (
                point.finding.kind != "limit_breach",
                SEVERITIES.index(point.finding.severity),
            ),
        )

    def _limits_of(self, section: VerifiedSection, finding: Finding) -> str:
        """What two findings on the same limit have in common; the finding's id for any other."""
        thresholds = [
            claim.threshold
            for claim in map(section.claims.__getitem__, finding.claims)
            if isinstance(claim, ComparisonClaim) and claim.limit
        ]
        limits = {self._limit_at(cell) for cell in thresholds} - {""}
        return " ".join(sorted(limits)) or finding.id

    def _limit_of(self, section: VerifiedSection, red: str) -> str:
        claim = section.claims.get(red)
        return self._limit_at(claim.cell) if isinstance(claim, ValueClaim) else ""

    def _limit_at(self, cell: Cell) -> str:
        """Id of the limit whose row holds *cell*."""
        table = self._exhibits[cell.evidence].table
        known = any(column.name == "limit_id" for column in table.columns)
        return str(table.value(cell.row, "limit_id")) if known else ""

    def _count(self, status: Status, rows: Sequence[_Row]) -> Figure:
        counted = [row for row in rows if row.indicator.status == status]
        named = [
            evidence
            for row in rows
            for name in (row.indicator.value, row.indicator.limit)
            for evidence in evidence_of(row.section.claims[name])
        ]
        shown = formats.display(Decimal(len(counted)), "count", 0)
        return Figure(
            id=f"summary.{status}",
            label=_COUNTED[status],
            value=Decimal(len(counted)),
            unit="count",
            display=shown,
            short=shown,
            method="count of measures by their status against the limit",
            parameters={"status": status},
            as_of=self._as_of,
            verified=True,
            kind="count",
            evidence=with_inputs(dict.fromkeys(named), self._exhibits),
        )


def _headline(counts: Sequence[Figure]) -> Prose:
    runs: list[TextRun] = []
    for index, count in enumerate(counts):
        label = count.label if not index else count.label.lower()
        runs.append(TextRun(text=f"{'; ' if index else ''}{label}: "))
        runs.append(TextRun(text=count.display, figure=count.id))
    return (*runs, TextRun(text="."))
