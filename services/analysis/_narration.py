"""One finding as a narrator sees it, and what a sentence needs to take another's place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Final

from services.analysis import _lexicon as lexicon
from services.analysis._binding import Binding
from services.analysis._mending import slotted
from services.analysis._slots import Slot, slots_of
from services.analysis._words import word_holds, words_for
from services.analysis.claims import Claim, ComparisonClaim, Outcome
from services.analysis.findings import Finding
from services.analysis.prose import check_prose, render_prose

_SLOT: Final = re.compile(r"\{[^{}]*\}(?:['\u2019]s\b)?")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_PLAIN: Final = re.compile(
    r"a|an|the|this|that|these|those|it|its|they|their|them|which|whose|who|each|every|all|other|own"
    r"|and|or|but|while|whereas|although|though|so|as|than|both|either|with|without|within|by|of|on|in"
    r"|at|to|from|for|into|onto|over|under|between|among|across|against|beside|besides|alongside|per"
    r"|via|about|is|are|was|were|be|been|being|has|have|had|do|does|did|stand|stands|stood|standing"
    r"|amount|amounts|amounted|amounting|come|comes|came|reach|make|makes|made|making|take|takes|took"
    r"|hold|holds|held|holding|account|accounts|accounted|accounting|represent|represents|represented"
    r"|representing|equal|measure|measures|measured|figure|figures|level|levels|value|values|reading"
    r"|report|reports|reported|date|period|quarter-end|previous|earlier|prior|compared|comparison"
    r"|respective|respectively|also|too|here|there|where|when|since|until|after|before|during|namely"
    r"|overall|set|put|seen|found|recorded|shown|given|based|belong|belongs|part|out|way|case|side|turn",
    re.IGNORECASE,
)
"""Words that say nothing by themselves; besides them only those of the finding may be used."""


_REASONS: Final = {
    "prose.digit": "copy every figure and date exactly as it is printed, and write no other",
    "prose.number_word": "write no number in words",
    "prose.date": "copy every date exactly as it is printed, and write no other",
    "prose.direction": "compare only with the true words",
    "prose.slot": "use no braces",
}
"""What a model is told of a problem, where the checker's own words are about slots."""


