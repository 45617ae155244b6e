"""From a chart of the report to SVG."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
_PRESS = Path(__file__).with_name("_press.py")
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


def draw(charts: Sequence[RenderedChart], figures: Mapping[str, Figure]) -> dict[str, Drawing]:
    """Each of *charts* as a picture, by its id. The same chart gives the same bytes."""
    if not charts:
        return {}
    documents = [json.dumps(specification(chart, figures)) for chart in charts]
    order = json.dumps({"fonts": str(font_folder()), "documents": documents})
    done = subprocess.run(  # noqa: S603 (our own script, our own interpreter)
        [sys.executable, str(_PRESS)], input=order, capture_output=True, text=True, check=True
    )
    drawn = json.loads(done.stdout)
    return {c.block.id: _drawing(c.block.id, svg) for c, svg in zip(charts, drawn, strict=True)}


def _drawing(chart_id: str, svg: str) -> Drawing:
    size = _SIZE.search(svg)
    assert size is not None, "an SVG names its size"
    # Ids are shared by all pictures of a page; the chart's own name keeps them apart.
    prefix = re.sub(r"[^a-z0-9]+", "-", chart_id)
    return Drawing(_ID.sub(rf"\g<1>{prefix}-", svg), float(size[1]), float(size[2]))
