"""Charts over time: lines, and the backtest of returns against VaR."""

from __future__ import annotations

from datetime import date
from typing import Any

from reports.document import RenderedChart
from reports.figures._marks import (
    ABOVE,
    Figures,
    Spec,
    domain_of,
    empty,
    framed,
    horizontal_rules,
    quantity,
    rules_of,
    spread,
    text_width,
    values_of,
    zero_line,
)
from reports.figures._measure import Measure, column_of, label_of, measure_of, number
from reports.figures._theme import BLUE, GREY, INK, SERIES, VERMILLION

_HEIGHT = 270
_LABEL_GAP = 13.0


def line(chart: RenderedChart, figures: Figures) -> Spec:
    """Lines of y over x, each named at its end, limits drawn across."""
    block = chart.block
    raw = [
        (row.get(block.x), number(row.get(block.y)), str(row.get(block.series, "")))
        for row in chart.rows
    ]
    points = [(x, y, s) for x, y, s in raw if y is not None and x is not None]
    if not points:
        return empty("No values to draw.")
    measure = measure_of(chart, block.y, [y for _, y, _ in points])
    rows: list[Spec] = [{"x": x, "y": measure.scaled(y), "s": s} for x, y, s in points]
    rules = rules_of(chart, figures, measure)
    domain = domain_of([*(row["y"] for row in rows), *(at for at, _ in rules)], zero=False)
    names = list(dict.fromkeys(row["s"] for row in rows))
    x = _x_channel(chart, [row["x"] for row in rows])
    y = quantity("y", measure.title(label_of(chart, block.y, block.y_label)), domain, **ABOVE)
    colour = {
        "field": "s",
        "type": "nominal",
        "scale": {"domain": names, "range": [SERIES[i % len(SERIES)] for i in range(len(names))]},
        "legend": None,
    }
    drawn = {
        "data": values_of(rows),
        "mark": {"type": "line", "strokeWidth": 2, "point": len(rows) <= 12 * len(names)},
        "encoding": {"x": x, "y": y, "color": colour},
    }
    ends = _ends(rows, names, domain) if len(names) > 1 else []
    layers = [drawn, *horizontal_rules(rules)] if rules else [drawn]
    if ends:
        layers.append(_end_labels(ends, x, colour))
    right = 16 + max((text_width(end["t"]) for end in ends), default=0)
    return framed(layers, height=_HEIGHT, right=right, top=16)


def backtest(chart: RenderedChart, _figures: Figures) -> Spec:
    """Daily P&L against minus VaR, with each loss beyond it marked."""
    block = chart.block
    days = [
        (row.get(block.x), pnl, number(row.get(block.band)))
        for row in chart.rows
        if (pnl := number(row.get(block.y))) is not None
    ]
    if not days:
        return empty("No values to draw.")
    sizes = [abs(value) for _, pnl, band in days for value in (pnl, band or 0.0)]
    measure = measure_of(chart, block.y, sizes)
    rows = [_backtest_row(x, pnl, band, measure) for x, pnl, band in days]
    bands = [row["band"] for row in rows if row["band"] is not None]
    domain = domain_of([*(row["y"] for row in rows), *bands], zero=True)
    x = _x_channel(chart, [row["x"] for row in rows])
    y = quantity("y", measure.title(label_of(chart, block.y, block.y_label)), domain, **ABOVE)
    band_y = {**y, "field": "band"}
    data = values_of(rows)
    layers: list[Spec] = [
        {
            "data": data,
            "mark": {"type": "rule", "color": GREY, "strokeWidth": 1.4},
            "encoding": {"x": x, "y": y, "y2": {"datum": 0}},
        },
        zero_line("y"),
        {
            "data": data,
            "mark": {"type": "line", "color": BLUE, "strokeWidth": 1.8, "interpolate": "step"},
            "encoding": {"x": x, "y": band_y},
        },
        {
            "data": values_of(row for row in rows if row["beyond"]),
            "mark": {
                "type": "point",
                "shape": "triangle-down",
                "filled": True,
                "size": 95,
                "color": VERMILLION,
                "opacity": 1,
            },
            "encoding": {"x": x, "y": y},
        },
    ]
    return framed([*layers, *_backtest_key(any(r["beyond"] for r in rows))], height=280, top=20)


def _backtest_row(x: Any, pnl: float, band: float | None, measure: Measure) -> Spec:
    return {
        "x": x,
        "y": measure.scaled(pnl),
        "band": None if band is None else measure.scaled(-band),
        "beyond": band is not None and pnl < -band,
    }


def _backtest_key(marked: bool) -> list[Spec]:
    """The three marks, each beside its name, above the plot."""
    entries: list[tuple[str, str, str]] = [
        ("stroke", GREY, "P&L of the day"),
        ("stroke", BLUE, "VaR, as a loss"),
    ]
    if marked:
        entries.append(("triangle-down", VERMILLION, "Loss beyond VaR"))
    layers: list[Spec] = []
    at = 150.0
    for shape, colour, text in entries:
        layers += [
            {
                "data": values_of([{}]),
                "mark": {
                    "type": "point",
                    "shape": shape,
                    "stroke": colour,
                    "fill": colour,
                    "strokeWidth": 2,
                    "size": 80,
                    "opacity": 1,
                },
                "encoding": {"x": {"value": at}, "y": {"value": -19}},
            },
            {
                "data": values_of([{"t": text}]),
                "mark": {"type": "text", "align": "left", "color": INK},
                "encoding": {
                    "x": {"value": at + 10},
                    "y": {"value": -18.5},
                    "text": {"field": "t"},
                },
            },
        ]
        at += text_width(text) + 40
    return layers


def _x_channel(chart: RenderedChart, values: list[Any]) -> Spec:
    column = column_of(chart, chart.block.x)
    title = chart.block.x_label or None
    if column is not None and column.type == "date":
        days = sorted(date.fromisoformat(str(value)[:10]) for value in values)
        span = (days[-1] - days[0]).days
        form = "%d %b %Y" if span < 100 else "%b %Y"
        return {
            "field": "x",
            "type": "temporal",
            "scale": {"type": "utc"},
            "axis": {
                "title": title,
                "format": form,
                "grid": False,
                "tickCount": 6,
                "labelOverlap": True,
                "labelSeparation": 14,
            },
        }
    if column is not None and column.type in {"decimal", "double", "integer"}:
        return {
            "field": "x",
            "type": "quantitative",
            "scale": {"zero": False, "nice": False},
            "axis": {"title": title, "grid": False},
        }
    return {
        "field": "x",
        "type": "ordinal",
        "sort": None,
        "axis": {"title": title, "labelAngle": 0, "labelOverlap": True, "labelLimit": 90},
    }


def _ends(rows: list[Spec], names: list[str], domain: tuple[float, float]) -> list[Spec]:
    """The last point of each series, its label moved clear of its neighbours'."""
    last = {row["s"]: row for row in rows}
    per_pixel = (domain[1] - domain[0]) / (_HEIGHT - 60)
    heights = spread([last[name]["y"] for name in names], _LABEL_GAP * per_pixel)
    return [
        {"x": last[name]["x"], "y": height, "s": name, "t": name}
        for name, height in zip(names, heights, strict=True)
    ]


def _end_labels(ends: list[Spec], x: Spec, colour: Spec) -> Spec:
    return {
        "data": values_of(ends),
        "mark": {"type": "text", "align": "left", "dx": 8},
        "encoding": {
            "x": x,
            "y": {"field": "y", "type": "quantitative"},
            "text": {"field": "t"},
            "color": colour,
        },
    }
