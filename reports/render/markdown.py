"""The report as Markdown, for a wiki, a diff or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from reports.document import (
    EvidenceRecord,
    RenderedChart,
    RenderedFinding,
    RenderedTable,
    Report,
    Section,
)
from reports.render import _view
from reports.render._view import STATUS_COLUMNS, View, plain_text
from services.analysis import formats

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$]|&(?=#?\w+;))")
_BULLET = re.compile(r"^([-+=])")
_ORDERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
_SHAPES = {"red": "■", "amber": "▲", "green": "●", "none": _view.NOTHING}


def markdown_bytes(report: Report) -> bytes:
    """*report* as CommonMark with tables; figures are plain text, listed with their ids at the end."""
    view = View(report)
    parts = chain(
        _opening(view),
        _summary(view),
        *(_section(view, section) for section in report.content.sections),
        _closing(view),
    )
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def escaped(text: str) -> str:
    """*text* as Markdown that prints it literally, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.splitlines()))


def paragraph(text: str) -> str:
    """*text* as a paragraph that prints it literally: no list, rule or heading starts in it."""
    return _ORDERED.sub(r"\1\\\2", _BULLET.sub(r"\\\1", escaped(text)))


def _opening(view: View) -> Iterator[str]:
    report, cover = view.report, view.report.content.cover
    yield f"# {escaped(view.title)}"
    yield f"**{report.status}** · as of {formats.display_date(cover.as_of)}"
    if cover.fictional:
        yield f"> {escaped(cover.fictional)}"


def _summary(view: View) -> Iterator[str]:
    summary = view.report.content.summary
    yield "## Summary"
    yield f"**{escaped(plain_text(summary.headline))}**"
    yield _bullets(map(plain_text, summary.lines))
    rows = [
        [
            f"{_SHAPES[cell.status]} {cell.text}" if cell.status else escaped(cell.text)
            for cell in row
        ]
        for row in view.status_rows()
    ]
    if rows:
        heads, aligns = zip(*STATUS_COLUMNS, strict=True)
        yield _table(heads, aligns, rows)
    if summary.actions:
        yield "### Who acts"
        yield "\n".join(
            f"{number}. {paragraph(plain_text(action))}"
            for number, action in enumerate(summary.actions, 1)
        )
    yield _table(["", ""], ["left", "left"], [[n, escaped(v)] for n, v in view.facts])


def _section(view: View, section: Section) -> Iterator[str]:
    tag = " (synthetic data)" if section.synthetic else ""
    yield f"## {section.number} {escaped(section.title)}{tag}"
    if section.skipped:
        yield f"> This section was left out. {escaped(section.skipped)}"
        return
    if section.historical:
        yield f"> {escaped(section.historical)}"
    yield from chain.from_iterable(_finding(found) for found in section.findings)
    for table in section.tables:
        yield from _rendered_table(view, table)
    yield from (_chart(chart) for chart in section.charts)
    if section.methods:
        yield "### Methods and assumptions"
        yield _bullets(map(plain_text, section.methods))
    if section.gaps:
        yield "### Not available"
        yield _bullets(map(plain_text, section.gaps))


def _finding(found: RenderedFinding) -> Iterator[str]:
    shape = _SHAPES[_view.SEVERITY_STATUS[found.severity]]
    yield f"### {shape} {escaped(found.subject)} ({_view.SEVERITY_WORDS[found.severity].lower()})"
    yield paragraph(plain_text(found.prose))
    if said := _view.byline(found):
        yield f"*{escaped(said)}*"
    if found.action:
        yield f"**Action:** {escaped(plain_text(found.action))}"


def _rendered_table(view: View, table: RenderedTable) -> Iterator[str]:
    block = table.block
    yield f"**{escaped(plain_text(table.title))}**"
    heads = [", ".join(part for part in (c.label, c.unit) if part) for c in block.columns]
    rows = [
        [
            f"{_SHAPES[cell.status]} {cell.text}" if cell.status else escaped(cell.text)
            for cell in (
                view.shown(raw, column) for raw, column in zip(row, block.columns, strict=True)
            )
        ]
        for row in block.rows
    ]
    yield _table([escaped(head) for head in heads], [c.align for c in block.columns], rows)
    reasons = [f"n/a: {figure.reason}" for figure in view.absences(table)]
    yield paragraph(" ".join([plain_text(table.note), *reasons]).strip())


def _chart(chart: RenderedChart) -> str:
    title, caption = escaped(plain_text(chart.title)), escaped(plain_text(chart.caption))
    return f"*Chart: {title}.* {caption} Data: `{chart.block.evidence}`"


def _closing(view: View) -> Iterator[str]:
    report, content = view.report, view.report.content
    yield "## Methods"
    yield _bullets(f"{method.name}: {plain_text(method.text)}" for method in view.conventions())
    yield "## Figure register"
    yield _table(
        ["Figure", "Id", "Value", "Method and parameters", "As of", "Verified", "Evidence"],
        ["left", "left", "right", "left", "left", "left", "left"],
        [
            [
                escaped(figure.label),
                f"`{figure.id}`",
                escaped(figure.display),
                escaped(
                    "; ".join(
                        part
                        for part in (
                            figure.method,
                            _view.parameters_text(figure.parameters),
                            figure.reason,
                        )
                        if part
                    )
                ),
                figure.as_of.isoformat(),
                "yes" if figure.verified else "no",
                " ".join(f"`{name}`" for name in figure.evidence),
            ]
            for figure in content.figures
        ],
    )
    yield "## Evidence"
    yield from chain.from_iterable(_record(record) for record in content.evidence)
    yield "## Authorship"
    yield _bullets(_view.author_lines(report) or ["Everything was written by the rules."])
    yield "## Audit trail"
    yield _table(
        ["No.", "When", "Event", "What"],
        ["right", "left", "left", "left"],
        [
            [str(line.seq), _view.moment(line.at), escaped(line.event), escaped(line.text)]
            for line in report.audit
        ],
    )
    if report.audit_head:
        yield f"Head of the chain: `{report.audit_head}`"


def _record(record: EvidenceRecord) -> Iterator[str]:
    kind = record.computation or _view.KIND_WORDS[record.kind]
    rows = _view.counted(record.rows, "row") + ("" if record.complete else ", cut at the row cap")
    inputs = ", ".join(f"`{name}`" for name in record.inputs)
    made = f", made from {inputs}" if inputs else ""
    yield f"### `{record.id}`"
    yield (
        f"{escaped(kind)}, {rows}, as of {record.as_of.isoformat()}{made}; "
        f"digest of the rows `{record.digest}`"
    )
    if record.sql:
        fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", record.sql)), default=0))
        yield f"{fence}sql\n{_view.laid_out(record.sql)}\n{fence}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {paragraph(line)}" for line in lines)


def _table(heads: Sequence[str], aligns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    marks = {"right": "---:", "center": ":---:"}
    lines = [heads, [marks.get(align, "---") for align in aligns], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
