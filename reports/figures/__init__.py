"""
Charts: from a chart of the report to a picture.

`draw` makes one SVG in the colours of paper; `themed` turns its colours into CSS variables, whose
values on white are `variables()`.
"""

from reports.figures._draw import Drawing, draw, specification
from reports.figures._theme import FONT, themed, variables
from reports.figures._typeface import font_folder

__all__ = ["FONT", "Drawing", "draw", "font_folder", "specification", "themed", "variables"]
