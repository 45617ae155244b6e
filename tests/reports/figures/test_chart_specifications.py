"""What a chart of the report is drawn as."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.figures import specification, themed, variables
from reports.figures._grids import _bins
from reports.figures._marks import spread
from reports.figures._measure import Measure
from tests.reports import report_samples

FIGURES = {figure.id: figure for figure in report_samples.figures()}


def spec(kind: str, evidence: str, **fields):
    return specification(report_samples.chart("a.b", kind, evidence, (), **fields), FIGURES)


def texts(document) -> list[str]:
    """The words that marks of *document* print."""
    return [
        row["t"] for layer in document["layer"] for row in layer["data"]["values"] if "t" in row
    ]


def marks(document, kind: str) -> list[dict]:
    return [layer for layer in document["layer"] if layer["mark"]["type"] == kind]


def test_bars_are_sorted_and_start_at_zero() -> None:
    """Bars stand in order of their values, and the axis holds zero."""
    drawn = marks(spec("bar", "ev_a1", x="ccy", y="exposure"), "bar")[0]
    values = [row["y"] for row in drawn["data"]["values"]]
    low, high = drawn["encoding"]["x"]["scale"]["domain"]

    assert sorted(values, reverse=True) == values
    assert low <= 0 <= high


def test_bars_can_keep_the_order_of_their_rows() -> None:
    """With option `sort` given, bars stand as their rows do."""
    document = spec("bar", "ev_a1", x="ccy", y="exposure", options={"sort": "given"})
    names = [row["x"] for row in marks(document, "bar")[0]["data"]["values"]]

    assert list(report_samples.exposure_table().values("ccy")) == names


def test_amounts_are_drawn_in_millions() -> None:
    """The axis names unit and scale, and marks print the scaled amounts with a true minus."""
    document = spec("bar", "ev_a1", x="ccy", y="exposure", y_label="Net exposure")
    axis = marks(document, "bar")[0]["encoding"]["x"]["axis"]

    assert axis["title"] == "Net exposure, EUR\u00a0m"
    assert {"412.3", "\u2212152.9"} <= set(texts(document))


def test_only_the_largest_of_many_bars_are_drawn_and_the_axis_says_so() -> None:
    """Beyond sixteen bars the smallest are left out, and the title counts them."""
    document = spec("bar", "ev_b0", x="rate_date", y="pnl", y_label="P&L")
    drawn = marks(document, "bar")[0]

    assert len(drawn["data"]["values"]) == 16
    assert drawn["encoding"]["x"]["axis"]["title"].endswith("(the 16 largest of 510)")


def test_limits_are_drawn_and_labelled() -> None:
    """A rule lies at its figure's value and says what it is."""
    document = spec("line", "ev_b0", x="rate_date", y="var", rules=("market.var.red",))

    assert marks(document, "rule")[0]["data"]["values"][0]["v"] == 11.0
    assert "VaR (99 %, 1 day): limit EUR\u00a011.0m" in texts(document)


def test_exceptions_are_marked_by_shape() -> None:
    """Every loss beyond VaR carries a triangle, and only those."""
    document = spec("backtest", "ev_b0", x="rate_date", y="pnl", band="var")
    table = report_samples.returns_table()
    pairs = zip(table.values("pnl"), table.values("var"), strict=True)
    expected = sum(pnl < -var for pnl, var in pairs)
    marked = marks(document, "point")[0]

    assert marked["mark"]["shape"] == "triangle-down"
    assert expected == len(marked["data"]["values"])


def test_a_series_called_limit_is_drawn_as_a_mark() -> None:
    """In grouped bars the limit is no bar."""
    document = spec("grouped_bar", "ev_b1", x="scope", y="amount", series="series")

    assert {row["s"] for row in marks(document, "bar")[0]["data"]["values"]} == {"VaR"}
    assert {row["s"] for row in marks(document, "tick")[0]["data"]["values"]} == {"Limit"}


def test_a_cell_without_a_value_prints_its_absence() -> None:
    """A heat map has no empty cell."""
    document = spec("heatmap", "ev_b2", x="target", y="share", series="origin")

    assert "n/a" in texts(document)


