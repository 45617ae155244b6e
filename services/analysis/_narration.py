"""One finding as a narrator sees it, and what a sentence needs to take another's place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Final

from services.analysis import _lexicon as lexicon
from services.analysis._binding import Binding
from services.analysis._mending import slotted
from services.analysis._saying import Saying
from services.analysis._slots import slots_of
from services.analysis.claims import Claim, Outcome
from services.analysis.findings import Finding
from services.analysis.prose import check_prose

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
        self._binding = Binding(finding.prose, claims, outcomes)
        self._saying = Saying(
            {name: claims[name] for name in self._names},
            {name: outcomes[name] for name in self._names},
            self._binding,
        )

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
        return not self.problems(
            index, self.bound(index, self._saying.prints(self.sentences[index]))
        )

    def described(self, index: int) -> str:
        """A sentence for a prompt, with what stands before it and the words that are true of it."""
        draft = self.sentences[index]
        compared = dict.fromkeys(slot.claim for slot in slots_of(draft) if slot.word)
        words = dict.fromkeys(word for name in compared for word in self._saying.true_words(name))
        return (
            f"Before it: {self._saying.prints(' '.join(self.sentences[:index])) or 'nothing'}\n"
            f"True words: {', '.join(words) or 'none'}\n"
            f"Sentence: {self._saying.prints(draft)}"
        )

    def bound(self, index: int, text: str) -> str:
        """*text* with a slot for each figure, name, date and word that it copies from a claim."""
        printed: dict[str, dict[str, None]] = {}
        drafted = (slot.written for slot in slots_of(self.sentences[index]))
        others = (slot.written for slot in slots_of(self.finding.prose))
        for slot in (*drafted, *others, *(f"{{{name}}}" for name in self._names)):
            if not slots_of(slot)[0].word and not slot.endswith("@label}"):
                printed.setdefault(self._saying.prints(slot), {})[slot] = None
        slots = {said: tuple(found) for said, found in printed.items()}
        return slotted(text, slots, self._words(self.sentences[index]))

    def is_draft(self, index: int, text: str) -> bool:
        """Whether *text* reads like the sentence as it is."""
        return self._saying.prints(text) == self._saying.prints(self.sentences[index])

    def problems(self, index: int, text: str) -> tuple[str, ...]:
        """Why *text* may not take the place of sentence *index*, said so that it can be repaired."""
        if found := check_prose(text, self._saying.claims, self._saying.outcomes):
            return tuple(dict.fromkeys(_REASONS.get(p.code, p.message) for p in found))
        wanted = filter(self._saying.binds, slots_of(self.sentences[index]))
        lost = [self._saying.prints(slot.written) for slot in self._saying.lost(wanted, text)]
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
        labels = (claim.label for claim in self._saying.claims.values())
        printed = self._saying.prints(self.finding.prose)
        words = set(_WORD.findall(" ".join((printed, self.finding.subject, *labels)).lower()))
        return frozenset(words | {f"{w}s" for w in words} | {w.removesuffix("s") for w in words})

    def _words(self, draft: str) -> Mapping[str, str]:
        """The slot of each word of direction that is true of exactly one claim compared in *draft*."""
        slots: dict[str, list[str]] = {}
        for name in dict.fromkeys(slot.claim for slot in slots_of(draft) if slot.word):
            for word in self._saying.true_words(name):
                if lexicon.DIRECTION_WORDS.fullmatch(word):
                    slots.setdefault(word, []).append(f"{{{name}:{word}}}")
        return {word: found[0] for word, found in slots.items() if len(found) == 1}
