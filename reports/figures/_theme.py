"""
The one look of every chart: Okabe-Ito colours, quiet axes, one typeface.

Charts are drawn once, in the colours of paper. For a page each of those colours becomes a CSS
variable, so that light and dark follow the page.
"""

from __future__ import annotations

import re
from typing import Any, Final

FONT: Final = "IBM Plex Sans"

INK: Final = "#14181d"
MUTED: Final = "#55606b"
GRID: Final = "#e1e5ea"
AXIS: Final = "#9aa4af"
PAPER: Final = "#fffffe"

BLUE: Final = "#0072b2"
VERMILLION: Final = "#d55e00"
GREEN: Final = "#009e73"
ORANGE: Final = "#e69f00"
SKY: Final = "#56b4e9"
PURPLE: Final = "#cc79a7"
GREY: Final = "#8a949e"

SERIES: Final = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, GREY)
"""Colours of series, in order; a caller never needs more."""

STEPS: Final = ("#f3f7fb", "#dbe9f4", "#b5d3e9", "#7fb4d9", "#4390c4", "#1f6ca3")
"""Steps of a heat map, from little to much."""
LOSS_STEPS: Final = ("#fbe9dd", "#f2bf9b", "#dd8248")
"""Steps below zero, from little to much."""

_VARIABLES: Final = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    AXIS: "axis",
    PAPER: "paper",
    BLUE: "blue",
    VERMILLION: "vermillion",
    GREEN: "green",
    ORANGE: "orange",
    SKY: "sky",
    PURPLE: "purple",
    GREY: "grey",
    **{colour: f"step-{index}" for index, colour in enumerate(STEPS)},
    **{colour: f"loss-{index}" for index, colour in enumerate(LOSS_STEPS)},
}

_COLOUR = re.compile(r'"(#[0-9a-fA-F]{6})"')

CONFIG: Final[dict[str, Any]] = {
    "background": None,
    "font": FONT,
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "labelFontSize": 11,
        "labelPadding": 6,
        "titleColor": MUTED,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "gridColor": GRID,
        "domainColor": AXIS,
        "tickColor": AXIS,
        "tickSize": 4,
        "labelLimit": 190,
    },
    "legend": {
        "labelColor": INK,
        "labelFontSize": 11,
        "labelLimit": 240,
        "title": None,
        "orient": "top",
        "symbolType": "square",
        "symbolStrokeWidth": 0,
        "offset": 8,
    },
    "text": {"color": INK, "fontSize": 11},
    "rule": {"color": INK},
}


def variables() -> dict[str, str]:
    """CSS variable by name, with its colour on white."""
    return {f"chart-{name}": colour for colour, name in _VARIABLES.items()}


def themed(svg: str) -> str:
    """*svg* with its colours as CSS variables; a colour that has none is left as it is."""
    return _COLOUR.sub(_variable, svg)


def _variable(match: re.Match[str]) -> str:
    name = _VARIABLES.get(match[1].lower())
    return match[0] if name is None else f'"var(--chart-{name})"'
