"""How names compare: as the engine does, without regard to case, and ASCII case only."""

from __future__ import annotations

import string
from typing import Final

TableName = tuple[str, str]
"""Schema and table, folded."""

# str.lower would also turn the Kelvin sign into "k", and make two names one that the engine keeps apart
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(name: str) -> str:
    """*name* in the form in which two spellings of one name are equal."""
    return name.lower() if name.isascii() else name.translate(_LOWER)
