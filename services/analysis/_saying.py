"""What slotted text says of the claims of one finding, and whether another text says all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.analysis._binding import Binding
from services.analysis._slots import Slot, slots_of
from services.analysis._words import word_holds, words_for
from services.analysis.claims import Claim, ComparisonClaim, Outcome
from services.analysis.prose import render_prose


class Saying:
    """The claims that a text may name, as they print. *binding* knows all of them that it names."""

    def __init__(
        self, claims: Mapping[str, Claim], outcomes: Mapping[str, Outcome], binding: Binding
    ) -> None:
        self.claims = claims
        self.outcomes = outcomes
        self.binding = binding

    def prints(self, text: str) -> str:
        runs = render_prose(text, self.claims, self.outcomes)
        return "".join(run.text for run in runs)

    def true_words(self, name: str) -> list[str]:
        """The words that may be said of a claim."""
        claim, outcome = self.claims[name], self.outcomes[name]
        return [word for word in words_for(claim) if word_holds(word, claim, outcome)]

    def binds(self, slot: Slot) -> bool:
        """All that a draft prints is to be kept, and its comparisons: nothing may get lost."""
        if slot.word:
            return isinstance(self.claims[slot.claim], ComparisonClaim)
        return slot.name not in {"label", "method"}

    def lost(self, slots: Iterable[Slot], text: str) -> list[Slot]:
        """Those of *slots* that *text* does not say, of a comparison perhaps in another word."""
        said = slots_of(text)
        return [slot for slot in slots if not self._keeps(said, slot)]

    def _keeps(self, said: Iterable[Slot], wanted: Slot) -> bool:
        if wanted.word:
            return any(slot.word for slot in said if slot.claim == wanted.claim)
        return any(self._tells(slot, wanted) for slot in said if not slot.word)

    def _tells(self, slot: Slot, wanted: Slot) -> bool:
        if slot.claim == wanted.claim and wanted.name == "size":
            return True
        is_same = bool(wanted.name) or self.binding.agree(slot.claim, wanted.claim)
        return is_same and self.prints(slot.written) == self.prints(wanted.written)
