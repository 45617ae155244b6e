"""
Prose with slots: what may stand in it, and what it reads once claims are verified.

`check_prose` refuses, outside slots, every digit, number-word, date and word of direction or
comparison; inside slots it checks that the claim stands and that the word is true of it. Its
messages are written so that whoever wrote the sentence, a model too, can repair it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from services.analysis import _lexicon as lexicon
from services.analysis import formats
from services.analysis._slots import Slot, slots_of
from services.analysis._words import word_holds, words_for
from services.analysis.claims import Claim, Outcome
from services.evidence import Frozen

__all__ = ["Problem", "Run", "check_label", "check_prose", "render_prose", "slots_of", "words_for"]


class Problem(Frozen):
    """Something that may not be published, and why."""

    code: str
    where: str
    message: str
    word: str = ""
    """What of the text it is about, as it was written."""


class Run(NamedTuple):
    """A piece of a rendered sentence; `figure` is the claim id when it is a figure."""

    text: str
    figure: str = ""


_FIGURE_MARK: Final = "\ue000"
_SLOT_MARK: Final = "\ue001"
_TERM_MARK: Final = "\ue002"
_MARKS: Final = frozenset({_FIGURE_MARK, _SLOT_MARK, _TERM_MARK})
"""Stand for a slot that prints an amount, another slot, and a term of art."""
_OPENING: Final = frozenset("(\"'/\u201c\u2018\u2014")
_LOOKS: Final = str.maketrans("\u00f8\u0142\u0111\u0127\u0167\u0131", "oldhti")
"""Letters that are read as another, and that Unicode does not take apart."""
_LETTERS = re.compile(r"[^\W\d_]+")
_WORD = re.compile("[^\\W\\d_]+(?:['\u2019][^\\W\\d_]+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
_PHONETIC: Final = 0x180
"""From here on most letters are signs of sounds."""
_PERCENT_PARAMETERS = frozenset({"confidence", "level"})


def check_prose(
    text: str,
    claims: Mapping[str, Claim],
    outcomes: Mapping[str, Outcome],
    *,
    where: str = "prose",
    directions: bool = True,
) -> tuple[Problem, ...]:
    """
    Problems of one piece of prose; none when it may be published.

    *directions* is false for sentences on method, which define comparisons and do not make any.
    """
    found = [*_outside(text, directions=directions), *_inside(text, claims, outcomes)]
    return tuple(
        Problem(code=code, where=where, message=message, word=word)
        for code, message, word in dict.fromkeys(found)
    )


def check_label(
    text: str, *, where: str, exempt: frozenset[str] = frozenset()
) -> tuple[Problem, ...]:
    """
    Problems of a short text without slots: a label, a head, a cell.

    It may compare (`Largest counterparties`) but holds no number, besides those in *exempt*.
    """
    bare = lexicon.TERMS.sub(_TERM_MARK, text)
    numbers = (run for run in re.findall(r"\d+(?:[.,]\d+)*", bare) if run not in exempt)
    found = [("prose.digit", f"the number {run} is not a claim", run) for run in numbers]
    found += _words_of(bare, directions=False)
    return tuple(
        Problem(code=code, where=where, message=message, word=word) for code, message, word in found
    )


def render_prose(
    text: str, claims: Mapping[str, Claim], outcomes: Mapping[str, Outcome]
) -> tuple[Run, ...]:
    """*text* with its slots filled; `KeyError` for a slot without outcome."""
    runs: list[Run] = []
    position = 0
    for slot in slots_of(text):
        runs.append(Run(text[position : slot.start]))
        runs.append(Run(_filled(slot, claims[slot.claim], outcomes[slot.claim]), slot.claim))
        position = slot.end
    runs.append(Run(text[position:]))
    return tuple(run for run in runs if run.text)


_Found = tuple[str, str, str]
"""Code, message, and the word that it is about."""


def _outside(text: str, *, directions: bool) -> Iterator[_Found]:
    if not _MARKS.isdisjoint(text):
        yield "prose.symbol", "private-use characters may not be used", ""
        return
    bare = lexicon.TERMS.sub(_TERM_MARK, _marked(text))
    yield from _characters(bare)
    yield from _words_of(bare, directions=directions)
    yield from _neighbours(bare)
    yield from _negations(text)


def _marked(text: str) -> str:
    """*text* with a mark for each slot."""
    bare = text
    for slot in reversed(slots_of(text)):
        amount = not slot.word and slot.name in {"", "size"}
        bare = bare[: slot.start] + (_FIGURE_MARK if amount else _SLOT_MARK) + bare[slot.end :]
    return bare


def _characters(bare: str) -> Iterator[_Found]:
    for character in dict.fromkeys(bare):
        if character in lexicon.PUNCTUATION or character in _MARKS:
            continue
        category = unicodedata.category(character)
        if category in {"Nd", "Nl", "No"}:
            message = f"write no digit ({character}); name the claim in a slot instead"
            yield "prose.digit", message, _word_with(character, bare)
        elif character in "{}":
            yield (
                "prose.slot",
                "a brace does not belong to a slot of the form {id}, {id:word} or {id@name}",
                _word_with(character, bare),
            )
        elif not _is_latin(character):
            message = f"the character U+{ord(character):04X} may not be used in prose"
            yield "prose.symbol", message, character


def _word_with(character: str, bare: str) -> str:
    """The first word of *bare* that holds *character*, without marks and the stop behind it."""
    word = next(word for word in bare.split() if character in word)
    return "".join(c for c in word if c not in _MARKS).rstrip(".,;:")


def _is_latin(character: str) -> bool:
    """Whether it is a letter of Europe's languages: no click, tone or small capital that looks like one."""
    known = ord(character) < _PHONETIC or _read(character).isascii()
    return known and character.isalpha() and unicodedata.name(character, "").startswith("LATIN ")


