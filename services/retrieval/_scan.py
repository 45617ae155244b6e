"""From words to mentions: what each part of a question names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias

from services.semantics import Operator

from ._lexicon import Lexicon, Meanings
from ._periods import Period, period_at
from ._words import IGNORED, Word

MarkKind: TypeAlias = Literal["by", "versus", "change", "trend", "count", "not", "and", "or"]


@dataclass(frozen=True, slots=True)
class Named:
    """A phrase that the lexicon knows."""

    meanings: Meanings
    text: str
    before: str = ""
    """The word before it, such as the `to` of `to AA`."""
    is_plural: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    value: Decimal
    text: str


@dataclass(frozen=True, slots=True)
class Compare:
    """`above 1 million`, `at most 30 days`."""

    op: Operator
    values: tuple[Decimal, ...]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A period; `role` says how the question uses it."""

    period: Period
    role: Literal["in", "since", "range"] = "in"


@dataclass(frozen=True, slots=True)
class Top:
    count: int | None
    descending: bool


@dataclass(frozen=True, slots=True)
class Mark:
    kind: MarkKind


@dataclass(frozen=True, slots=True)
class Unknown:
    word: str


Mention: TypeAlias = Named | Number | Compare | Span | Top | Mark | Unknown
Found: TypeAlias = tuple[Mention, int]

_COMPARISONS: dict[tuple[str, ...], Operator] = {
    **{(word, "than"): "gt" for word in ("more", "greater", "larger", "higher", "bigger")},
    **{(word, "than"): "lt" for word in ("less", "smaller", "lower", "fewer")},
    **{(word,): "gt" for word in ("above", "over", "exceeding", "exceed", "beyond", ">")},
    **{(word,): "lt" for word in ("below", "under", "<")},
    ("at", "least"): "ge",
    (">=",): "ge",
    ("at", "most"): "le",
    ("up", "to"): "le",
    ("<=",): "le",
}
_UNITS = {"day": "days", "year": "years", "euro": "EUR", "dollar": "USD"} | {
    code.lower(): code for code in ("EUR", "USD", "TWD", "DEM")
}
_MARKS: dict[tuple[str, ...], MarkKind] = {
    **{(word,): "by" for word in ("by", "per", "each", "every", "across")},
    **{(word,): "versus" for word in ("versus", "vs", "against", "than")},
    **{("compared", word): "versus" for word in ("with", "to")},
    ("compare", "with"): "versus",
    **{
        (word,): "change"
        for word in [
            "change",
            "changed",
            "changing",
            "moved",
            "grew",
            "grown",
            "growth",
            "increase",
            "increased",
            "decrease",
            "decreased",
            "decreasing",
            "increasing",
            "growing",
            "rising",
            "falling",
            "fell",
            "fallen",
            "rose",
            "risen",
            "rise",
            "fall",
            "difference",
            "delta",
        ]
    },
    **{(word,): "trend" for word in ("trend", "history", "historical", "evolution")},
    ("over", "time"): "trend",
    ("number", "of"): "count",
    **{(word,): "not" for word in ("excluding", "except", "without", "not", "excl")},
    ("other", "than"): "not",
    ("and",): "and",
    (",",): "and",
    ("or",): "or",
}
_SUPERLATIVES = {
    **dict.fromkeys(["top", "largest", "biggest", "highest", "greatest", "most"], True),
    **dict.fromkeys(["bottom", "smallest", "lowest", "least", "fewest"], False),
}


def scan(words: Sequence[Word], lexicon: Lexicon, as_of: date) -> tuple[Mention, ...]:
    """What *words* mention, in order; words that ask nothing of the data are left out."""
    return tuple(_mentions(_counting(words), lexicon, as_of))


def _counting(words: Sequence[Word]) -> tuple[Word, ...]:
    """`how many` reads as `number of`."""
    out: list[Word] = []
    for word in words:
        if word.form == "many" and out and out[-1].form == "how":
            out[-1:] = [Word("number", "number"), Word("of", "of")]
        else:
            out.append(word)
    return tuple(out)


