"""Pieces that several charts share: axes, rules with their labels, and the frame around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias

from reports.document import Figure, RenderedChart
from reports.figures._measure import Measure, figure_number
from reports.figures._theme import AXIS, CONFIG, INK, MUTED, PAPER, VERMILLION

Spec: TypeAlias = dict[str, Any]
Figures: TypeAlias = Mapping[str, Figure]

WIDTH = 700
ABOVE: Final[Spec] = {"titleAngle": 0, "titleAlign": "left", "titleY": -14, "titleX": -34}
"""Puts the title of a vertical axis above it, where it reads without turning the head."""
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_CHARACTER = 5.8
"""Mean width of a character at the label size, in pixels."""


def framed(layers: Sequence[Spec], *, height: int, right: float = 8, top: float = 8) -> Spec:
    """A whole specification: *layers* in one frame of the common width."""
    return {
        "$schema": _SCHEMA,
        "width": WIDTH,
        "height": height,
        "padding": {"left": 10, "top": top, "right": min(right, 240.0), "bottom": 4},
        "autosize": {"type": "fit", "contains": "padding"},
        "layer": list(layers),
        "config": CONFIG,
    }


def text_width(text: str) -> float:
    """About how many pixels *text* takes as a label."""
    return len(text) * _CHARACTER


def values_of(rows: Iterable[Spec]) -> Spec:
    """Inline data."""
    return {"values": list(rows)}


def quantity(field: str, title: str | None, domain: tuple[float, float], **axis: Any) -> Spec:
    """A quantitative channel on exactly *domain*."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"domain": list(domain), "nice": False, "zero": False},
        "axis": {"title": title, "domain": False, "ticks": False, "tickCount": 6, **axis},
    }


def domain_of(values: Iterable[float], *, zero: bool, room: float = 0.06) -> tuple[float, float]:
    """The span of *values* with some room, from zero when *zero*."""
    numbers = [*values] or [0.0, 1.0]
    low, high = min(numbers), max(numbers)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    span = (high - low) or abs(high) or 1.0
    below = 0.0 if zero and low == 0 else span * room
    above = 0.0 if zero and high == 0 else span * room
    return low - below, high + above


def rules_of(
    chart: RenderedChart, figures: Figures, measure: Measure
) -> tuple[tuple[float, str], ...]:
    """The reference lines that have a value: where they lie, and what their label says."""
    named = ((figures.get(name), name) for name in chart.block.rules)
    return tuple(
        (measure.scaled(value), f"{figure.label} {figure.display}")
        for figure, _ in named
        if figure is not None and (value := figure_number(figure)) is not None
    )


def horizontal_rules(rules: Sequence[tuple[float, str]]) -> list[Spec]:
    """Lines across the plot at given heights, labelled above their right end."""
    data = values_of({"v": value, "t": text} for value, text in rules)
    at = {"field": "v", "type": "quantitative"}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "color": VERMILLION, "strokeWidth": 1.5, "strokeDash": [6, 3]},
            "encoding": {"y": at},
        },
        *(
            {
                "data": data,
                "mark": {"type": "text", "align": "right", "dy": -6, "limit": WIDTH, **look},
                "encoding": {"y": at, "x": {"value": "width"}, "text": {"field": "t"}},
            }
            # The label stands on a halo, so that a line beneath it does not strike it through.
            for look in ({"stroke": PAPER, "strokeWidth": 4, "color": PAPER}, {"color": INK})
        ),
    ]


def vertical_rules(rules: Sequence[tuple[float, str]], *, middle: float) -> list[Spec]:
    """Lines up the plot, labelled on top; the label leans towards the middle of the axis."""
    layers: list[Spec] = []
    for level, (value, text) in enumerate(sorted(rules)):
        data = values_of([{"v": value, "t": text}])
        at = {"field": "v", "type": "quantitative"}
        right = value < middle
        layers += [
            {
                "data": data,
                "mark": {
                    "type": "rule",
                    "color": VERMILLION,
                    "strokeWidth": 1.5,
                    "strokeDash": [6, 3],
                },
                "encoding": {"x": at},
            },
            {
                "data": data,
                "mark": {
                    "type": "text",
                    "align": "left" if right else "right",
                    "dx": 6 if right else -6,
                    "baseline": "bottom",
                    "color": INK,
                },
                "encoding": {
                    "x": at,
                    "y": {"value": -2 - 14 * level},
                    "text": {"field": "t"},
                },
            },
        ]
    return layers


def zero_line(channel: str) -> Spec:
    """The line of zero, where a plot holds both signs."""
    return {
        "data": values_of([{"v": 0}]),
        "mark": {"type": "rule", "color": AXIS, "strokeWidth": 1},
        "encoding": {channel: {"field": "v", "type": "quantitative"}},
    }


def empty(text: str) -> Spec:
    """A frame that says why there is nothing to draw."""
    return framed(
        [
            {
                "data": values_of([{"t": text}]),
                "mark": {"type": "text", "color": MUTED, "fontSize": 12},
                "encoding": {"text": {"field": "t"}},
            }
        ],
        height=60,
    )


def spread(places: Sequence[float], gap: float) -> list[float]:
    """*places*, moved apart so that neighbours keep *gap*; their order stays."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = list(places)
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    if order:
        shift = (moved[order[-1]] - places[order[-1]]) / 2
        moved = [place - shift for place in moved]
    return moved
