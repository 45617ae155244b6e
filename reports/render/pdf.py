"""
The report on paper, set by Typst.

The template takes the report as data; no text of it is ever spliced into markup. System fonts are
ignored and the time is the report's, so that the same report gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple

from reports.document import (
    EvidenceRecord,
    Figure,
    Prose,
    RenderedChart,
    RenderedFinding,
    RenderedTable,
    Report,
    Section,
)
from reports.figures import FONT, Drawing, font_folder
from reports.render import _view
from reports.render._view import Shown, View
from services.analysis import formats

_LINE: Final = 96.0
"""Characters that fit on a line of a table."""
_LONGEST_WAY: Final = 220
"""Characters of a method and its parameters; the page and the workbook hold all of them."""
_NARROWEST: Final = 13.0
"""What a column of text keeps in a crowded table."""
_WIDEST: Final = 34.0
"""Where the text of a column starts to wrap."""


class Head(NamedTuple):
    """The head of a column."""

    label: str
    align: str
    unit: str = ""


def pdf_bytes(
    report: Report,
    drawings: Mapping[str, Drawing],
    *,
    paper: Literal["a4", "us-letter"] = "a4",
) -> bytes:
    """A tagged PDF of *report* with bookmarks, its charts drawn as vectors."""
    import typst

    document = json.dumps(_document(report, drawings) | {"paper": paper}, ensure_ascii=False)
    pdf: bytes = typst.compile(
        _template(),
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"report": document, "font": FONT},
        timestamp=int(report.created_at.timestamp()),
        format="pdf",
    )
    return pdf


@cache
def _template() -> bytes:
    return (files("reports.render.assets") / "report.typ").read_bytes()


@cache
def _fonts() -> Any:
    import typst

    return typst.Fonts(include_system_fonts=False, font_paths=[str(font_folder())])


def _document(report: Report, drawings: Mapping[str, Drawing]) -> dict[str, Any]:
    view = View(report)
    content = report.content
    cover, summary = content.cover, content.summary
    return {
        "status": report.status,
        "title": cover.title,
        "entity": cover.entity,
        "as_of": formats.display_date(cover.as_of),
        "run": report.run_id,
        "digest": report.digest,
        "fictional": cover.fictional,
        "facts": view.facts,
        "headline": _runs(summary.headline),
        "lines": [_runs(line) for line in summary.lines],
        "counts": [
            {"status": status, "text": f"{summary.counts[status]} {word.lower()}"}
            for status, word in _view.STATUS_WORDS.items()
            if summary.counts.get(status)
        ],
        "lights": _grid(
            [Head(name, align) for name, align in _view.STATUS_COLUMNS], view.status_rows()
        ),
        "actions": [_runs(action) for action in summary.actions],
        "sections": [_section(view, section, drawings) for section in content.sections],
        "methods": [{"name": m.name, "text": _runs(m.text)} for m in view.conventions()],
        **_register(view.cited()),
        "figure_count": f"{len(content.figures):,}",
        "evidence": [_record(record) for record in content.evidence],
        "authorship": _view.author_lines(report),
        "audit": [
            [str(line.seq), _view.moment(line.at), line.event, line.text] for line in report.audit
        ],
        "audit_head": report.audit_head,
    }


def _section(view: View, section: Section, drawings: Mapping[str, Drawing]) -> dict[str, Any]:
    return {
        "number": section.number,
        "title": section.title,
        "synthetic": section.synthetic,
        "historical": section.historical,
        "skipped": section.skipped,
        "findings": [_finding(found) for found in section.findings],
        "charts": [_chart(chart, drawings[chart.block.id]) for chart in section.charts],
        "tables": [_table(view, table) for table in section.tables],
        "methods": [_runs(line) for line in section.methods],
        "gaps": [_runs(line) for line in section.gaps],
    }


def _finding(found: RenderedFinding) -> dict[str, Any]:
    return {
        "subject": found.subject,
        "severity": _view.SEVERITY_WORDS[found.severity],
        "status": _view.SEVERITY_STATUS[found.severity],
        "prose": _runs(found.prose),
        "action": _runs(found.action),
        "by": _view.byline(found),
    }


def _chart(chart: RenderedChart, drawing: Drawing) -> dict[str, Any]:
    return {
        "title": _runs(chart.title),
        "caption": _runs(chart.caption),
        "alt": f"{_view.plain_text(chart.title)}. {_view.plain_text(chart.caption)}",
        "svg": drawing.svg,
        "width": drawing.width,
        "evidence": chart.block.evidence,
    }


def _table(view: View, table: RenderedTable) -> dict[str, Any]:
    block = table.block
    rows = (
        [view.shown(cell, column) for cell, column in zip(row, block.columns, strict=True)]
        for row in block.rows
    )
    return {
        "title": _runs(table.title),
        "note": _runs(table.note),
        "missing": [f"n/a: {figure.reason}" for figure in view.absences(table)],
        "grid": _grid([Head(c.label, c.align, c.unit) for c in block.columns], rows),
        "total": block.total_row,
    }


def _grid(heads: Sequence[Head], rows: Iterable[Sequence[Shown]]) -> dict[str, Any]:
    """A table as the template takes it, with the share of the width each column needs."""
    cells = [list(row) for row in rows]
    needs = [_need(head, [row[index] for row in cells]) for index, head in enumerate(heads)]
    return {
        "heads": [head._asdict() for head in heads],
        "rows": [
            [{"text": c.text, "status": c.status, "missing": c.missing} for c in row]
            for row in cells
        ],
        "widths": _widths(heads, needs),
    }


def _widths(heads: Sequence[Head], needs: Sequence[float]) -> list[float]:
    """Shares of the line: figures get what they need, and text wraps in what is left."""
    text = [need for head, need in zip(heads, needs, strict=True) if head.align == "left"]
    left = _LINE - (sum(needs) - sum(text))
    if not text:
        return [*needs]
    if sum(text) <= left:
        # What is over goes to the first column, which names the rows.
        return [needs[0] + left - sum(text), *needs[1:]]
    squeeze = left / sum(text)
    return [
        max(need * squeeze, min(need, _NARROWEST)) if head.align == "left" else need
        for head, need in zip(heads, needs, strict=True)
    ]


def _need(head: Head, cells: Sequence[Shown]) -> float:
    """How many characters a column wants: its longest cell, or the longest word of its head."""
    words = max(map(len, (*head.label.split(), head.unit)))
    texts = max((len(cell.text) + (3 if cell.status else 0) for cell in cells), default=0)
    return min(max(words, texts) + 2.5, _WIDEST)


def _register(figures: Sequence[Figure]) -> dict[str, Any]:
    """The figures, and the ways they were made, each said once under a short name."""
    ways: dict[str, str] = {}
    rows = []
    for figure in figures:
        parts = (figure.method, _view.parameters_text(figure.parameters))
        how = _shortened("; ".join(part for part in parts if part), _LONGEST_WAY)
        way = ways.setdefault(how, f"M{len(ways) + 1}") if how else ""
        rows.append(
            {
                "id": figure.id,
                "label": figure.label,
                "display": f"{figure.display}: {figure.reason}"
                if figure.reason
                else figure.display,
                "way": way,
                "as_of": figure.as_of.isoformat(),
                "cells": _cells(figure),
            }
        )
    return {"figures": rows, "ways": [{"name": name, "how": how} for how, name in ways.items()]}


def _cells(figure: Figure) -> str:
    """The cells of *figure*, evidence ids shortened, the first of many."""
    if not figure.cells:
        return ""
    name, _, place = figure.cells[0].partition("/")
    row, _, column = place.rpartition("/")
    more = f" +{len(figure.cells) - 1}" if len(figure.cells) > 1 else ""
    return f"{name[:11]}/{_shortened(row, 20)}/{column}{more}"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _record(record: EvidenceRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "kind": record.computation or _view.KIND_WORDS[record.kind],
        "rows": f"{record.rows:,}" + ("" if record.complete else "+"),
        "as_of": record.as_of.isoformat(),
        "digest": record.digest,
        "inputs": [name[:11] for name in record.inputs],
        "tables": ", ".join(record.tables),
        "sql": " ".join(record.sql.split("\n")),
    }


def _runs(prose: Prose) -> Sequence[Mapping[str, Any]]:
    return [{"text": run.text, "figure": bool(run.figure)} for run in prose]
