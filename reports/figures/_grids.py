"""Distributions and matrices: the histogram with its tail, and the heat map."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from reports.document import RenderedChart
from reports.figures._marks import (
    ABOVE,
    Figures,
    Spec,
    domain_of,
    empty,
    framed,
    quantity,
    values_of,
    vertical_rules,
)
from reports.figures._measure import (
    Measure,
    figure_number,
    label_of,
    measure_of,
    number,
)
from reports.figures._theme import (
    AXIS,
    BLUE,
    GRID,
    INK,
    LOSS_STEPS,
    MUTED,
    PAPER,
    STEPS,
    VERMILLION,
)

_BINS = 40
_LABELLED_CELLS = 200


def histogram(chart: RenderedChart, figures: Figures) -> Spec:
    """Counts of x in equal bins; bins at or beyond the tail are set apart and the tail is marked."""
    block = chart.block
    values = [value for row in chart.rows if (value := number(row.get(block.x))) is not None]
    if not values:
        return empty("No values to draw.")
    measure = measure_of(chart, block.x, values)
    tail = figures.get(block.tail)
    mark = figure_number(tail)
    edge = None if mark is None else measure.scaled(mark)
    rows = _bins([measure.scaled(value) for value in values], edge)
    low, high = rows[0]["a"], rows[-1]["b"]
    x = quantity("a", measure.title(label_of(chart, block.x, block.x_label)), (low, high))
    x["axis"] = {**x["axis"], "grid": False, "domain": True}
    count = quantity(
        "n", block.y_label or "Count", domain_of([r["n"] for r in rows], zero=True), **ABOVE
    )
    layers: list[Spec] = [
        {
            "data": values_of(row for row in rows if row["k"] == kind),
            "mark": {"type": "bar", "color": colour, "stroke": PAPER, "strokeWidth": 0.7},
            "encoding": {
                "x": {**x, "bin": {"binned": True}},
                "x2": {"field": "b"},
                "y": count,
            },
        }
        for kind, colour in (("body", BLUE), ("tail", VERMILLION))
        if any(row["k"] == kind for row in rows)
    ]
    if tail is not None and edge is not None:
        layers += vertical_rules([(edge, f"{tail.label} {tail.display}")], middle=(low + high) / 2)
    return framed(layers, height=240, top=12)


def heatmap(chart: RenderedChart, _figures: Figures) -> Spec:
    """Cells of x by series, shaded by y and each with its value."""
    block = chart.block
    cells = [
        (str(row.get(block.x)), str(row.get(block.series)), number(row.get(block.y)))
        for row in chart.rows
    ]
    values = [value for *_, value in cells if value is not None]
    if not values:
        return empty("No values to draw.")
    measure = measure_of(chart, block.y, values)
    top = max(abs(value) for value in values) or 1.0
    rows = [_cell(x, s, value, measure, top) for x, s, value in cells]
    colours = [*STEPS, *LOSS_STEPS, GRID]
    across = list(dict.fromkeys(x for x, *_ in cells))
    down = list(dict.fromkeys(s for _, s, _ in cells))
    encoding = {
        "x": _band("x", across, label_of(chart, block.x, block.x_label), top=True),
        "y": _band("s", down, label_of(chart, block.series, block.y_label), top=False),
    }
    shade = {
        "field": "c",
        "type": "nominal",
        "scale": {"domain": colours, "range": colours},
        "legend": None,
    }
    layers: list[Spec] = [
        {
            "data": values_of(rows),
            "mark": {"type": "rect", "stroke": PAPER, "strokeWidth": 2},
            "encoding": {**encoding, "color": shade},
        }
    ]
    if len(rows) <= _LABELLED_CELLS:
        layers += [_cell_texts(rows, encoding, strong) for strong in (False, True)]
    return framed(layers, height=64 + 28 * len(down))


def _bins(values: Sequence[float], edge: float | None) -> list[Spec]:
    """
    Equal bins over *values*, each holding its upper end; *edge*, when given, ends one of them.

    So a value that lies on the edge counts to the tail.
    """
    reach = [*values] if edge is None else [*values, edge]
    low, high = min(reach), max(reach)
    width, origin = _width(low, high, len(values)), edge or 0.0
    first = math.ceil((low - origin) / width) - 1
    last = max(math.ceil((high - origin) / width), first + 1)
    edges = [origin + width * step for step in range(first, last + 1)]
    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[min(max(bisect_left(edges, value) - 1, 0), len(counts) - 1)] += 1
    tail = edge is not None and edge <= 0
    return [
        {"a": a, "b": b, "n": n, "k": "tail" if tail and b <= origin else "body"}
        for (a, b), n in zip(pairwise(edges), counts, strict=True)
    ]


def _width(low: float, high: float, count: int) -> float:
    """The width of a bin: fewer bins for fewer values, and one bin for values that are equal."""
    span = high - low
    if span <= 1e-9 * max(1.0, abs(low), abs(high)):
        return 1.0
    return _nice(span / min(_BINS, max(8, math.isqrt(count) * 2)))


def _nice(width: float) -> float:
    """A width of one, two or five times a power of ten, at least *width*."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= width * 0.999)


def _cell(x: str, series: str, value: float | None, measure: Measure, top: float) -> Spec:
    if value is None:
        return {"x": x, "s": series, "c": GRID, "t": "n/a", "strong": False}
    steps = STEPS if value >= 0 else LOSS_STEPS
    step = min(int(abs(value) / top * len(steps)), len(steps) - 1)
    strong = value >= 0 and step >= len(STEPS) - 2
    return {"x": x, "s": series, "c": steps[step], "t": measure.text(value), "strong": strong}


def _cell_texts(rows: Sequence[Spec], encoding: Spec, strong: bool) -> Spec:
    return {
        "data": values_of(row for row in rows if row["strong"] == strong),
        "mark": {"type": "text", "color": PAPER if strong else INK},
        "encoding": {**encoding, "text": {"field": "t"}},
    }


def _band(field: str, names: Sequence[str], title: str, *, top: bool) -> Spec:
    return {
        "field": field,
        "type": "nominal",
        "sort": list(names),
        "axis": {
            "title": title,
            "orient": "top" if top else "left",
            "ticks": False,
            "domain": False,
            "labelAngle": 0,
            "labelLimit": 120 if top else 190,
            "titleColor": MUTED,
            "domainColor": AXIS,
        },
    }
