"""Names from a user's file as names that any query can write without quotes or surprises."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set as AbstractSet
from typing import Final

_LONGEST: Final = 60
_UNIT: Final = re.compile(r"\s*\[([A-Z]{3}|ratio|pp|bp|count|days|months|years)\]\s*$")


def plain_name(text: str) -> str:
    """*text* in lower-case ASCII letters, digits and underscores, beginning with a letter."""
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    ascii_text = decomposed.encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", ascii_text).strip("_")[:_LONGEST].strip("_")
    return name if name[:1].isalpha() else f"n_{name}".rstrip("_")


def free_name(name: str, taken: AbstractSet[str]) -> str:
    """*name*, with a number when it is *taken*."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def split_unit(text: str) -> tuple[str, str]:
    """A heading or comment and the unit in brackets at its end: `Balance [EUR]`."""
    found = _UNIT.search(text)
    return (text[: found.start()], found[1]) if found else (text, "")
