"""
The analyst model: structured findings that are added to those of the rules.

It chooses cells and kinds of claims; the claims, the sentence and the kind of the finding are made
from its choices, and every figure is computed from the cells. Findings of the rules all stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from services.analysis._claimset import ClaimSet
from services.analysis._offer import Offer, Offered, make_offer
from services.analysis._proposal import Proposal, ProposalRefused, possible
from services.analysis.build import SEVERITIES
from services.analysis.claims import Claim, ValueClaim, cells_of
from services.analysis.context import SectionContext
from services.analysis.findings import Author, Authorship, Finding, SectionAnalysis
from services.analysis.prose import Problem
from services.analysis.verify import verify
from services.errors import ModelUnavailable
from services.model import ModelClient

__all__ = ["propose"]

PATIENCE: Final = timedelta(minutes=8)
"""How long the model may take for a section; its step has a timeout to keep."""
_MOST_FINDINGS: Final = 3
_MAX_TOKENS: Final = 700
_TABLES: Final = 4_000
"""Characters of tables in a prompt."""
_SAID: Final = 1_500
_SYSTEM: Final = f"""\
You are a risk analyst of a bank. You see tables of one section of a report, and what its rules
already found. Add up to {_MOST_FINDINGS} findings that a risk committee should know and that are not said yet.
A finding is a list of claims on cells. A cell is named T1.2.exposure: table, line, column.
Kinds of claims: change (against the same line at the date before), trend (over all its dates),
share (of the sum of its column), highest or lowest (in its column), and comparison (with another
cell of the same line or column). The value itself is said beside each claim.
Prefer what is large, what moved most, and what the rules leave out. Example:
{{"answer": {{"findings": [{{"severity": "medium", "claims": [{{"kind": "change", "cell": "T1.3.exposure"}}, {{"kind": "highest", "cell": "T1.3.exposure"}}]}}]}}}}
Only if the rules have said all that matters: {{"answer": {{"nothing_to_add": true}}}}
Answer with one JSON object."""


async def propose(
    client: ModelClient,
    context: SectionContext,
    analysis: SectionAnalysis,
    problems: Sequence[Problem],
) -> tuple[SectionAnalysis, Authorship]:
    """
    *analysis* with the findings that *client* adds and that verify; the rules' all stay.

    After an earlier attempt whose *problems* lay in the model's findings it is not asked again.
    """
    work = _Work(client, context, analysis)
    prefix = f"{context.section}.model."
    if any(prefix in problem.where for problem in problems):
        return analysis, work.credit("Its findings did not verify; the rules' stand alone.")
    note = ""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            await work.run()
    except ModelUnavailable as error:
        note = f"{error.message} The rules' findings stand alone."
    except TimeoutError:
        note = "The model took too long; the rules' findings stand alone."
    return work.applied(), work.credit(note)


@dataclass
class _Work:
    """What the model has proposed for one section so far."""

    client: ModelClient
    context: SectionContext
    analysis: SectionAnalysis
    findings: list[Finding] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    offered: int = 0
    _number: int = 0

    async def run(self) -> None:
        """Ask once; what fails is asked for once more, with the reasons."""
        offer = await asyncio.to_thread(self._offer)
        if not offer.cells:
            return
        prompt = self._prompt(offer)
        proposed = await self._ask(offer, prompt, _MOST_FINDINGS)
        self.offered = len(proposed)
        reasons = await asyncio.to_thread(self._take, offer, proposed)
        if reasons:
            said = "\n".join(f"- {reason}" for reason in reasons)
            again = f"{prompt}\n\nThese of your findings cannot stand:\n{said}\nPropose others."
            better = await self._ask(offer, again, len(reasons))
            await asyncio.to_thread(self._take, offer, better)

    async def _ask(self, offer: Offer, prompt: str, most: int) -> list[dict[str, Any]]:
        document = await self.client.complete(
            _SYSTEM,
            prompt,
            _schema(offer, self._possible(offer.cells), most),
            schema_name="findings",
            max_tokens=_MAX_TOKENS,
        )
        proposed: list[dict[str, Any]] = document["answer"].get("findings", [])
        return proposed

    def _offer(self) -> Offer:
        return make_offer(
            self.context,
            self.analysis,
            budget=_TABLES,
            is_useful=lambda cells: bool(self._possible(cells)),
        )

    def _possible(self, cells: Mapping[str, Offered]) -> dict[str, list[str]]:
        return possible(ClaimSet(self.context.section, self.context.as_of), cells)

    def _take(self, offer: Offer, proposed: Sequence[Mapping[str, Any]]) -> list[str]:
        """Keep the findings that hold; returns why the others do not."""
        reasons = []
        for choice in proposed:
            self._number += 1
            section = ClaimSet(self.context.section, self.context.as_of)
            existing = (*self.analysis.claims, *self.claims)
            try:
                proposal = Proposal(section, self._number, offer.cells, existing, self._author())
                finding = proposal.finding(choice)
                self._check(finding, tuple(section.claims.values()), existing)
            except ProposalRefused as refusal:
                reasons.append(str(refusal))
                continue
            self.findings.append(finding)
            self.claims += section.claims.values()
        return reasons

    def _check(self, finding: Finding, new: tuple[Claim, ...], existing: tuple[Claim, ...]) -> None:
        """Raises `ProposalRefused` for a finding that says nothing new, or does not verify."""
        said = {_signature(claim) for claim in existing}
        telling = [claim for claim in new if not isinstance(claim, ValueClaim)]
        if all(_signature(claim) in said for claim in telling):
            raise ProposalRefused(f"{finding.subject}: this is said already")
        known = {claim.id: claim for claim in (*existing, *new)}
        alone = SectionAnalysis(
            section=self.analysis.section,
            title=self.analysis.title,
            claims=tuple(known[name] for name in finding.claims),
            findings=(finding,),
        )
        found = verify(alone, self.context.by_id, self.context.computations).problems
        if found:
            raise ProposalRefused(f"{finding.subject}: {found[0].message}")

    def applied(self) -> SectionAnalysis:
        """The rules' analysis and what was kept; of equal severity the rules' findings first."""
        findings = sorted(
            (*self.analysis.findings, *self.findings), key=lambda f: SEVERITIES.index(f.severity)
        )
        return self.analysis.model_copy(
            update={
                "claims": (*self.analysis.claims, *self.claims),
                "findings": tuple(findings),
            }
        )

    def credit(self, note: str) -> Authorship:
        return Authorship(
            role="analyst",
            author=self._author(),
            offered=self.offered,
            kept=len(self.findings),
            note=note,
        )

    def _author(self) -> Author:
        return Author(kind="model", name=self.client.name or "model")

    def _prompt(self, offer: Offer) -> str:
        labels = {claim.id: claim.label for claim in self.analysis.claims}
        said = [
            f"- {finding.subject}: {', '.join(labels[name] for name in finding.claims[:4])}"
            for finding in self.analysis.findings
        ]
        found = "\n".join(said)[:_SAID] or "- nothing"
        return f"Section: {self.context.title}\n\n{offer.text}\n\nSaid by the rules:\n{found}"


def _signature(claim: Claim) -> tuple[Any, ...]:
    return (claim.kind, cells_of(claim), getattr(claim, "descending", None))


def _schema(offer: Offer, possible: Mapping[str, Sequence[str]], most: int) -> dict[str, Any]:
    """Of each kind only the claims that can be made: what is not the highest cannot be called so."""
    any_cell = {"$ref": "#/$defs/cell"}
    claims = [_object(kind=_enum([kind]), cell=_enum(cells)) for kind, cells in possible.items()]
    claims += [_object(kind=_enum(["comparison"]), cell=any_cell, other=any_cell)]
    finding = _object(
        severity=_enum(["medium", "low", "info"]), claims=_array({"anyOf": claims}, 3)
    )
    some = _object(findings=_array(finding, most))
    none = _object(nothing_to_add={"type": "boolean", "enum": [True]})
    schema = _object(answer={"anyOf": [some, none]})
    return {**schema, "$defs": {"cell": _enum(list(offer.cells))}}


def _enum(values: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _array(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}
