"""Words of a question: cut, brought to one form, and told from numbers and dates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

_TOKEN = re.compile(
    r"""
      (?P<date>\d{4}-\d{2}-\d{2})
    | (?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)
      (?P<scale>\s?(?:%|percent\b|bps?\b|k\b|thousand\b|m\b|mn\b|mio\b|million\b|bn\b|billion\b))?
      (?:st\b|nd\b|rd\b|th\b)?
    | (?P<notch>\b[A-Z]{1,3}[+-](?!\w))
    | (?P<word>[^\W\d_]\w*)
    | (?P<sign>[<>]=?|,)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SCALES = {
    "%": Decimal("0.01"),
    "percent": Decimal("0.01"),
    "bp": Decimal("0.0001"),
    "bps": Decimal("0.0001"),
    "k": Decimal(1_000),
    "thousand": Decimal(1_000),
    "m": Decimal(1_000_000),
    "mn": Decimal(1_000_000),
    "mio": Decimal(1_000_000),
    "million": Decimal(1_000_000),
    "bn": Decimal(1_000_000_000),
    "billion": Decimal(1_000_000_000),
}
_SIGNS = frozenset({",", "<", ">", "<=", ">="})
_NUMBER_WORDS = dict(
    zip(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
        range(1, 11),
        strict=True,
    )
)
IGNORED = frozenset(
    [
        "a",
        "about",
        "across",
        "all",
        "also",
        "am",
        "among",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "bank",
        "be",
        "been",
        "being",
        "both",
        "break",
        "breakdown",
        "broke",
        "broken",
        "by",
        "can",
        "could",
        "current",
        "currently",
        "did",
        "display",
        "do",
        "does",
        "down",
        "each",
        "every",
        "figure",
        "find",
        "first",
        "for",
        "from",
        "get",
        "give",
        "had",
        "has",
        "have",
        "held",
        "hold",
        "how",
        "i",
        "in",
        "is",
        "it",
        "its",
        "latest",
        "let",
        "like",
        "list",
        "look",
        "made",
        "me",
        "meridian",
        "much",
        "my",
        "need",
        "now",
        "number",
        "of",
        "on",
        "order",
        "ordered",
        "our",
        "out",
        "over",
        "overall",
        "per",
        "please",
        "present",
        "rank",
        "ranked",
        "report",
        "risk",
        "say",
        "see",
        "show",
        "sorted",
        "split",
        "tell",
        "than",
        "that",
        "the",
        "their",
        "them",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "today",
        "total",
        "under",
        "us",
        "value",
        "want",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whose",
        "will",
        "with",
        "within",
        "would",
        "you",
        "your",
    ]
)
"""Words that ask nothing of the data; any other word that is not known stops the reading."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word, number or date of a question."""

    text: str
    form: str
    """Lower case and singular: what phrases are compared by."""
    number: Decimal | None = None
    day: date | None = None
    is_scaled: bool = False
    """Whether the number came with a percent sign or a magnitude, so that it is no label."""


def read_words(text: str) -> tuple[Word, ...]:
    return tuple(_word(match) for match in _TOKEN.finditer(re.sub(r"['\u2019]s\b", "", text)))


@lru_cache(maxsize=16_384)
def forms(text: str) -> tuple[str, ...]:
    """The forms of the words of a name, synonym or value."""
    return tuple(
        word.form for word in read_words(text.replace("_", " ")) if word.form not in _SIGNS
    )


def _word(match: re.Match[str]) -> Word:
    text = match.group(0)
    if match["date"]:
        try:
            return Word(text, text, day=date.fromisoformat(text))
        except ValueError:
            return Word(text, text)
    if match["number"]:
        scale = (match["scale"] or "").strip().lower()
        number = Decimal(match["number"].replace(",", "")) * _SCALES.get(scale, Decimal(1))
        return Word(text, match["number"] + scale, number, is_scaled=bool(scale))
    lowered = text.lower()
    counted = _NUMBER_WORDS.get(lowered)
    return Word(text, _singular(lowered), None if counted is None else Decimal(counted))


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