def _mentions(words: Sequence[Word], lexicon: Lexicon, as_of: date) -> Iterator[Mention]:
    readers: tuple[Callable[[int], Found | None], ...] = (
        lambda at: _named(words, at, lexicon, shortest=2),
        lambda at: _comparison(words, at),
        lambda at: _span(words, at, as_of),
        lambda at: _top(words, at),
        lambda at: _mark(words, at),
        lambda at: _named(words, at, lexicon, shortest=1),
        lambda at: _number(words, at),
    )
    at = 0
    while at < len(words):
        found = next((f for reader in readers if (f := reader(at)) is not None), None)
        if found is not None:
            yield found[0]
            at += found[1]
            continue
        if words[at].form not in IGNORED:
            yield Unknown(words[at].text)
        at += 1


def _named(words: Sequence[Word], at: int, lexicon: Lexicon, *, shortest: int) -> Found | None:
    found = lexicon.longest_at(words, at)
    if found is None or found[1] < shortest:
        return None
    meanings, length = found
    last = words[at + length - 1]
    named = Named(
        meanings=meanings,
        text=" ".join(word.text for word in words[at : at + length]),
        before=words[at - 1].form if at else "",
        is_plural=last.text.lower() != last.form,
    )
    return named, length


def _comparison(words: Sequence[Word], at: int) -> Found | None:
    for length in (2, 1):
        op = _COMPARISONS.get(_forms(words, at, length))
        if op is not None:
            number, used = _amount(words, at + length)
            if number is not None:
                unit, more = _unit(words, at + length + used)
                return Compare(op, (number,), unit), length + used + more
    if _forms(words, at, 1) != ("between",):
        return None
    low, first = _amount(words, at + 1)
    high, second = _amount(words, at + 2 + first)
    if low is None or high is None or _forms(words, at + 1 + first, 1) != ("and",):
        return None
    unit, more = _unit(words, at + 2 + first + second)
    return Compare("between", (low, high), unit), 2 + first + second + more


def _amount(words: Sequence[Word], at: int) -> tuple[Decimal | None, int]:
    skipped = 1 if _forms(words, at, 1) == ("of",) else 0
    if at + skipped < len(words) and words[at + skipped].number is not None:
        return words[at + skipped].number, skipped + 1
    return None, 0


def _unit(words: Sequence[Word], at: int) -> tuple[str, int]:
    unit = _UNITS.get(words[at].form, "") if at < len(words) else ""
    return unit, 1 if unit else 0


def _span(words: Sequence[Word], at: int, as_of: date) -> Found | None:
    """A period, with the word before it that says how it is meant."""
    opening = words[at].form
    inside = at + 1 if opening in ("since", "from", "between") else at
    if inside >= len(words):
        return None
    found = period_at(words, inside, as_of)
    if found is None:
        return None
    period, used = found
    end = inside + used
    if opening == "since":
        return Span(period, "since"), end - at
    if opening in ("from", "between") and _forms(words, end, 1)[0] in ("to", "until", "and"):
        second = period_at(words, end + 1, as_of)
        if second is not None and second[0].end >= period.start:
            whole = Period(period.start, second[0].end)
            return Span(whole, "range"), end + 1 + second[1] - at
    return Span(period, "since" if opening == "from" else "in"), end - at


def _top(words: Sequence[Word], at: int) -> Found | None:
    """`top 5`, `five largest`, `largest`."""
    number = words[at].number
    if number is not None and at + 1 < len(words) and words[at + 1].form in _SUPERLATIVES:
        return Top(int(number), _SUPERLATIVES[words[at + 1].form]), 2
    descending = _SUPERLATIVES.get(words[at].form)
    if descending is None:
        return None
    following = words[at + 1].number if at + 1 < len(words) else None
    if following is not None and following >= 1 and following == int(following):
        return Top(int(following), descending), 2
    return Top(None, descending), 1


def _mark(words: Sequence[Word], at: int) -> Found | None:
    for length in (2, 1):
        kind = _MARKS.get(_forms(words, at, length))
        if kind is not None:
            return Mark(kind), length
    return None


def _number(words: Sequence[Word], at: int) -> Found | None:
    number = words[at].number
    return None if number is None else (Number(number, words[at].text), 1)


def _forms(words: Sequence[Word], at: int, length: int) -> tuple[str, ...]:
    part = tuple(word.form for word in words[at : at + length])
    return part or ("",)
