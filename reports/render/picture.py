"""A chart as a picture of its own, for a page that shows it by its address."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from reports.figures import Drawing, themed

_ROOT = re.compile(r":root\s*{([^}]*)}")
_VARIABLE = re.compile(r"--[\w-]+:[^;]+;")
_FONTS = '"IBM Plex Sans", "Segoe UI", system-ui, "Helvetica Neue", Arial, sans-serif'


def picture(drawing: Drawing) -> bytes:
    """*drawing* as an SVG file, which is light or dark as the page around it is."""
    svg = themed(drawing.svg)
    head, tag, rest = svg.partition(">")
    return f"{head}{tag}<style>{_style()}</style>{rest}".encode()


@cache
def _style() -> str:
    sheet = (files("reports.render.assets") / "report.css").read_text(encoding="utf-8")
    root = _ROOT.search(sheet)
    assert root is not None
    variables = "".join(_VARIABLE.findall(root[1]))
    return f":root{{color-scheme:light dark;{variables}}}text{{font-family:{_FONTS}}}"