def _read(text: str) -> str:
    """*text* as a reader takes it: ligatures taken apart, letters without their accents."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(c for c in parts if not unicodedata.combining(c)).translate(_LOOKS)


def _words_of(bare: str, *, directions: bool) -> Iterator[_Found]:
    bare = _read(bare)
    for match in lexicon.PERIODS.finditer(bare):
        yield (
            "prose.date",
            f"'{match.group()}' is a date or an amount; use a slot such as {{id@as_of}}",
            match.group(),
        )
    for match in lexicon.DATES.finditer(bare):
        message = f"'{match.group()}' is a date; use a slot such as {{id@as_of}}"
        yield "prose.date", message, match.group()
    for match in lexicon.COMPARISONS.finditer(bare) if directions else ():
        message = f"'{match.group()}' compares; put it in a checked slot {{id:word}} or reword"
        yield "prose.direction", message, match.group()
    for word in _LETTERS.findall(bare):
        if lexicon.NUMBER_WORDS.fullmatch(word):
            message = f"'{word}' is a number in words; use a slot or reword"
            yield "prose.number_word", message, word
        elif lexicon.DATE_WORDS.fullmatch(word):
            yield "prose.date", f"'{word}' is a date; use a slot such as {{id@as_of}}", word
        elif directions and lexicon.DIRECTION_WORDS.fullmatch(word):
            yield (
                "prose.direction",
                f"'{word}' compares or says a direction; put it in a checked slot {{id:word}} or reword",
                word,
            )


def _neighbours(bare: str) -> Iterator[_Found]:
    for match in re.finditer(f"[{_FIGURE_MARK}{_SLOT_MARK}]", bare):
        before, after = bare[: match.start()], bare[match.end() :]
        if before and not (before[-1].isspace() or before[-1] in _OPENING):
            yield "prose.slot", f"put a space before the slot, not '{before[-1]}'", before[-1]
        if after and (after[0].isalnum() or after[0] in _MARKS):
            yield "prose.slot", "put a space after the slot", ""
        if match.group() == _FIGURE_MARK:
            yield from _beside_figure(before, after)


def _beside_figure(before: str, after: str) -> Iterator[_Found]:
    if dash := re.search(r"(?:^|\s)([-\u2013])\s*$", before):
        yield "prose.slot", "a dash before a slot reads as a minus; leave it out", dash[1]
    last = re.search(
        r"([^\W\d_]+)(?:\s+of|\s+to)?[\s(\"'/\u201c\u2018\u2014]+$", _read(before[-24:])
    )
    if last and lexicon.HEDGES.fullmatch(last[1]):
        message = f"'{last[1]}' before a slot changes the figure; leave it out"
        yield "prose.hedge", message, last[1]
    following = re.match(r"[\s(,/\u2013\u2014-]*(?:in\s+)?([^\W\d_]+)", _read(after))
    if following and lexicon.UNITS_AFTER.fullmatch(following[1]):
        message = f"a slot prints its own unit; leave out '{following[1]}'"
        yield "prose.slot", message, following[1]


def _negations(text: str) -> Iterator[_Found]:
    for sentence in _SENTENCE_END.split(text):
        if not any(slot.word for slot in slots_of(sentence)):
            continue
        if sentence.rstrip("\"')\u201d\u2019").endswith("?"):
            yield (
                "prose.negation",
                "a question turns the sense of a checked word; say what is so",
                "?",
            )
        for word in _WORD.findall(_read(_marked(sentence))):
            if lexicon.NEGATIONS.fullmatch(word):
                yield (
                    "prose.negation",
                    f"'{word}' turns the sense of a checked word; say what is so",
                    word,
                )


def _inside(
    text: str, claims: Mapping[str, Claim], outcomes: Mapping[str, Outcome]
) -> Iterator[_Found]:
    for slot in slots_of(text):
        claim, outcome = claims.get(slot.claim), outcomes.get(slot.claim)
        if claim is None or outcome is None:
            yield "prose.slot", f"there is no claim {slot.claim}", slot.written
        elif not outcome.verified:
            message = f"claim {slot.claim} does not hold: {outcome.reason}"
            yield "prose.unverified", message, slot.written
        elif slot.word and not word_holds(slot.word, claim, outcome):
            allowed = [word for word in words_for(claim) if word_holds(word, claim, outcome)]
            yield (
                "prose.word",
                f"'{slot.word}' is not true of claim {slot.claim}; true words: {', '.join(allowed)}",
                slot.word,
            )
        elif slot.name and _attribute(slot.name, claim, outcome) is None:
            yield "prose.slot", f"claim {slot.claim} has no {slot.name}", slot.written


def _filled(slot: Slot, claim: Claim, outcome: Outcome) -> str:
    if slot.word:
        return slot.word
    if slot.name:
        return _attribute(slot.name, claim, outcome) or formats.NOT_AVAILABLE
    return outcome.display


def _attribute(name: str, claim: Claim, outcome: Outcome) -> str | None:
    size = None if outcome.value is None else abs(outcome.value)
    known = {
        "label": claim.label,
        "as_of": formats.display_date(claim.as_of),
        "method": claim.method,
        "reason": outcome.reason,
        "size": formats.display(size, claim.unit, claim.digits, claim.scale),
    }
    return known.get(name) or _parameter(name, claim.parameters.get(name))


def _parameter(name: str, value: str | None) -> str | None:
    if value is None:
        return None
    if name == "since":
        return formats.display_date(date.fromisoformat(value))
    if name in _PERCENT_PARAMETERS:
        return f"{formats.plain(Decimal(value) * 100)}\u00a0%"
    return value
