"""The report as Markdown."""

from __future__ import annotations

import re

import pytest

from reports.render.markdown import escaped, markdown_bytes, paragraph
from tests.reports import report_samples


@pytest.fixture(scope="module")
def markdown(report) -> str:
    return markdown_bytes(report).decode()


def test_status_and_date_lead(markdown: str) -> None:
    """The first lines say what the file is."""
    assert markdown.split("\n\n")[1] == "**DRAFT** · as of 30\u00a0September\u00a02026"


def test_tables_keep_their_columns(markdown: str) -> None:
    """A pipe in a name does not add a column."""
    tables = [part.split("\n") for part in markdown.split("\n\n") if part.startswith("|")]
    widths = [{len(re.findall(r"(?<!\\)\|", line)) for line in lines} for lines in tables]

    assert len(tables) >= 5
    assert all(len(width) == 1 for width in widths)


@pytest.mark.parametrize("said", report_samples.HOSTILE)
def test_no_markup_survives_in_text(said: str) -> None:
    """Every character that Markdown reads is escaped."""
    for at, character in enumerate(shown := escaped(said)):
        if character in "*_`<>[]|#{}$":
            assert shown[at - 1] == "\\"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.42 % is high", "3.42 % is high"),
        ("1. first", "1\\. first"),
        ("- item", "\\- item"),
        ("two\nlines", "two lines"),
        ("S& P, &half; of it", "S& P, \\&half; of it"),
    ],
)
def test_a_paragraph_is_printed_as_it_is_written(text: str, expected: str) -> None:
    """What looks like a list at the start of a line is text, and so is the name of a character."""
    assert expected == paragraph(text)


def test_sql_stands_in_a_fence_it_cannot_leave(markdown: str) -> None:
    """Statements are printed whole."""
    assert f"```sql\n{report_samples.SQL}\n```" in markdown
