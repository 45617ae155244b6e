"""The typeface of charts and paper, installed with the program."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path


@cache
def font_folder() -> Path:
    """The folder that holds the font files."""
    return Path(str(files("fontpkg_ibm_plex_sans") / "files"))
