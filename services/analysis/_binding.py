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
from services.analysis.claims import (
    AbsenceClaim,
    Claim,
    ComparisonClaim,
    Outcome,
    ShareClaim,
    TrendClaim,
    ValueClaim,
)
from services.evidence import Cell

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_CLAUSE_END = re.compile(r"[,;:(]\s")
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

_COUNTED = frozenset({"count", "days", "years"})
"""Units of figures whose name stands behind them: `four accounts`."""
_RELATIVE = frozenset({"which", "that", "whose"})


class Binding:
    """The claims of one finding, as the words of their labels tell them apart."""

    def __init__(
        self, draft: str, claims: Mapping[str, Claim], outcomes: Mapping[str, Outcome]
    ) -> None:
        slots = slots_of(draft)
        self._claims = {slot.claim: claims[slot.claim] for slot in slots}
        self._shown = {name: outcomes[name].display for name in self._claims}
        self._texts = {name for name in self._claims if outcomes[name].text is not None}
        self._by_cell = {c.cell: c for c in claims.values() if isinstance(c, ValueClaim)}
        printed = dict.fromkeys(slot.claim for slot in slots if _prints(slot))
        self._figures = [name for name in printed if name not in self._texts]
        self._names = [name for name in printed if name in self._texts]

    @property
    def is_clear(self) -> bool:
        """Whether labels tell all figures apart, and all names."""
        return all(
            len({self._own[name] for name in names}) == len(names)
            for names in (self._figures, self._names)
        )

    def problems(self, text: str, before: Sequence[str]) -> list[str]:
        """
        Where *text*, which passes `check_prose`, may call something by another's name.

        *before* are the sentences that stand before it: what they begin with is what `it` means.
        """
        found: dict[str, None] = {}
        opening: Slot | None = None
        for sentence in before:
            opening = _first_printing(sentence) or opening
        for sentence in _SENTENCE_END.split(text):
            found |= dict.fromkeys(self._sentence(sentence, opening))
            opening = _first_printing(sentence) or opening
        return list(found)

    def lost(self, draft: str, text: str) -> list[str]:
        """Words of the names of figures that *draft* says and *text* does not."""
        before, after = self._said(draft), self._said(text)
        own = (self._own[s.claim] for s in slots_of(draft) if s.claim not in self._texts)
        return sorted(before & frozenset[str]().union(*own) - after)

    def agree(self, one: str, other: str) -> bool:
        """Whether two claims are one figure."""
        return one == other or self._same(one, other)

    @cached_property
    def _own(self) -> dict[str, frozenset[str]]:
        return {name: self._words_of(claim) for name, claim in self._claims.items()}

    def _words_of(self, claim: Claim) -> frozenset[str]:
        """The words of a label; a comparison goes by the name of what is compared."""
        if not isinstance(claim, ComparisonClaim):
            return _label_words(claim.label)
        value, bound = self._by_cell.get(claim.cell), self._by_cell.get(claim.threshold)
        if value is not None:
            return _label_words(value.label)
        return _label_words(claim.label) - (_label_words(bound.label) if bound else frozenset())

    @cached_property
    def _bounds(self) -> frozenset[str]:
        """Words that only thresholds go by, such as `limit`."""
        cells = {c.threshold for c in self._claims.values() if isinstance(c, ComparisonClaim)}
        is_bound = {name: bool(cells & set(self._value_cells(name))) for name in self._figures}
        words = frozenset[str]().union(*(self._own[n] for n in is_bound if is_bound[n]))
        return words - frozenset[str]().union(*(self._own[n] for n in is_bound if not is_bound[n]))

    def _sentence(self, sentence: str, opening: Slot | None) -> Iterator[str]:
        start = 0
        # What the next word may be said of: the last figure, and the measures compared so far.
        last = [opening] if opening else []
        for slot in slots_of(sentence):
            before = sentence[start : slot.start]
            if _prints(slot):
                after = sentence[slot.end :].partition("{")[0]
                known = [s for s in last if s is not opening]
                yield from self._printing(slot, before, after, known)
                start = slot.end
                last = [slot, *(s for s in last if s.word)]
            elif slot.name == "since":
                yield from self._since(slot, sentence)
            elif slot.word:
                yield from self._word(slot, before, last)
                if self._is_comparison(slot.claim):
                    yield from self._comparison(slot, sentence[: slot.start])
                    last = [*last, slot]

    def _said(self, text: str) -> frozenset[str]:
        """The words of *text*, with names in `{id@label}` written out."""
        for slot in reversed(slots_of(text)):
            label = self._claims[slot.claim].label if slot.name == "label" else " "
            text = f"{text[: slot.start]} {label} {text[slot.end :]}"
        return frozenset(map(_form, _WORD.findall(text)))

    def _named(self, pieces: Iterable[str], among: Sequence[str]) -> list[str]:
        """Those *among* that the first of *pieces* that names any names best."""
        for piece in pieces:
            said = self._said(piece)
            hits = {name: len(said & self._own[name]) for name in among}
            scores = {n: (hits[n] / len(self._own[n]), hits[n]) for n in among if hits[n]}
            if scores:
                return [name for name in among if scores.get(name) == max(scores.values())]
        return []

    def _printing(self, slot: Slot, before: str, after: str, last: Sequence[Slot]) -> Iterator[str]:
        """
        What stands before a figure or a name must be words of its own name.

        They may follow a count (`four accounts`), and the figure that a sentence begins with.
        """
        name = slot.claim
        if name in self._texts:
            if len(self._names) > 1 and name not in self._named(_nearest(before), self._names):
                yield self._call(name)
        elif self._said(before) & self._bounds - self._own[name]:
            yield f"before '{self._shown[name]}' stands the name of another figure"
        elif not any(s.claim == name and (s.word or s.name == "label") for s in slots_of(before)):
            figures = list(dict.fromkeys([*self._figures, name]))
            named = self._named(_nearest(before), figures)
            is_first = not last and not named
            if is_first or (not named and self._claims[name].unit in _COUNTED):
                named = self._named(_CLAUSE_END.split(after), figures)
            is_value = isinstance(self._claims[name], (ValueClaim, ComparisonClaim))
            follows = is_value and bool(last) and self._same(last[0].claim, name)
            if name not in named and (named or not follows):
                yield self._call(name)

    def _call(self, name: str) -> str:
        label = self._claims[name].label
        return f"put right before '{self._shown[name]}' what it is: {label}"

    def _word(self, slot: Slot, before: str, subjects: Sequence[Slot]) -> Iterator[str]:
        """A checked word belongs to what was named before it; after `which`, to the very last."""
        name = slot.claim
        if self._said(before) & _RELATIVE:
            subjects = subjects[:1]
        named = self._named(_nearest(before), self._figures)
        candidates = named or [subject.claim for subject in subjects]
        if candidates and not any(self._same(candidate, name) for candidate in candidates):
            yield f"'{slot.word}' is said of {self._claims[name].label}; name it before the word"

    def _same(self, one: str, other: str) -> bool:
        """Whether two claims are about the same cell; a name, about the same row."""
        about, others = _about(self._claims[one]), _about(self._claims[other])
        if about is None or others is None:
            return False
        return _row(about) == _row(others) if one in self._texts else about == others

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

    def _since(self, slot: Slot, sentence: str) -> Iterator[str]:
        """An earlier date belongs to a change: nothing is said to be so since then."""
        clauses = re.split(r"[,;]\s|\sand\s", sentence)
        clause = next(c for c in clauses if f"{{{slot.claim}@since}}" in c)
        for other in slots_of(clause):
            is_said = bool(other.word) or _prints(other)
            comparing = self._is_comparison(other.claim) and bool(other.word)
            if is_said and (comparing or not self._same(other.claim, slot.claim)):
                yield "put the earlier date beside the change alone"
                return

    def _is_comparison(self, name: str) -> bool:
        return isinstance(self._claims[name], ComparisonClaim)

    def _value_cells(self, name: str) -> tuple[Cell, ...]:
        claim = self._claims[name]
        return (claim.cell,) if isinstance(claim, ValueClaim) else ()


def _nearest(before: str) -> Iterator[str]:
    """The last clause of *before*, then what reaches further and further back."""
    pieces = _CLAUSE_END.split(before)
    for first in range(len(pieces) - 1, -1, -1):
        yield ", ".join(pieces[first:])


def _first_printing(sentence: str) -> Slot | None:
    return next((slot for slot in slots_of(sentence) if _prints(slot)), None)


def _prints(slot: Slot) -> bool:
    return not slot.word and slot.name in {"", "size"}


def _about(claim: Claim) -> Cell | None:
    """The cell that a claim says something of."""
    match claim:
        case TrendClaim():
            return claim.cells[-1]
        case ShareClaim():
            return claim.part[0] if len(claim.part) == 1 else None
        case AbsenceClaim():
            return None
        case _:
            return claim.cell


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
