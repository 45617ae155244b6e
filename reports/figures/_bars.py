"""Bars: one quantity by category, several side by side, and steps from one total to another."""

from __future__ import annotations

from collections.abc import Sequence

from reports.document import RenderedChart
from reports.figures._marks import (
    Figures,
    Spec,
    domain_of,
    empty,
    framed,
    quantity,
    rules_of,
    values_of,
    vertical_rules,
    zero_line,
)
from reports.figures._measure import Measure, label_of, measure_of, number
from reports.figures._theme import BLUE, GREY, INK, MUTED, SERIES, VERMILLION

_MOST = 16
"""More bars than this are not read; the largest are drawn and the rest is said to be missing."""


def bar(chart: RenderedChart, figures: Figures) -> Spec:
    """Horizontal bars of y by x, largest first, each with its value at its end."""
    block = chart.block
    pairs = [
        (str(row.get(block.x)), value)
        for row in chart.rows
        if (value := number(row.get(block.y))) is not None
    ]
    if not pairs:
        return empty("No values to draw.")
    kept = sorted(pairs, key=lambda pair: abs(pair[1]), reverse=True)[:_MOST]
    if block.options.get("sort") == "given":
        kept = [pair for pair in pairs if pair in kept]
    else:
        kept.sort(key=lambda pair: pair[1], reverse=True)
    measure = measure_of(chart, block.y, [value for _, value in kept])
    rows = [
        {"x": name, "y": measure.scaled(value), "t": measure.text(value)} for name, value in kept
    ]
    rules = rules_of(chart, figures, measure)
    domain = domain_of([*_field(rows, "y"), *(v for v, _ in rules)], zero=True, room=0.1)
    category = _categories([name for name, _ in kept], label_of(chart, block.x, block.x_label))
    title = _counted(measure.title(label_of(chart, block.y, block.y_label)), kept, pairs)
    x = quantity("y", title, domain, grid=False)
    layers = [
        {
            "data": values_of(rows),
            "mark": {"type": "bar", "color": BLUE, "height": {"band": 0.68}},
            "encoding": {"y": category, "x": x},
        },
        *_value_labels(rows, category, x),
        zero_line("x"),
        *vertical_rules(rules, middle=sum(domain) / 2),
    ]
    return framed(layers, height=52 + 19 * len(rows), top=10 + 14 * len(rules))


def grouped_bar(chart: RenderedChart, figures: Figures) -> Spec:
    """Bars of y by x, one colour a series; a series named by option `limit` is drawn as a mark."""
    block = chart.block
    points = [
        (str(row.get(block.x)), str(row.get(block.series, "")), value)
        for row in chart.rows
        if (value := number(row.get(block.y))) is not None
    ]
    if not points:
        return empty("No values to draw.")
    measure = measure_of(chart, block.y, [value for *_, value in points])
    limit = _limit_series(chart, [series for _, series, _ in points])
    rows = [
        {"x": x, "s": s, "y": measure.scaled(value), "t": measure.text(value)}
        for x, s, value in points
    ]
    rules = rules_of(chart, figures, measure)
    domain = domain_of([*_field(rows, "y"), *(v for v, _ in rules)], zero=True, room=0.1)
    names = list(dict.fromkeys(series for _, series, _ in points))
    solid = [name for name in names if name != limit]
    categories = list(dict.fromkeys(x for x, *_ in points))
    category = _categories(categories, label_of(chart, block.x, block.x_label))
    title = measure.title(label_of(chart, block.y, block.y_label))
    axis = quantity("y", title, domain, grid=False)
    bars = [row for row in rows if row["s"] != limit]
    layers = [
        *_side_by_side(bars, solid, category, axis, limit),
        *_limit_marks([row for row in rows if row["s"] == limit], category, axis),
        zero_line("x"),
        *vertical_rules(rules, middle=sum(domain) / 2),
    ]
    thickness = 15 * max(len(solid), 1) + 9
    return framed(layers, height=72 + thickness * len(categories), top=10 + 14 * len(rules))


def waterfall(chart: RenderedChart, _figures: Figures) -> Spec:
    """
    Steps of y in the order of x, each starting where the one before it ended.

    Option `totals` names the steps that are totals and stand on zero; without it the first one
    does, and a last bar shows the sum.
    """
    block = chart.block
    steps = [
        (str(row.get(block.x)), value)
        for row in chart.rows
        if (value := number(row.get(block.y))) is not None
    ]
    if not steps:
        return empty("No values to draw.")
    named = block.options.get("totals")
    totals = {str(name) for name in named} if isinstance(named, list | tuple) else {steps[0][0]}
    spans = _spans(steps, totals, closed=named is not None)
    measure = measure_of(
        chart, block.y, [edge for _, low, high, _ in spans for edge in (low, high)]
    )
    rows = [_step_row(name, low, high, total, measure) for name, low, high, total in spans]
    domain = domain_of([row[e] for row in rows for e in ("a", "b")], zero=True, room=0.1)
    category = _categories([name for name, *_ in spans], label_of(chart, block.x, block.x_label))
    title = measure.title(label_of(chart, block.y, block.y_label))
    axis = quantity("a", title, domain, grid=False)
    colour = {
        "field": "k",
        "type": "nominal",
        "scale": {"domain": ["total", "up", "down"], "range": [GREY, BLUE, VERMILLION]},
        "legend": None,
    }
    layers = [
        {
            "data": values_of(rows),
            "mark": {"type": "bar", "height": {"band": 0.68}},
            "encoding": {"y": category, "x": axis, "x2": {"field": "b"}, "color": colour},
        },
        *_end_texts(rows, category, axis, "e"),
        zero_line("x"),
    ]
    return framed(layers, height=52 + 20 * len(rows))


