"""The workbook."""

from __future__ import annotations

import io
from datetime import date, datetime, time
from decimal import Decimal

import openpyxl
import pytest

from reports.render import xlsx
from reports.render.xlsx import xlsx_bytes
from tests.reports import report_samples

HEAD = 5


@pytest.fixture(scope="module")
def book(report):
    return openpyxl.load_workbook(io.BytesIO(xlsx_bytes(report, report_samples.TABLES)))


def _as_in_a_sheet(value):
    match value:
        case Decimal():
            return float(value)
        case date():
            return datetime.combine(value, time.min)
        case _:
            return value


def test_sheets_stand_in_a_reader_s_order(book) -> None:
    """Summary, figures, evidence, and a sheet for each piece of evidence."""
    assert ["Summary", "Figures", "Evidence", "E01", "E02", "E03", "E04", "E05"] == book.sheetnames


def test_figures_are_numbers(book, report) -> None:
    """A value is the exact number, with its unit beside it."""
    rows = {row[0].value: row for row in book["Figures"].iter_rows(min_row=HEAD + 1)}

    for figure in report.content.figures:
        cells = rows[figure.id]
        expected = None if figure.value is None else float(figure.value)
        assert (cells[2].value, cells[4].value or "") == (expected, figure.unit)


def test_nothing_is_a_formula(book) -> None:
    """Text that starts like a formula stays text."""
    kinds = {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row}
    said = {cell.value for row in book["E01"].iter_rows() for cell in row}

    assert "f" not in kinds
    assert set(report_samples.HOSTILE) <= said


def test_evidence_sheets_hold_every_row_as_what_it_is(book) -> None:
    """Numbers, dates, flags and NULLs of the evidence arrive unchanged."""
    table = report_samples.TABLES["ev_a0"]
    sheet = book["E01"]
    shown = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=HEAD + 1, max_col=4)]
    expected = [[_as_in_a_sheet(value) for value in row.values()] for row in table.rows()]

    assert expected == shown


def test_heads_are_frozen(book) -> None:
    """The heads of long sheets stay in view."""
    assert {book[name].freeze_panes for name in ("Figures", "Evidence", "E03")} == {f"A{HEAD + 1}"}


def test_status_is_on_every_sheet_and_printed_page(book) -> None:
    """Each sheet says whether the report was approved."""
    for sheet in book:
        assert sheet["A2"].value.startswith("DRAFT · ")
        assert sheet.oddHeader.left.text == "DRAFT"


def test_rows_beyond_a_sheet_are_said_to_be_missing(report, monkeypatch) -> None:
    """A sheet that cannot hold all rows holds the first and says how many."""
    monkeypatch.setattr(xlsx, "MOST_ROWS", 105)
    made = openpyxl.load_workbook(io.BytesIO(xlsx_bytes(report, report_samples.TABLES)))
    sheet = made["E03"]

    assert sheet.max_row == 105
    assert "510 rows, of which a sheet holds the first 100" in sheet["A1"].value


def test_the_same_report_gives_the_same_workbook(report) -> None:
    """The clock does not enter the file."""
    tables = report_samples.TABLES

    assert xlsx_bytes(report, tables) == xlsx_bytes(report, tables)
