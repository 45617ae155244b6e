"""Putting a model's sentence right where there is only one way to: cheaper than asking again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from services.analysis import _lexicon as lexicon

_SLOT: Final = re.compile(r"\{+\s*(c\d+)\s*(?:([:@])\s*(\w+)\s*)?\}+")
_PIECE: Final = re.compile(r"(\{[^{}]*\})")


def mended(text: str, printed: Mapping[str, str], words: Mapping[str, str]) -> str:
    """
    *text* with slots written as they should be.

    *printed* maps what a slot prints to the slot: a figure that was written out becomes its slot.
    *words* maps a checked word to its slot. The checks that follow are the same for both.
    """
    text = _SLOT.sub(lambda m: f"{{{m[1]}{m[2] or ''}{m[3] or ''}}}", " ".join(text.split()))
    for said in sorted(printed, key=len, reverse=True):
        if any(character.isdigit() for character in said):
            spoken = re.escape(said).replace("\u00a0", "[ \u00a0]")
            text = _outside(text, re.compile(rf"(?<![\w.,]){spoken}(?![\w%])"), printed[said])
    for word, slot in words.items():
        if lexicon.DIRECTION_WORDS.fullmatch(word):
            text = _outside(text, re.compile(rf"(?<![\w-]){word}(?![\w-])"), slot)
    text = re.sub(
        r"(?<=[\w,;:])(\{)|(\})(?=\w)", lambda m: f" {m[1]}" if m[1] else f"{m[2]} ", text
    )
    return re.sub(r"\s+([.,;:])", r"\1", text)


def _outside(text: str, pattern: re.Pattern[str], slot: str) -> str:
    """*text* with *slot* for *pattern*, where it stands outside slots."""
    pieces = _PIECE.split(text)
    return "".join(
        piece if piece.startswith("{") else pattern.sub(lambda _: slot, piece) for piece in pieces
    )
