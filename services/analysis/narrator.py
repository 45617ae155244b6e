"""
The narrator: a model's sentences in place of template sentences.

It words what the rules (or the analyst model) found, and adds nothing. Whatever it copies from a
verified claim becomes the claim's slot, so that no figure of its own is ever printed; a sentence
that fails a check goes back with the reason, and after that the template stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from services.analysis._narration import Narration
from services.analysis._recompute import Recomputation
from services.analysis.claims import Outcome
from services.analysis.context import SectionContext
from services.analysis.findings import Author, Authorship, Finding, SectionAnalysis
from services.analysis.prose import Problem
from services.errors import ModelUnavailable
from services.model import ModelClient, UnusableAnswer

__all__ = ["narrate"]

PATIENCE: Final = timedelta(minutes=12)
"""How long the sentences of a section may take altogether; its step has a timeout to keep."""
_REPAIRS: Final = 2
_MOST_UNUSABLE: Final = 3
"""After as many unusable answers in a row the model is not asked any more."""
_MAX_TOKENS: Final = 200
_SYSTEM: Final = """\
You word sentences of a bank's risk report in plain, exact English, for a risk committee.
Write the given sentence anew: other order or other wording, the same facts, one sentence.
Copy every figure, name and date exactly as it is printed, and leave none out.
Before each figure put what it is, in the sentence's own words. To compare, use only the true words.
Say only what the sentence says: no cause, no judgement, no advice, no forecast, no new figure.

Sentence: Net exposure of Treasury: EUR 12.4m exceeds the limit of EUR 12.0m.
{"sentence": "At EUR 12.4m, net exposure of Treasury is above its limit of EUR 12.0m."}
Sentence: Since 31 March 2020 it rose by EUR 0.8m.
{"sentence": "It increased by EUR 0.8m since 31 March 2020."}
Sentence: Metals has the largest balance of the desks: EUR 7.1m of EUR 9.0m, a share of 78.9 %.
{"sentence": "The largest balance of the desks is that of Metals, a balance of EUR 7.1m and a share of 78.9 % of EUR 9.0m."}
"""
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"sentence": {"type": "string", "minLength": 1, "maxLength": 500}},
    "required": ["sentence"],
    "additionalProperties": False,
}


async def narrate(
    client: ModelClient,
    context: SectionContext,
    analysis: SectionAnalysis,
    problems: Sequence[Problem],
) -> tuple[SectionAnalysis, Authorship]:
    """
    *analysis* in the words of *client*, sentence by sentence, where its words pass the checks.

    A finding among *problems*, those of an earlier attempt, keeps its template sentence.
    """
    claims = {claim.id: claim for claim in analysis.claims}
    outcomes = await asyncio.to_thread(_outcomes, context, analysis)
    refused = {problem.where.split("/")[1] for problem in problems if "/" in problem.where}
    work = _Work(client)
    note = ""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            for finding in analysis.findings:
                if finding.id not in refused and _holds(finding, outcomes):
                    await work.word(Narration(finding, claims, outcomes))
    except ModelUnavailable as error:
        note = f"{error.message} What it did not word is the rules' own."
    except TimeoutError:
        note = "The model took too long; what it did not word is the rules' own."
    return work.applied(analysis), work.credit(note)


@dataclass
class _Work:
    """What the narrator has written of one section so far."""

    client: ModelClient
    worded: dict[str, str] = field(default_factory=dict)
    offered: int = 0
    kept: int = 0
    unusable: int = 0

    async def word(self, narration: Narration) -> None:
        """Have the sentences of one finding worded, those that pass at once taking their place."""
        for index in filter(narration.is_open, range(len(narration.sentences))):
            text = await self._text(narration, index)
            passes = bool(text) and not narration.problems(index, text)
            if passes and narration.is_draft(index, text):
                continue
            self.offered += 1
            if passes:
                self.kept += 1
                narration.sentences[index] = text
                self.worded[narration.finding.id] = narration.prose

    async def _text(self, narration: Narration, index: int) -> str:
        """The last wording that the model had: it passes, or may not be repaired any more."""
        prompt = asked = narration.described(index)
        text = ""
        for _ in range(1 + _REPAIRS):
            try:
                answer = await self.client.complete(
                    _SYSTEM, asked, _SCHEMA, schema_name="sentence", max_tokens=_MAX_TOKENS
                )
            except UnusableAnswer:
                self.unusable += 1
                if self.unusable == _MOST_UNUSABLE:
                    raise
                return text
            self.unusable = 0
            before, text = text, narration.bound(index, answer["sentence"])
            found = narration.problems(index, text)
            if not found or text == before:
                break
            reasons = "\n".join(f"- {problem}" for problem in found[:6])
            wrote = f"You wrote: {answer['sentence']}\nThat cannot stand:\n{reasons}"
            asked = f"{prompt}\n\n{wrote}\nWrite it anew."
        return text

    def applied(self, analysis: SectionAnalysis) -> SectionAnalysis:
        author = self._author()
        findings = tuple(
            finding.model_copy(update={"prose": self.worded[finding.id], "prose_author": author})
            if finding.id in self.worded
            else finding
            for finding in analysis.findings
        )
        return analysis.model_copy(update={"findings": findings})

    def credit(self, note: str) -> Authorship:
        return Authorship(
            role="narrator",
            author=self._author(),
            offered=self.offered,
            kept=self.kept,
            note=note,
        )

    def _author(self) -> Author:
        return Author(kind="model", name=self.client.name or "model")


def _outcomes(context: SectionContext, analysis: SectionAnalysis) -> dict[str, Outcome]:
    # Without running computations again: the section is verified in full before it is published.
    recomputation = Recomputation(context.by_id, {})
    return {claim.id: recomputation.outcome(claim) for claim in analysis.claims}


def _holds(finding: Finding, outcomes: Mapping[str, Outcome]) -> bool:
    return all(name in outcomes and outcomes[name].verified for name in finding.claims)
