"""What is at stake when a report is published: its worst status, and what is over its limit."""

from __future__ import annotations

from reports.document import Figure, ReportContent, StatusRow
from services.review import Severity


def severity_of(content: ReportContent) -> Severity:
    """The worst status of the report's indicators and findings."""
    counts = content.summary.counts
    critical = any(
        finding.severity == "critical"
        for section in content.sections
        for finding in section.findings
    )
    if counts.get("red") or critical:
        return "red"
    if counts.get("amber"):
        return "amber"
    return "green" if counts.get("green") else "none"


def at_risk(content: ReportContent) -> str:
    """The largest amount over its limit, as the report prints it; empty where nothing is over."""
    figures = {figure.id: figure for figure in content.figures}
    over = [row for row in content.summary.status if row.status == "red"]
    over.sort(key=lambda row: _amount(row, figures), reverse=True)
    if not over:
        return ""
    rest = f"; {len(over) - 1} more over their limits" if len(over) > 1 else ""
    return _said(over[0], figures) + rest


def _amount(row: StatusRow, figures: dict[str, Figure]) -> tuple[bool, float]:
    """Money before ratios, and more before less."""
    figure = figures.get(row.indicator.value)
    if figure is None or figure.value is None:
        return False, 0.0
    return len(figure.unit) == 3 and figure.unit.isupper(), float(figure.value)


def _said(row: StatusRow, figures: dict[str, Figure]) -> str:
    value, limit = figures.get(row.indicator.value), figures.get(row.indicator.limit)
    said = f"{row.indicator.label}: {value.display if value else 'n/a'}"
    return f"{said} against {limit.display}" if limit else said
