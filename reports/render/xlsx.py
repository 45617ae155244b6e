"""
The workbook: the summary, every figure as a number, and the full rows of every piece of evidence.

Text is always written as text: a cell that starts with `=` stays what it says.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date
from decimal import Decimal
from typing import Any, Final

from reports.document import EvidenceRecord, Figure, Report
from reports.render import _view
from reports.render._view import STATUS_COLUMNS, View, plain_text
from services.analysis import formats
from services.evidence import Column, Scalar, Table

MOST_ROWS: Final = 1_048_576
"""Rows of a sheet, heads included: Excel's own limit."""
_LONGEST_TEXT: Final = 32_767
_HEAD_ROWS: Final = 4
_FIGURE_HEADS: Final = (
    ("Id", 34),
    ("Label", 44),
    ("Value", 18),
    ("Text", 18),
    ("Unit", 7),
    ("Display", 16),
    ("Method", 36),
    ("Parameters", 36),
    ("As of", 11),
    ("Verified", 9),
    ("Reason", 30),
    ("Evidence", 60),
)
_EVIDENCE_HEADS: Final = (
    ("Sheet", 10),
    ("Id", 30),
    ("Kind", 24),
    ("Computation", 24),
    ("Made from", 30),
    ("Tables", 30),
    ("Rows", 10),
    ("Complete", 9),
    ("As of", 11),
    ("Digest of the rows", 66),
    ("SQL", 90),
)


def xlsx_bytes(report: Report, tables: Mapping[str, Table]) -> bytes:
    """The workbook of *report*; *tables* holds the rows of its evidence by id."""
    import xlsxwriter

    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(
        buffer,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
            "nan_inf_to_errors": True,
        },
    )
    cover = report.content.cover
    book.set_properties(
        {
            "title": _view.View(report).title,
            "subject": f"As of {cover.as_of.isoformat()}",
            "author": "Assay",
            "comments": f"{report.status}, run {report.run_id}, digest {report.digest}",
            "created": report.created_at.astimezone(UTC).replace(tzinfo=None),
        }
    )
    _Workbook(book, View(report)).write(tables)
    book.close()
    return buffer.getvalue()


_DAY_ZERO: Final = date(1899, 12, 30)
"""What a sheet counts days from."""