def test_waterfall_ends_where_its_steps_lead() -> None:
    """The last bar of a waterfall is the sum of the steps."""
    document = spec("waterfall", "ev_a1", x="ccy", y="exposure")
    last = marks(document, "bar")[0]["data"]["values"][-1]
    total = sum(report_samples.exposure_table().values("exposure"))

    assert (last["x"], last["a"]) == ("Total", 0.0)
    assert float(total) / 1e6 == pytest.approx(last["b"])


@pytest.mark.parametrize(
    "kind", ["line", "bar", "grouped_bar", "histogram", "backtest", "heatmap", "waterfall"]
)
def test_a_chart_without_rows_says_so(kind: str) -> None:
    """No kind of chart fails on evidence without rows."""
    chart = report_samples.chart("a.b", kind, "ev_b0", (), x="pnl", y="pnl", series="pnl")

    assert texts(specification(chart.model_copy(update={"rows": ()}), FIGURES)) == [
        "No values to draw."
    ]


def test_themed_pictures_hold_no_colour_of_their_own(drawings) -> None:
    """Every colour of a picture becomes a variable of the page."""
    left = {name for name, drawing in drawings.items() if '"#' in themed(drawing.svg)}

    assert set() == left


def test_variables_are_named_once() -> None:
    """Each colour has one variable, so that no two meanings share one."""
    assert len(variables()) == len(set(variables().values()))


def test_pictures_hold_no_script_style_or_address(drawings) -> None:
    """Text from the warehouse stays text in a picture."""
    svgs = "".join(drawing.svg for drawing in drawings.values())

    opened = svgs.replace("http://www.w3.org", "")

    assert "FX Spot&lt;script&gt;" in svgs
    assert [] == [
        part for part in ("<script", "<style", " style=", "http", "<image") if part in opened
    ]


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=200),
    st.one_of(st.none(), st.floats(-1e3, 1e3)),
)
@settings(max_examples=150, deadline=None)
def test_every_value_falls_into_one_bin(values: list[float], edge: float | None) -> None:
    """Bins count each value once, and the tail counts what lies at or beyond its mark."""
    rows = _bins(values, edge)

    assert len(values) == sum(row["n"] for row in rows)
    if edge is not None and edge <= 0:
        tail = sum(row["n"] for row in rows if row["k"] == "tail")
        assert tail == sum(value <= edge for value in values)


@given(st.lists(st.floats(-1e4, 1e4), max_size=12), st.floats(0.1, 50))
@settings(max_examples=100, deadline=None)
def test_labels_keep_their_distance_and_order(places: list[float], gap: float) -> None:
    """Labels moved apart keep the gap and stay in order."""
    moved = spread(places, gap)
    ordered = [moved[index] for index in sorted(range(len(places)), key=lambda i: places[i])]

    assert all(b - a >= gap - 1e-6 for a, b in itertools.pairwise(ordered))


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (12_345_678.9, "EUR", "12.3"),
        (-1_234_567.0, "USD", "\u22121.23"),
        (999.0, "EUR", "999.0"),
        (0.0342, "ratio", "3.42"),
        (1234.0, "count", "1,234"),
    ],
)
def test_labels_carry_the_digits_their_size_allows(value, unit, expected) -> None:
    """Marks print three or four significant digits in the display scale."""
    assert Measure.of([value], unit).text(value) == expected


def test_values_that_are_no_numbers_are_left_out() -> None:
    """NULL and NaN leave a gap, never a zero."""
    chart = report_samples.chart("a.b", "bar", "ev_a1", (), x="ccy", y="exposure")
    rows = ({"ccy": "AAA", "exposure": None}, {"ccy": "BBB", "exposure": 1e6}, {"ccy": "CCC"})
    document = specification(chart.model_copy(update={"rows": rows}), FIGURES)
    drawn = marks(document, "bar")[0]["data"]["values"]

    assert [row["x"] for row in drawn] == ["BBB"]
    assert all(math.isfinite(row["y"]) for row in drawn)
