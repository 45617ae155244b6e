"""
Figures and the words beside them: does a sentence call each figure what it is?

A slot always prints the right figure; the words around it could still call it something else
(`the limit is` before the slot of the measure). Rules write their own sentences and are read by
people; for a model's sentence this is checked here, strictly: a false alarm costs a rewording.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from services.analysis._slots import Slot, slots_of
from services.analysis.claims import Claim, ComparisonClaim, Outcome, ValueClaim, cells_of
from services.analysis.prose import Problem
from services.evidence import Cell

_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_TRIVIAL = frozenset(
    [
        "a",
        "all",
        "an",
        "and",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
        "or",
        "per",
        "the",
        "to",
        "was",
        "with",
    ]
)

_RELATIVE = frozenset({"which", "that", "whose"})


class Binding:
    """The claims of one finding, as the words of their labels tell them apart."""

    def __init__(
        self, named: Iterable[str], claims: Mapping[str, Claim], outcomes: Mapping[str, Outcome]
    ) -> None:
        self._claims = {name: claims[name] for name in named}
        self._texts = {name for name in self._claims if outcomes[name].text is not None}
        self._by_cell = {
            claim.cell: claim for claim in claims.values() if isinstance(claim, ValueClaim)
        }

    @property
    def is_clear(self) -> bool:
        """Whether labels tell all figures apart, and no two names are called the same."""
        known = [frozenset(self._own[name]) for name in self._printed]
        return len(set(known)) == len(known)

    def problems(self, text: str, where: str) -> tuple[Problem, ...]:
        """Where *text*, which passes `check_prose`, may call something by another's name."""
        found: dict[str, None] = {}
        opening: Slot | None = None
        for sentence in _SENTENCE_END.split(text):
            found |= dict.fromkeys(self._sentence(sentence, opening))
            printing = [slot for slot in slots_of(sentence) if _prints(slot)]
            opening = printing[0] if printing else opening
        return tuple(Problem(code="prose.binding", where=where, message=m) for m in found)

    @cached_property
    def _printed(self) -> tuple[str, ...]:
        """Claims that print something of their own; a comparison prints its cell's value again."""
        return tuple(
            name
            for name, claim in self._claims.items()
            if not (isinstance(claim, ComparisonClaim) and claim.cell in self._by_cell)
        )

    @cached_property
    def _own(self) -> dict[str, frozenset[str]]:
        return {name: self._words_of(claim) for name, claim in self._claims.items()}

    def _words_of(self, claim: Claim) -> frozenset[str]:
        if not isinstance(claim, ComparisonClaim):
            return _label_words(claim.label)
        value, bound = self._by_cell.get(claim.cell), self._by_cell.get(claim.threshold)
        if value is not None:
            return _label_words(value.label)
        return _label_words(claim.label) - (_label_words(bound.label) if bound else frozenset())

    def _foreign(self, name: str) -> frozenset[str]:
        """Words that only other figures of the finding go by."""
        others = frozenset[str]().union(*(self._own[other] for other in self._printed))
        return others - self._own[name]

    def _sentence(self, sentence: str, opening: Slot | None) -> Iterator[str]:
        start = 0
        # What the next word may be said of: the last figure, and the measures compared so far.
        last = [opening] if opening else []
        for slot in slots_of(sentence):
            said = self._said(sentence[start : slot.start])
            if _prints(slot):
                yield from self._figure(slot, said, sentence[start : slot.start])
                start = slot.end
                last = [slot, *(s for s in last if s.word)]
            elif slot.word:
                yield from self._word(slot, said, last)
                if self._is_comparison(slot.claim):
                    yield from self._comparison(slot, sentence[: slot.start])
                    last = [*last, slot]

    def _said(self, text: str) -> frozenset[str]:
        """The words of *text*, with names in `{id@label}` written out."""
        for slot in reversed(slots_of(text)):
            label = self._claims[slot.claim].label if slot.name == "label" else " "
            text = f"{text[: slot.start]} {label} {text[slot.end :]}"
        return frozenset(map(_form, _WORD.findall(text)))

    def _figure(self, slot: Slot, said: frozenset[str], before: str) -> Iterator[str]:
        """What stands before a figure must be words of its name, and of no other's."""
        name, own = slot.claim, self._own[slot.claim]
        if name in self._texts:
            if len(self._texts) > 1 and not said & own:
                yield self._call(name)
            return
        if wrong := sorted(said & self._foreign(name)):
            yield f"'{wrong[0]}' before {{{name}}} is what another figure is called"
        elif not any(s.claim == name and (s.word or s.name == "label") for s in slots_of(before)):
            others = (self._own[other] for other in self._printed if other != name)
            if not said & own or any(own - other and not said & (own - other) for other in others):
                yield self._call(name)

    def _call(self, name: str) -> str:
        return f"say what {{{name}}} is right before it: {{{name}@label}}"

    def _word(self, slot: Slot, said: frozenset[str], subjects: Sequence[Slot]) -> Iterator[str]:
        """A checked word belongs to what was named before it; after `which`, to the very last."""
        name = slot.claim
        if said & _RELATIVE:
            subjects = subjects[:1]
        if said & self._foreign(name):
            yield f"'{slot.word}' is said of {self._claims[name].label}, and another is named"
        elif (
            subjects
            and not said & self._own[name]
            and not any(self._same(subject.claim, name) for subject in subjects)
        ):
            yield f"'{slot.word}' is said of {self._claims[name].label}; name it before the word"

    def _same(self, one: str, other: str) -> bool:
        """Whether two claims are of the same cell; a name, of the same row."""
        cells, others = cells_of(self._claims[one]), cells_of(self._claims[other])
        if one in self._texts:
            return bool({_row(cell) for cell in cells} & {_row(cell) for cell in others})
        return bool(set(cells) & set(others))

    def _comparison(self, slot: Slot, before: str) -> Iterator[str]:
        """The measure comes before the word, what it is measured against comes after."""
        claim = self._claims[slot.claim]
        assert isinstance(claim, ComparisonClaim)
        earlier = [s for s in slots_of(before) if s.word and self._is_comparison(s.claim)]
        clause = before[earlier[-1].end :] if earlier else before
        cited = {cell for s in slots_of(clause) for cell in self._value_cells(s.claim)}
        bound = self._by_cell.get(claim.threshold)
        words = (_label_words(bound.label) if bound else frozenset()) - self._own[slot.claim]
        if claim.threshold in cited or self._said(clause) & words:
            yield f"name the measure before '{slot.word}', and what it is measured against after it"

    def _is_comparison(self, name: str) -> bool:
        return isinstance(self._claims[name], ComparisonClaim)

    def _value_cells(self, name: str) -> tuple[Cell, ...]:
        claim = self._claims[name]
        return (claim.cell,) if isinstance(claim, ValueClaim) else ()


def _prints(slot: Slot) -> bool:
    return not slot.word and slot.name in {"", "size"}


def _row(cell: Cell) -> tuple[str, str]:
    return cell.evidence, cell.row


def _label_words(label: str) -> frozenset[str]:
    """The words that a label goes by; small words only where its end says nothing else."""
    forms = frozenset(map(_form, _WORD.findall(label)))
    tail = frozenset(map(_form, _WORD.findall(label.rpartition(": ")[2])))
    return forms - _TRIVIAL | (tail if tail <= _TRIVIAL else frozenset())


def _form(word: str) -> str:
    word = word.lower()
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "su" else word
