"""
Charts: from charts of the report to pictures.

`draw` makes an SVG of each in the colours of paper; `themed` turns its colours into CSS variables, whose
values on white are `variables()`.
"""

from reports.figures._draw import Drawing, draw, specification
from reports.figures._theme import FONT, themed, variables
from reports.figures._typeface import font_folder

__all__ = ["FONT", "Drawing", "draw", "font_folder", "specification", "themed", "variables"]