class _Workbook:
    """The sheets of one report, and the formats they share."""

    def __init__(self, book: Any, view: View) -> None:
        self.book, self.view = book, view
        base = {"font_name": "Calibri", "font_size": 10, "valign": "top"}
        self._base = base
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def write(self, tables: Mapping[str, Table]) -> None:
        """All sheets, in the order a reader wants them."""
        records = [r for r in self.view.report.content.evidence if r.id in tables]
        sheets = {record.id: f"E{number:02}" for number, record in enumerate(records, 1)}
        self._summary()
        self._figures()
        self._evidence(sheets)
        for record in records:
            self._rows(sheets[record.id], record, tables[record.id])

    def _summary(self) -> None:
        report, content = self.view.report, self.view.report.content
        sheet = self._sheet("Summary", content.cover.title)
        for column, width in enumerate((40, 12, 18, 18, 18, 18, 26)):
            sheet.set_column(column, column, width)
        row = _HEAD_ROWS
        self._text(sheet, row, 0, plain_text(content.summary.headline), bold=True)
        for line in (*content.summary.lines, *content.summary.actions):
            row += 1
            self._text(sheet, row, 0, plain_text(line))
        row += 2
        self._heads(sheet, row, [name for name, _ in STATUS_COLUMNS])
        for shown in self.view.status_rows():
            row += 1
            for column, cell in enumerate(shown):
                if cell.figure is not None and cell.figure.value is not None:
                    self._number(sheet, row, column, cell.figure)
                else:
                    self._text(sheet, row, column, cell.text, **_status_look(cell.status))
        row += 2
        facts = (*self.view.facts, *(("Authorship", a) for a in _view.author_lines(report)))
        for name, text in facts:
            self._text(sheet, row, 0, name, font_color="#55606B")
            self._text(sheet, row, 1, text)
            row += 1

    def _figures(self) -> None:
        sheet = self._sheet("Figures", "Every figure, as recomputed from its evidence")
        self._table_head(sheet, _FIGURE_HEADS)
        figures = self.view.report.content.figures
        for row, figure in enumerate(figures, _HEAD_ROWS + 1):
            texts = {
                0: figure.id,
                1: figure.label,
                3: figure.text or "",
                4: figure.unit,
                5: figure.display,
                6: figure.method,
                7: _view.parameters_text(figure.parameters),
                9: "yes" if figure.verified else "no",
                10: figure.reason,
                11: " ".join(figure.evidence),
            }
            for column, text in texts.items():
                self._text(sheet, row, column, text)
            if figure.value is not None:
                self._number(sheet, row, 2, figure)
            self._date(sheet, row, 8, figure.as_of)
        sheet.autofilter(_HEAD_ROWS, 0, _HEAD_ROWS + len(figures), len(_FIGURE_HEADS) - 1)

    def _evidence(self, sheets: Mapping[str, str]) -> None:
        sheet = self._sheet("Evidence", "The statements that were run, and what was made of them")
        self._table_head(sheet, _EVIDENCE_HEADS)
        for row, record in enumerate(self.view.report.content.evidence, _HEAD_ROWS + 1):
            name = sheets.get(record.id)
            if name is not None:
                look = self._format(font_color="#00507D", underline=1)
                sheet.write_url(row, 0, f"internal:'{name}'!A1", look, string=name)
            texts = (
                record.id,
                _view.KIND_WORDS[record.kind],
                record.computation,
                " ".join(record.inputs),
                ", ".join(record.tables),
            )
            for column, text in enumerate(texts, 1):
                self._text(sheet, row, column, text)
            sheet.write_number(row, 6, record.rows, self._format(num_format="#,##0"))
            self._text(sheet, row, 7, "yes" if record.complete else "no")
            self._date(sheet, row, 8, record.as_of)
            self._text(sheet, row, 9, record.digest)
            self._text(sheet, row, 10, record.sql)

    def _rows(self, name: str, record: EvidenceRecord, table: Table) -> None:
        room = MOST_ROWS - _HEAD_ROWS - 1
        kept = min(len(table), room)
        kind = record.computation or _view.KIND_WORDS[record.kind]
        said = f"{record.id}: {kind}, {_view.counted(len(table), 'row')}"
        if kept < len(table):
            said += f", of which a sheet holds the first {kept:,}"
        if not record.complete:
            said += "; the statement was cut at the row cap"
        sheet = self._sheet(name, said)
        heads = [
            (f"{column.name} ({column.unit})" if column.unit else column.name, _width(column))
            for column in table.columns
        ]
        self._table_head(sheet, heads)
        for position, column in enumerate(table.columns):
            values = table.data[position]
            self._column(sheet, position, column, values[:kept] if kept < len(table) else values)

    def _column(self, sheet: Any, at: int, column: Column, values: Sequence[Scalar]) -> None:
        """A column's values below its head, each written as what it is."""
        number, day = self._format(num_format=_number_format(column)), self._day
        text = self._format()
        for row, value in enumerate(values, _HEAD_ROWS + 1):
            match value:
                case None:
                    pass
                case bool():
                    sheet.write_boolean(row, at, value, text)
                case int() | float() | Decimal():
                    if math.isfinite(value):
                        sheet.write_number(row, at, float(value), number)
                    else:
                        sheet.write_string(row, at, "n/a", text)
                case date():
                    sheet.write_number(row, at, (value - _DAY_ZERO).days, day)
                case _:
                    sheet.write_string(row, at, value[:_LONGEST_TEXT], text)

    def _sheet(self, name: str, title: str) -> Any:
        """A sheet with the report's running head in its first rows and on every printed page."""
        report = self.view.report
        sheet = self.book.add_worksheet(name)
        as_of = formats.display_date(report.content.cover.as_of)
        self._text(sheet, 0, 0, title, bold=True, font_size=14)
        self._text(
            sheet,
            1,
            0,
            f"{report.status} · {self.view.title} · as of {as_of}",
            font_color="#55606B",
        )
        self._text(
            sheet, 2, 0, f"Run {report.run_id}, digest {report.digest}", font_color="#55606B"
        )
        sheet.hide_gridlines(2)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.set_header(f"&L{report.status}&RAs of {as_of}")
        sheet.set_footer(f"&L{report.run_id}&RPage &P of &N")
        return sheet

    def _table_head(self, sheet: Any, heads: Sequence[tuple[str, int]]) -> None:
        for column, (_, width) in enumerate(heads):
            sheet.set_column(column, column, width)
        self._heads(sheet, _HEAD_ROWS, [name for name, _ in heads])
        sheet.freeze_panes(_HEAD_ROWS + 1, 0)
        sheet.repeat_rows(_HEAD_ROWS)

    def _heads(self, sheet: Any, row: int, names: Iterable[str]) -> None:
        for column, name in enumerate(names):
            self._text(
                sheet, row, column, name, bold=True, bottom=1, bg_color="#EEF1F4", text_wrap=True
            )

    def _text(self, sheet: Any, row: int, column: int, text: str, **look: Any) -> None:
        sheet.write_string(row, column, text[:_LONGEST_TEXT], self._format(**look))

    def _number(self, sheet: Any, row: int, column: int, figure: Figure) -> None:
        assert figure.value is not None
        look = self._format(num_format=_figure_format(figure))
        sheet.write_number(row, column, float(figure.value), look)

    def _date(self, sheet: Any, row: int, column: int, day: date) -> None:
        sheet.write_number(row, column, (day - _DAY_ZERO).days, self._day)

    @property
    def _day(self) -> Any:
        return self._format(num_format="yyyy-mm-dd", align="left")

    def _format(self, **look: Any) -> Any:
        key = tuple(sorted(look.items()))
        if key not in self._formats:
            self._formats[key] = self.book.add_format({**self._base, **look})
        return self._formats[key]


def _status_look(status: str | None) -> dict[str, Any]:
    colours = {"red": "#C24A00", "amber": "#8A5A00", "green": "#00785A"}
    return {"bold": True, "font_color": colours[status]} if status in colours else {}


def _figure_format(figure: Figure) -> str:
    """Enough decimals for what the figure prints; money unscaled, ratios in percent."""
    if "%" in figure.display:
        return "0.00%"
    if formats.is_currency(figure.unit):
        return "#,##0.00"
    if figure.unit in {"count", "days"}:
        return "#,##0"
    return "#,##0.0000" if figure.unit == "ratio" else "#,##0.00"


def _number_format(column: Column) -> str:
    if column.type == "integer":
        return "0" if not column.unit else "#,##0"
    if formats.is_currency(column.unit):
        return "#,##0.00"
    return "0.00%" if column.unit == "ratio" else "General"


def _width(column: Column) -> int:
    fitting = max(len(column.name) + len(column.unit) + 3, 11)
    return min(fitting + (8 if column.type == "string" else 4), 40)
