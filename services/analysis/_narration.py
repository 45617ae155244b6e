"""One finding as a narrator sees it: short names for its claims, and what it may say of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Final

from services.analysis._binding import Binding
from services.analysis._mending import mended
from services.analysis._slots import Slot, rename_slots, slots_of
from services.analysis._words import word_holds, words_for
from services.analysis.claims import AbsenceClaim, Claim, ComparisonClaim, Outcome
from services.analysis.findings import Finding
from services.analysis.prose import Problem, check_prose, render_prose

_MOST_WORDS: Final = 4
_UNFOUNDED: Final = re.compile(
    r"\b(?:because|since then|due to|owing to|thanks to|caus(?:e[ds]?|ing)|driv(?:en|es?|ing)|drove"
    r"|reflect(?:s|ed|ing)?|attribut\w+|result(?:s|ed|ing)? (?:from|in)|led to|leads? to|follow(?:s|ed|ing)"
    r"|suggest\w*|impl(?:y|ies|ied)|mean(?:s|t|ing)|signal(?:s|led|ling)?|indicat\w+|show(?:s|ed|n|ing)? that"
    r"|will|shall|must|should|ought|may|might|could|would|likely|probabl[ey]|forecast\w*|future"
    r"|recommend\w*|advis\w+|need(?:s|ed)? to|requir(?:e[ds]?|ing)|urgent\w*|immediate\w*|action"
    r"|serious\w*|sever\w+|alarm\w*|worr(?:y\w*|ied)|concern\w*|critical\w*|dangerous\w*|danger"
    r"|safe\w*|sound\w*|health\w*|comfortabl\w+|adequa\w+|robust\w*|resilien\w+|significant\w*"
    r"|substantial\w*|material\w*|notabl[ey]|sharp\w*|dramatic\w*|considerabl[ey]|slight\w*"
    r"|marginal\w*|strong\w*|weak\w*|consistent\w*|still|again|remain(?:s|ed|ing)?|continu\w+)\b",
    re.IGNORECASE,
)
"""Causes, forecasts, advice and judgements: no claim carries them, so no model may add them."""


class Narration:
    """A finding with aliases `c1`, `c2`, ... for the claims that its prose cites."""

    def __init__(
        self, finding: Finding, claims: Mapping[str, Claim], outcomes: Mapping[str, Outcome]
    ) -> None:
        self.finding = finding
        named = tuple(dict.fromkeys(slot.claim for slot in slots_of(finding.prose)))
        self._ids = {f"c{number}": name for number, name in enumerate(named, start=1)}
        self._aliases = {name: alias for alias, name in self._ids.items()}
        self._claims = {alias: claims[name] for alias, name in self._ids.items()}
        self._outcomes = {alias: outcomes[name] for alias, name in self._ids.items()}
        self._binding = Binding(named, claims, outcomes)
        self._known = (claims, outcomes)
        self.draft = rename_slots(finding.prose, self._aliases.__getitem__)
        self._drafted = slots_of(self.draft)

    @property
    def is_safe(self) -> bool:
        """Whether the checks could tell a wrong sentence of this finding from a right one."""
        return self._binding.is_clear

    @property
    def required(self) -> tuple[str, ...]:
        """
        Slots that a sentence may not leave out.

        The words of its comparisons, the names it is about, what is missing, and the dates: without
        them a breach, a counterparty or a year could be lost.
        """
        return tuple(dict.fromkeys(_written(slot) for slot in self._drafted if self._binds(slot)))

    def described(self) -> str:
        """The finding for a prompt: its draft, its slots, and those that it has to keep."""
        finding = self.finding
        lines = [
            f"Subject: {finding.subject}",
            f"Draft: {self.draft}",
            f"It prints: {self._prints(self.draft)}",
        ]
        lines += ["Slots:", *map(self._slots, self._claims)]
        return "\n".join([*lines, f"Keep all of: {' '.join(self.required) or 'none'}"])

    def mended(self, text: str) -> str:
        """*text* with what is plainly meant put right: a figure or a word that has one slot."""
        printed = {self._prints(_written(slot)): _written(slot) for slot in self._drafted}
        return mended(text, printed, self._words)

    def problems(self, text: str) -> tuple[Problem, ...]:
        """What keeps *text* from taking the place of the draft."""
        found = check_prose(text, self._claims, self._outcomes)
        if found:
            return found
        said = {_written(slot) for slot in slots_of(text)}
        found = tuple(
            _problem("prose.missing", f"keep the slot {slot}")
            for slot in self.required
            if slot not in said and not self._reworded(slot, text)
        )
        drafted = self._prints(self.draft).lower()
        for word in dict.fromkeys(match.group().lower() for match in _UNFOUNDED.finditer(text)):
            if word not in drafted:
                found += (_problem("prose.unfounded", f"'{word}' says what no figure says"),)
        return found or self._binding.problems(self.restored(text), "prose")

    def restored(self, text: str) -> str:
        """*text* with the ids of the claims in place of the aliases."""
        return rename_slots(text, self._ids.__getitem__)

    @cached_property
    def _words(self) -> Mapping[str, str]:
        """The slot of each word that is true of exactly one claim."""
        slots: dict[str, list[str]] = {}
        for alias, claim in self._claims.items():
            for word in words_for(claim):
                if word_holds(word, claim, self._outcomes[alias]):
                    slots.setdefault(word, []).append(f"{{{alias}:{word}}}")
        return {word: found[0] for word, found in slots.items() if len(found) == 1}

    def _prints(self, text: str) -> str:
        runs = render_prose(text, self._claims, self._outcomes)
        return "".join(run.text for run in runs)

    def _binds(self, slot: Slot) -> bool:
        claim, outcome = self._claims[slot.claim], self._outcomes[slot.claim]
        return (
            (isinstance(claim, ComparisonClaim) and bool(slot.word))
            or isinstance(claim, AbsenceClaim)
            or (outcome.text is not None and not slot.name)
            or slot.name in {"as_of", "since"}
        )

    def _reworded(self, slot: str, text: str) -> bool:
        """Whether *text* says the comparison of *slot* in another word that is true of it."""
        alias = slots_of(slot)[0].claim
        return isinstance(self._claims[alias], ComparisonClaim) and any(
            said.word for said in slots_of(text) if said.claim == alias
        )

    def _slots(self, alias: str) -> str:
        claim, outcome = self._claims[alias], self._outcomes[alias]
        drafted = [slot for slot in self._drafted if slot.claim == alias]
        words = [slot.word for slot in drafted if slot.word]
        if words:
            true = [word for word in words_for(claim) if word_holds(word, claim, outcome)]
            words = list(dict.fromkeys([*words, *true]))[:_MOST_WORDS]
        names = {slot.name for slot in drafted if slot.name} | {"label"}
        forms = [f"{{{alias}@{name}}}" for name in sorted(names)]
        forms += [f"{{{alias}:{word}}}" for word in words]
        return f"{{{alias}}} prints {outcome.display}: {claim.label}. Also {' '.join(forms)}"


def _written(slot: Slot) -> str:
    return f"{{{slot.claim}{f':{slot.word}' if slot.word else ''}{f'@{slot.name}' if slot.name else ''}}}"


def _problem(code: str, message: str) -> Problem:
    return Problem(code=code, where="prose", message=message)