def _field(rows: Sequence[Spec], name: str) -> list[float]:
    return [row[name] for row in rows]


def _categories(names: Sequence[str], title: str) -> Spec:
    return {
        "field": "x",
        "type": "nominal",
        "sort": list(names),
        "scale": {"paddingInner": 0.18, "paddingOuter": 0.1},
        "axis": {"title": None, "ticks": False, "domain": False, "labelPadding": 8},
        "title": title,
    }


def _counted(title: str, kept: Sequence[object], given: Sequence[object]) -> str:
    if len(kept) == len(given):
        return title
    return f"{title} (the {len(kept)} largest of {len(given)})"


def _value_labels(rows: Sequence[Spec], category: Spec, x: Spec) -> list[Spec]:
    return _end_texts([{**row, "e": row["y"]} for row in rows], category, x, "e")


def _end_texts(rows: Sequence[Spec], category: Spec, x: Spec, field: str) -> list[Spec]:
    """Each row's text beyond the end of its bar: right of what grows, left of what falls."""
    layers = []
    for right in (True, False):
        chosen = [row for row in rows if (row[field] >= 0) == right]
        if chosen:
            layers.append(
                {
                    "data": values_of(chosen),
                    "mark": {
                        "type": "text",
                        "align": "left" if right else "right",
                        "dx": 5 if right else -5,
                        "color": INK,
                    },
                    "encoding": {
                        "y": category,
                        "x": {**x, "field": field},
                        "text": {"field": "t"},
                    },
                }
            )
    return layers


def _limit_series(chart: RenderedChart, names: Sequence[str]) -> str | None:
    given = chart.block.options.get("limit")
    if given is not None:
        return str(given)
    return next((name for name in names if name.casefold() == "limit"), None)


def _side_by_side(
    rows: Sequence[Spec], names: Sequence[str], category: Spec, axis: Spec, limit: str | None
) -> list[Spec]:
    if not rows:
        return []
    shown = [*names, limit] if limit is not None else [*names]
    colours = [SERIES[index % len(SERIES)] for index in range(len(names))]
    scale = {"domain": shown, "range": [*colours, INK][: len(shown)]}
    legend: Spec = {"legend": {} if len(shown) > 1 else None}
    offset = {"yOffset": {"field": "s", "type": "nominal", "sort": list(names)}}
    encoding = {
        "y": category,
        "x": axis,
        "color": {"field": "s", "type": "nominal", "scale": scale, **legend},
        **offset,
    }
    bars: Spec = {
        "data": values_of(rows),
        "mark": {"type": "bar", "height": {"band": 0.86}},
        "encoding": encoding,
    }
    labels = _end_texts([{**row, "e": row["y"]} for row in rows], category, axis, "e")
    for label in labels:
        label["mark"] = {**label["mark"], "fontSize": 10, "color": MUTED}
        label["encoding"] = {**label["encoding"], **offset}
    return [bars, *labels]


def _limit_marks(rows: Sequence[Spec], category: Spec, axis: Spec) -> list[Spec]:
    if not rows:
        return []
    return [
        {
            "data": values_of(rows),
            "mark": {"type": "tick", "color": INK, "thickness": 2.5, "height": {"band": 0.9}},
            "encoding": {"y": category, "x": axis},
        }
    ]


def _spans(
    steps: Sequence[tuple[str, float]], totals: set[str], *, closed: bool
) -> list[tuple[str, float, float, bool]]:
    """Where each step starts and ends; `closed` when the data brings its own last total."""
    spans = []
    level = 0.0
    for name, value in steps:
        start = 0.0 if name in totals else level
        level = value if name in totals else level + value
        spans.append((name, start, level, name in totals))
    if not closed:
        spans.append(("Total", 0.0, level, True))
    return spans


def _step_row(name: str, low: float, high: float, total: bool, measure: Measure) -> Spec:
    kind = "total" if total else "up" if high >= low else "down"
    ends = (measure.scaled(low), measure.scaled(high))
    return {
        "x": name,
        "a": ends[0],
        "b": ends[1],
        "e": max(ends) if max(ends) > 0 else min(ends),
        "k": kind,
        "t": measure.text(high if total else high - low),
    }
