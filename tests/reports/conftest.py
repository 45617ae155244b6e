"""One report for all renderers, drawn once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from reports.document import Report
from reports.figures import Drawing, draw
from tests.reports import report_samples


@pytest.fixture(scope="session")
def report() -> Report:
    return report_samples.report()


@pytest.fixture(scope="session")
def drawings(report: Report) -> Mapping[str, Drawing]:
    """The report's charts by id."""
    figures = {figure.id: figure for figure in report.content.figures}
    charts = [chart for section in report.content.sections for chart in section.charts]
    return draw(charts, figures)
