"""The report on paper."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader

from reports.render.pdf import pdf_bytes
from tests.reports import report_samples


@pytest.fixture(scope="module")
def pdf(report, drawings) -> bytes:
    return pdf_bytes(report, drawings)


@pytest.fixture(scope="module")
def paper(pdf: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(pdf))


def test_status_date_and_count_stand_on_every_page(paper: PdfReader) -> None:
    """No page can be taken for one of another report."""
    for number, page in enumerate(paper.pages, 1):
        text = page.extract_text().replace("\u00a0", " ")
        assert "DRAFT" in text
        assert "As of 30 September 2026" in text
        assert f"Page {number} of {len(paper.pages)}" in text


def test_first_page_answers(paper: PdfReader) -> None:
    """Headline, traffic lights and who acts stand on the first page."""
    text = paper.pages[0].extract_text()

    assert "Outside appetite" in text
    assert "Measures against their limits, worst first" in text
    assert "Who acts" in text


def test_paper_is_tagged_and_has_bookmarks(paper: PdfReader) -> None:
    """A reader's software finds its way: tags, language, bookmarks of the sections."""
    titles = [item.title for item in paper.outline if not isinstance(item, list)]

    assert paper.trailer["/Root"]["/MarkInfo"]["/Marked"].value is True
    assert paper.trailer["/Root"]["/Lang"] == "en"
    assert any("Market risk" in title for title in titles)
    assert {"Methods", "Figure register", "Evidence", "Audit trail"} <= set(titles)


def test_dates_are_the_report_s_own(paper: PdfReader, report) -> None:
    """The clock of the machine does not enter the file."""
    assert report.created_at == paper.metadata.creation_date


def test_the_same_report_gives_the_same_bytes(pdf: bytes, report, drawings) -> None:
    """Setting it twice changes nothing."""
    assert pdf == pdf_bytes(report, drawings)


def test_only_the_installed_fonts_are_used(paper: PdfReader) -> None:
    """Fonts of the system do not enter, so that every machine sets the same pages."""
    fonts = {
        str(font.get_object()["/BaseFont"]).split("+")[-1]
        for page in paper.pages
        for font in page["/Resources"]["/Font"].values()
    }

    assert all(name.startswith(("IBMPlexSans", "DejaVuSansMono")) for name in fonts), fonts


def test_hostile_text_is_set_as_it_stands(paper: PdfReader) -> None:
    """Markup of the typesetter in names is printed, not obeyed."""
    text = "".join("".join(page.extract_text().split()) for page in paper.pages)

    for said in report_samples.HOSTILE:
        assert "".join(said.split()) in text


@pytest.mark.parametrize(("paper_name", "size"), [("a4", (595, 842)), ("us-letter", (612, 792))])
def test_both_papers_are_set(report, drawings, paper_name, size) -> None:
    """A4 by default, Letter on request."""
    made = PdfReader(io.BytesIO(pdf_bytes(report, drawings, paper=paper_name)))
    box = made.pages[0].mediabox

    assert size == (round(box.width), round(box.height))
