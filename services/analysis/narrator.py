"""
The narrator: a model's sentences in place of template sentences.

It words what the rules (or the analyst model) found, and adds nothing. It names every figure by a
slot; a sentence that fails a check goes back with the reason, and after that the template stays.
"""

from __future__ import annotations

import asyncio
import re
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
_MAX_TOKENS: Final = 300
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")
_SYSTEM: Final = """\
You word the findings of a bank's risk report in plain, exact English.
You get a draft with slots in braces. Write the same finding anew in one to three short sentences,
the main point first. A slot prints its figure, name or word by itself: {c1} prints a figure,
{c1@label} its name, {c2:exceeds} a word. Use only slots that are listed.
Never write a digit, a number in words, a percent sign or a date outside a slot.
Words that compare or tell a direction (above, exceeds, within, rose, fell, higher, largest) may
stand only inside slots. Right before a figure's slot say what it is, in the words of its name.
Add no cause, no judgement, no advice, no forecast. Keep every slot that has to be kept.
Example draft: {c1@label}: {c1} {c2:exceeds} the limit of {c3}. Since {c4@since} it {c4:rose} by {c4@size}.
Example answer: {"prose": "{c1@label}, at {c1}, {c2:exceeds} its limit of {c3}; since {c4@since} it {c4:rose} by {c4@size}."}
Answer with one JSON object."""
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"prose": {"type": "string", "minLength": 1, "maxLength": 700}},
    "required": ["prose"],
    "additionalProperties": False,
}


async def narrate(
    client: ModelClient,
    context: SectionContext,
    analysis: SectionAnalysis,
    problems: Sequence[Problem],
) -> tuple[SectionAnalysis, Authorship]:
    """
    *analysis* in the words of *client*, finding by finding, where its words pass the checks.

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
        """Have one finding worded; keeps the sentences if they pass, counts them either way."""
        if not narration.is_safe:
            return
        text = await self._text(narration)
        if text == narration.draft:
            return
        passes = bool(text) and not narration.problems(text)
        sentences = len(_SENTENCE_END.split(text))
        self.offered += sentences
        if passes:
            self.kept += sentences
            self.worded[narration.finding.id] = narration.restored(text)

    async def _text(self, narration: Narration) -> str:
        """The last sentence that the model wrote: it passes, or may not be repaired any more."""
        prompt = asked = narration.described()
        text = ""
        for _ in range(1 + _REPAIRS):
            try:
                answer = await self.client.complete(
                    _SYSTEM, asked, _SCHEMA, schema_name="finding", max_tokens=_MAX_TOKENS
                )
            except UnusableAnswer:
                self.unusable += 1
                if self.unusable == _MOST_UNUSABLE:
                    raise
                return text
            self.unusable = 0
            text = narration.mended(answer["prose"])
            found = narration.problems(text)
            if not found:
                break
            reasons = "\n".join(f"- {problem.message}" for problem in found[:6])
            asked = (
                f"{prompt}\n\nYou wrote: {text}\nThis cannot be printed:\n{reasons}\nWrite it anew."
            )
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
