"""From a chart of the report to SVG."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from reports.document import Figure, RenderedChart
from reports.figures._bars import bar, grouped_bar, waterfall
from reports.figures._grids import heatmap, histogram
from reports.figures._marks import Figures, Spec
from reports.figures._time import backtest, line
from reports.figures._typeface import font_folder
from services.analysis.findings import ChartKind

_KINDS: Final[dict[ChartKind, Callable[[RenderedChart, Figures], Spec]]] = {
    "line": line,
    "bar": bar,
    "grouped_bar": grouped_bar,
    "histogram": histogram,
    "backtest": backtest,
    "heatmap": heatmap,
    "waterfall": waterfall,
}
_SIZE = re.compile(r'<svg [^>]*width="([\d.]+)" height="([\d.]+)"')
_ID = re.compile(r'(\bid="|url\(#|href="#)')


@dataclass(frozen=True)
class Drawing:
    """A chart as SVG, black on white, with its size in pixels."""

    svg: str
    width: float
    height: float


def specification(chart: RenderedChart, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """The Vega-Lite document of *chart*; its data stands in it, so nothing is fetched."""
    return _KINDS[chart.block.kind](chart, figures)


def draw(chart: RenderedChart, figures: Mapping[str, Figure]) -> Drawing:
    """*chart* as a picture. The same chart gives the same bytes."""
    svg: str = _engine().vegalite_to_svg(
        json.dumps(specification(chart, figures)), vl_version="6.4", allowed_base_urls=[]
    )
    size = _SIZE.search(svg)
    assert size is not None, "an SVG names its size"
    # Ids are shared by all pictures of a page; the chart's own name keeps them apart.
    prefix = re.sub(r"[^a-z0-9]+", "-", chart.block.id)
    return Drawing(_ID.sub(rf"\g<1>{prefix}-", svg), float(size[1]), float(size[2]))


@cache
def _engine() -> Any:
    import vl_convert

    vl_convert.register_font_directory(str(font_folder()))
    return vl_convert
