"""
Renderers: one report, five formats, the same figures in each.

`render` writes a report's files into a folder. The same report gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from reports.document import Report
from reports.figures import Drawing
from reports.render import _view as words
from reports.render._files import WrittenFile, write_all
from reports.render._view import View
from services.errors import SettingInvalid
from services.evidence import Table

__all__ = ["FORMATS", "View", "WrittenFile", "render", "words"]

FORMATS: Final = ("html", "pdf", "xlsx", "md", "json")
_DRAWN: Final = frozenset({"html", "pdf"})


def render(
    report: Report, tables: Mapping[str, Table], formats: Sequence[str], folder: Path
) -> tuple[WrittenFile, ...]:
    """
    Write *report* into *folder*, one file a format, each replaced as a whole.

    *tables* holds the full rows of the report's evidence by id, for the workbook. Raises
    `OutputUnwritable` when the folder cannot be written; nothing half-written is left.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise SettingInvalid(
            f"A report has no format {unknown[0]!r}.", hint=f"Formats are {', '.join(FORMATS)}."
        )
    return write_all(folder, _contents(report, tables, tuple(dict.fromkeys(formats))))


def _contents(
    report: Report, tables: Mapping[str, Table], formats: Sequence[str]
) -> dict[str, bytes]:
    # One thread each: some wait for the pictures while the others write.
    with ThreadPoolExecutor(len(FORMATS) + 1) as pool:
        drawn = pool.submit(_drawings, report if _DRAWN & {*formats} else None)
        makers: dict[str, Callable[[], bytes]] = {
            "html": lambda: _html(report, drawn.result()),
            "pdf": lambda: _pdf(report, drawn.result()),
            "xlsx": lambda: _xlsx(report, tables),
            "md": lambda: _markdown(report),
            "json": lambda: _json(report),
        }
        made = {name: pool.submit(makers[name]) for name in formats}
        return {name: made[name].result() for name in formats}


def _drawings(report: Report | None) -> dict[str, Drawing]:
    """Every chart by id, drawn once for page and paper; none without a report."""
    if report is None:
        return {}
    from reports.figures import draw

    figures = {figure.id: figure for figure in report.content.figures}
    charts = [chart for section in report.content.sections for chart in section.charts]
    return draw(charts, figures)


def _html(report: Report, drawings: Mapping[str, Drawing]) -> bytes:
    from reports.render.html import html_bytes

    return html_bytes(report, drawings)


def _pdf(report: Report, drawings: Mapping[str, Drawing]) -> bytes:
    from reports.render.pdf import pdf_bytes

    return pdf_bytes(report, drawings)


def _xlsx(report: Report, tables: Mapping[str, Table]) -> bytes:
    from reports.render.xlsx import xlsx_bytes

    return xlsx_bytes(report, tables)


def _markdown(report: Report) -> bytes:
    from reports.render.markdown import markdown_bytes

    return markdown_bytes(report)


def _json(report: Report) -> bytes:
    from reports.render.json import json_bytes

    return json_bytes(report)
