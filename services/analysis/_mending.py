"""Binding what a model typed: a figure, name, date or word that a claim prints becomes its slot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

_PIECE: Final = re.compile(r"(\{[^{}]*\})")
_TYPED: Final = {
    "\u00a0": r"\s?",
    " ": r"\s",
    "\u2212": "[-\u2212]",
    "'": "['\u2019]",
    "\u2019": "['\u2019]",
}
"""How a model may type a character: other spaces, another minus, another apostrophe."""


def slotted(text: str, printed: Mapping[str, Sequence[str]], words: Mapping[str, str]) -> str:
    """
    *text* with slots for what it says of claims.

    *printed* maps what slots print to the slots, in the order in which they are taken; *words* a
    checked word to its slot. Only exact copies are taken; any other figure, date or word of
    comparison stays, and will be refused.
    """
    text = " ".join(text.split())
    for said in sorted(printed, key=len, reverse=True):
        text = _outside(text, _copy(said), printed[said])
    for word, slot in words.items():
        pattern = re.compile(rf"(?<![\w-]){word}(?![\w-])", re.IGNORECASE)
        text = _outside(text, pattern, [slot])
    text = re.sub(r"\s+([.,;:])", r"\1", text)
    # A unit typed with its full stop, as in `4.00 pp. since`.
    text = re.sub(r"\}\.\s+(?=[a-z])", "} ", text)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _copy(said: str) -> re.Pattern[str]:
    spoken = "".join(_TYPED.get(character) or re.escape(character) for character in said)
    # A name of several words is known in small letters too; of a single word it could be another.
    flags = re.IGNORECASE if " " in said else re.NOFLAG
    return re.compile(rf"(?<![\w.,+\u2212-]){spoken}(?![\w%]|[.,]\d)", flags)


def _outside(text: str, pattern: re.Pattern[str], slots: Sequence[str]) -> str:
    """*text* with the next of *slots* for each *pattern*, where it stands outside slots."""
    waiting = list(reversed(slots))

    def taken(_: re.Match[str]) -> str:
        return waiting.pop() if len(waiting) > 1 else waiting[0]

    pieces = _PIECE.split(text)
    return "".join(p if p.startswith("{") else pattern.sub(taken, p) for p in pieces)