class Narration:
    """The sentences of one finding, each of which a model may word anew."""

    def __init__(
        self, finding: Finding, claims: Mapping[str, Claim], outcomes: Mapping[str, Outcome]
    ) -> None:
        self.finding = finding
        self.sentences = _SENTENCE_END.split(finding.prose)
        self._names = tuple(dict.fromkeys(slot.claim for slot in slots_of(finding.prose)))
        self._claims = {name: claims[name] for name in self._names}
        self._outcomes = {name: outcomes[name] for name in self._names}
        self._binding = Binding(finding.prose, claims, outcomes)

    @property
    def prose(self) -> str:
        return " ".join(self.sentences)

    def is_open(self, index: int) -> bool:
        """
        Whether the checks can tell a wrong wording of sentence *index* from a right one.

        They can where labels tell its figures apart, and where they have nothing against the
        sentence as it is, once its slots are bound again from what it prints.
        """
        if not self._binding.is_clear:
            return False
        return not self.problems(index, self.bound(index, self._prints(self.sentences[index])))

    def described(self, index: int) -> str:
        """A sentence for a prompt, with what stands before it and the words that are true of it."""
        draft = self.sentences[index]
        compared = dict.fromkeys(slot.claim for slot in slots_of(draft) if slot.word)
        words = dict.fromkeys(word for name in compared for word in self._true_words(name))
        return (
            f"Before it: {self._prints(' '.join(self.sentences[:index])) or 'nothing'}\n"
            f"True words: {', '.join(words) or 'none'}\n"
            f"Sentence: {self._prints(draft)}"
        )

    def bound(self, index: int, text: str) -> str:
        """*text* with a slot for each figure, name, date and word that it copies from a claim."""
        printed: dict[str, dict[str, None]] = {}
        drafted = map(_written, slots_of(self.sentences[index]))
        others = map(_written, slots_of(self.finding.prose))
        for slot in (*drafted, *others, *(f"{{{name}}}" for name in self._names)):
            if not slots_of(slot)[0].word and not slot.endswith("@label}"):
                printed.setdefault(self._prints(slot), {})[slot] = None
        slots = {said: tuple(found) for said, found in printed.items()}
        return slotted(text, slots, self._words(self.sentences[index]))

    def is_draft(self, index: int, text: str) -> bool:
        """Whether *text* reads like the sentence as it is."""
        return self._prints(text) == self._prints(self.sentences[index])

    def problems(self, index: int, text: str) -> tuple[str, ...]:
        """Why *text* may not take the place of sentence *index*, said so that it can be repaired."""
        if found := check_prose(text, self._claims, self._outcomes):
            return tuple(dict.fromkeys(_REASONS.get(p.code, p.message) for p in found))
        wanted = filter(self._binds, slots_of(self.sentences[index]))
        lost = [self._prints(_written(slot)) for slot in wanted if not self._keeps(text, slot)]
        lost += self._binding.lost(self.sentences[index], text)
        kept = [f"keep '{said}'" for said in dict.fromkeys(lost)]
        new = [f"'{word}' is not said by the finding" for word in self._new_words(text)]
        if not kept and not new:
            new = self._misnamed(index, text)
        return (*kept, *new)

    def _misnamed(self, index: int, text: str) -> list[str]:
        """What *text* calls by another's name, and what a sentence after it then does."""
        before, after = self.sentences[:index], self.sentences[index + 1 :]
        found = self._binding.problems(text, before)
        for place, sentence in enumerate(after):
            known = self._binding.problems(
                sentence, [*before, self.sentences[index], *after[:place]]
            )
            now = self._binding.problems(sentence, [*before, text, *after[:place]])
            found += [problem for problem in now if problem not in known]
        return found

    def _new_words(self, text: str) -> list[str]:
        """Words of *text* that are neither plain nor the finding's: no claim carries them."""
        bare = _WORD.findall(_SLOT.sub(" ", text))
        return [
            word
            for word in dict.fromkeys(bare)
            if not _PLAIN.fullmatch(word) and word.lower() not in self._vocabulary
        ]

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        """Words of the draft as printed, the subject and the labels, in singular and plural."""
        labels = (claim.label for claim in self._claims.values())
        printed = self._prints(self.finding.prose)
        words = set(_WORD.findall(" ".join((printed, self.finding.subject, *labels)).lower()))
        return frozenset(words | {f"{w}s" for w in words} | {w.removesuffix("s") for w in words})

    def _words(self, draft: str) -> Mapping[str, str]:
        """The slot of each word of direction that is true of exactly one claim compared in *draft*."""
        slots: dict[str, list[str]] = {}
        for name in dict.fromkeys(slot.claim for slot in slots_of(draft) if slot.word):
            for word in self._true_words(name):
                if lexicon.DIRECTION_WORDS.fullmatch(word):
                    slots.setdefault(word, []).append(f"{{{name}:{word}}}")
        return {word: found[0] for word, found in slots.items() if len(found) == 1}

    def _true_words(self, name: str) -> list[str]:
        claim, outcome = self._claims[name], self._outcomes[name]
        return [word for word in words_for(claim) if word_holds(word, claim, outcome)]

    def _prints(self, text: str) -> str:
        runs = render_prose(text, self._claims, self._outcomes)
        return "".join(run.text for run in runs)

    def _binds(self, slot: Slot) -> bool:
        """All that the draft prints is to be kept, and its comparisons: nothing may get lost."""
        if slot.word:
            return isinstance(self._claims[slot.claim], ComparisonClaim)
        return slot.name not in {"label", "method"}

    def _keeps(self, text: str, wanted: Slot) -> bool:
        """Whether *text* says what slot *wanted* says, of a comparison perhaps in another word."""
        said = slots_of(text)
        if wanted.word:
            return any(slot.word for slot in said if slot.claim == wanted.claim)
        return any(self._tells(slot, wanted) for slot in said if not slot.word)

    def _tells(self, slot: Slot, wanted: Slot) -> bool:
        if slot.claim == wanted.claim and wanted.name == "size":
            return True
        is_same = bool(wanted.name) or self._binding.agree(slot.claim, wanted.claim)
        return is_same and self._prints(_written(slot)) == self._prints(_written(wanted))


def _written(slot: Slot) -> str:
    ending = f":{slot.word}" if slot.word else f"@{slot.name}" if slot.name else ""
    return f"{{{slot.claim}{ending}}}"
