"""
Writing a section without boilerplate.

A `Draft` collects what a section says. Its methods make claims on cells that exist, name them
under the section, and choose unit, digits, scale, date and method from the evidence. What it
makes is still only claimed: `services.analysis.verify` recomputes all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Unpack

from services.analysis import formats
from services.analysis._claimset import (
    Better,
    ClaimId,
    ClaimSet,
    How,
    Place,
    date_at,
    number_at,
    unit_at,
)
from services.analysis._limits import LimitClaims, claim_limit
from services.analysis._slots import slots_of
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import (
    ChartBlock,
    ChartKind,
    FigureCell,
    Finding,
    FindingKind,
    Indicator,
    SectionAnalysis,
    Severity,
    Status,
    StatusCell,
    TableBlock,
    TableCell,
    TableColumn,
    TextCell,
)
from services.evidence import Scalar

__all__ = [
    "SEVERITIES",
    "Better",
    "ClaimId",
    "ClaimSet",
    "Draft",
    "How",
    "Place",
    "date_at",
    "number_at",
    "row_where",
    "rows_where",
    "slug",
    "unit_at",
]

SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")


class Draft(ClaimSet):
    """What one section says so far. Prose may name claims with or without the section's name."""

    def __init__(self, context: SectionContext) -> None:
        super().__init__(context.section, context.as_of)
        self.context = context
        self._findings: list[Finding] = []
        self._tables: list[TableBlock] = []
        self._charts: list[ChartBlock] = []
        self._indicators: list[Indicator] = []
        self._methods: list[str] = []
        self._gaps: list[str] = []

    def finding(
        self,
        name: str,
        kind: FindingKind,
        severity: Severity,
        subject: str,
        prose: str,
        *,
        action: str = "",
    ) -> None:
        """One thing to know; its claims are those that its prose and action name."""
        prose, action = self.qualify(prose), self.qualify(action)
        named = dict.fromkeys(slot.claim for slot in slots_of(f"{prose} {action}"))
        self._findings.append(
            Finding(
                id=self.qualified(name),
                kind=kind,
                severity=severity,
                subject=subject,
                claims=tuple(named),
                prose=prose,
                action=action,
            )
        )

    def method(self, prose: str) -> None:
        """A slotted sentence on methods, parameters or assumptions."""
        self._methods.append(self.qualify(prose))

    def gap(self, prose: str) -> None:
        """A slotted sentence on what the warehouse does not have."""
        self._gaps.append(self.qualify(prose))

    def table(
        self,
        name: str,
        title: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[ClaimId | str | StatusCell]],
        *,
        total_row: bool = False,
        note: str = "",
        evidence: Sequence[Exhibit] = (),
    ) -> None:
        """
        A table; a cell is a claim, plain text or a status.

        Alignment follows the cells. A column of figures in one unit and scale names it in its
        head.
        """
        cells = [tuple(map(self._table_cell, row)) for row in rows]
        heads = [
            self._table_column(label, [row[index] for row in cells])
            for index, label in enumerate(columns)
        ]
        self._tables.append(
            TableBlock(
                id=self.qualified(name),
                title=self.qualify(title),
                columns=tuple(heads),
                rows=tuple(cells),
                total_row=total_row,
                note=self.qualify(note),
                evidence=tuple(exhibit.evidence.id for exhibit in evidence),
            )
        )

    def chart(
        self,
        name: str,
        kind: ChartKind,
        title: str,
        caption: str,
        exhibit: Exhibit,
        **fields: Any,
    ) -> None:
        """A chart of *exhibit*'s rows; *fields* are those of `ChartBlock` (x, y, series, ...)."""
        self._charts.append(
            ChartBlock(
                id=self.qualified(name),
                kind=kind,
                title=self.qualify(title),
                caption=self.qualify(caption),
                evidence=exhibit.evidence.id,
                **fields,
            )
        )

    def limit(
        self,
        name: str,
        label: str,
        measure: Place,
        limits: Exhibit,
        limit_id: str,
        *,
        previous: Place | None = None,
        **how: Unpack[How],
    ) -> ClaimId:
        """
        *measure* under limit *limit_id* of *limits*: its claims, its indicator, its finding.

        Makes the claims `name`, `.red`, `.amber`, `.vs_red`, `.vs_amber`, `.owner`, `.owner_role`
        and, given *previous*, `.change`; the row of the traffic-light table; and, when the limit
        or the early-warning level is passed, a finding with the owner's action. Where *limits*
        has no such row, the indicator carries no status.
        """
        value = self.value(name, label, *measure, **how)
        row = row_where(limits, limit_id=limit_id)
        limit = None if row is None else claim_limit(self, value, measure, limits, row, how)
        change = self._limit_change(value, measure, previous, limit, how)
        self._indicators.append(
            Indicator(
                id=value,
                label=label,
                section=self.section,
                status=limit.status if limit else "none",
                value=value,
                change=change,
                limit=limit.red if limit else "",
                amber=limit.amber if limit else "",
                owner=limit.owner if limit else "",
            )
        )
        if limit and limit.status in {"red", "amber"}:
            self._limit_finding(limit, label, change)
        return value

    def status(self, value: ClaimId) -> Status:
        """Status of the indicator that shows *value*; `none` when none does."""
        shown = (row.status for row in self._indicators if row.value == value)
        return next(shown, "none")

    def finish(self, *, historical: str = "") -> SectionAnalysis:
        """The section, worst findings first."""
        exhibits = [*self.context.exhibits.values(), *self.context.computed]
        tables = {table for exhibit in exhibits for table in exhibit.evidence.tables}
        return SectionAnalysis(
            section=self.section,
            title=self.context.title,
            claims=tuple(self.claims.values()),
            findings=tuple(sorted(self._findings, key=lambda f: SEVERITIES.index(f.severity))),
            tables=tuple(self._tables),
            charts=tuple(self._charts),
            indicators=tuple(self._indicators),
            methods=tuple(self._methods),
            gaps=tuple(self._gaps),
            evidence=tuple(dict.fromkeys(exhibit.evidence.id for exhibit in exhibits)),
            synthetic=any(table.startswith("syn_") for table in tables),
            historical=historical,
        )

    def _limit_change(
        self,
        value: ClaimId,
        measure: Place,
        previous: Place | None,
        limit: LimitClaims | None,
        how: How,
    ) -> str:
        if previous is None:
            return ""
        better: Better = "" if not limit else "higher" if limit.binding == "min" else "lower"
        changed: How = {**how}
        if unit_at(measure) == "ratio":
            # A difference of ratios is printed in pp, with as many decimals as the ratio.
            changed.pop("unit", None)
        label = f"{self.claims[value].label}: change"
        return self.change(f"{value}.change", label, measure, previous, better=better, **changed)

    def _limit_finding(self, limit: LimitClaims, label: str, change: str) -> None:
        prose = limit.prose
        if change:
            moved = self.moved(ClaimId(change))
            prose += f" Since {ClaimId(change).at('since')} it {moved}."
        red = limit.status == "red"
        self.finding(
            f"{limit.value}.limit",
            "limit_breach" if red else "observation",
            "high" if red else "medium",
            label,
            prose,
            action=limit.action,
        )

    def _table_cell(self, cell: ClaimId | str | StatusCell) -> TableCell:
        match cell:
            case ClaimId():
                return FigureCell(claim=self.qualified(cell))
            case str():
                return TextCell(text=cell)
            case _:
                return cell

    def _table_column(self, label: str, cells: Sequence[TableCell]) -> TableColumn:
        named = [cell.claim for cell in cells if isinstance(cell, FigureCell)]
        figures = [self.claims[name] for name in named if name not in self._texts]
        if not figures:
            status = bool(cells) and all(isinstance(cell, StatusCell) for cell in cells)
            return TableColumn(label=label, align="center" if status else "left")
        units = {formats.head(claim.unit, claim.scale) for claim in figures}
        return TableColumn(label=label, unit=units.pop() if len(units) == 1 else "")


def rows_where(exhibit: Exhibit, **values: Scalar) -> tuple[str, ...]:
    """Keys of the rows whose columns hold *values*, in the table's order."""
    table = exhibit.table
    columns = [(table.values(name), value) for name, value in values.items()]
    return tuple(
        key
        for index, key in enumerate(table.row_keys)
        if all(column[index] == value for column, value in columns)
    )


def row_where(exhibit: Exhibit, **values: Scalar) -> str | None:
    """Key of the first row whose columns hold *values*."""
    return next(iter(rows_where(exhibit, **values)), None)


def slug(name: str) -> str:
    """*name* as a part of a claim id: `FX Spot` becomes `fx_spot`."""
    plain = "".join(c if c.isascii() and c.isalnum() else " " for c in name.lower())
    return "_".join(plain.split()) or "unnamed"
