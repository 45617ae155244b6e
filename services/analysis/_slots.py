"""Slots: where prose names a claim. `{id}`, `{id:word}`, `{id@name}`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_ID = r"[a-z0-9_]+(?:\.[a-z0-9_]+)*"
_SLOT = re.compile(rf"\{{(?P<claim>{_ID})(?::(?P<word>[a-z]+)|@(?P<name>[a-z0-9_]+))?\}}")


class Slot(NamedTuple):
    claim: str
    word: str
    """A word to be checked against the claim; empty otherwise."""
    name: str
    """`label`, `as_of` or another attribute; empty otherwise."""
    start: int
    end: int

    @property
    def written(self) -> str:
        """As it stands in prose."""
        ending = f":{self.word}" if self.word else f"@{self.name}" if self.name else ""
        return f"{{{self.claim}{ending}}}"


def slots_of(text: str) -> tuple[Slot, ...]:
    """The slots of *text*, in order."""
    return tuple(
        Slot(m["claim"], m["word"] or "", m["name"] or "", m.start(), m.end())
        for m in _SLOT.finditer(text)
    )


def rename_slots(text: str, rename: Callable[[str], str]) -> str:
    """*text* with each slot's claim id replaced by `rename(id)`."""

    def replaced(match: re.Match[str]) -> str:
        start, end = match.span("claim")
        offset = match.start()
        whole = match.group()
        return whole[: start - offset] + rename(match["claim"]) + whole[end - offset :]

    return _SLOT.sub(replaced, text)
