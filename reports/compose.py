"""
Verified sections to a report: pure, deterministic, and closed against anything unverified.

The same inputs give the same content, so that the content's digest names the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from reports._register import evidence_record, with_inputs
from reports._sections import VerifiedSection
from reports._summary import SummaryWriter
from reports.document import (
    Cover,
    EvidenceRecord,
    Method,
    ReportContent,
    Section,
    TextRun,
)
from services.analysis.context import Exhibit
from services.analysis.findings import Author, Authorship, SectionAnalysis
from services.analysis.templates import ReportPlan
from services.analysis.verify import Verification
from services.errors import ChecksFailed
from services.evidence import Frozen

__all__ = ["SectionInput", "compose"]

_FICTIONAL: Final = (
    "{bank} is fictional. Figures that rest on tables whose names begin with syn_ describe no real "
    "institution."
)
_CONVENTIONS: Final = {
    "Signs": (
        "Profit is positive and loss is negative. Value at risk, expected shortfall and expected "
        "credit loss are positive losses; a drawdown is negative or nil. An exception is a day "
        "whose loss is strictly greater than the value at risk."
    ),
    "Units": (
        "Ratios print in percent and their differences in percentage points (pp). Amounts carry "
        "their currency and scale. Figures round half away from zero, and only when printed."
    ),
    "Status": (
        "A measure is breached when it lies strictly beyond its limit, at early warning when it "
        "lies strictly beyond the early-warning level, and inside appetite otherwise."
    ),
    "Verification": (
        "Every figure was computed again from the cells that it cites, every computation was run "
        "again on its inputs, and every word of comparison was checked against its claim."
    ),
}


class SectionInput(Frozen):
    """A section as it comes out of a run: verified, or left out by a person."""

    section: str
    analysis: SectionAnalysis | None = None
    verification: Verification | None = None
    skipped: str = ""
    """Why a person left it out."""
    authorship: tuple[Authorship, ...] = ()


def compose(
    plan: ReportPlan,
    sections: Sequence[SectionInput],
    exhibits: Mapping[str, Exhibit],
    *,
    question: str,
    understood: str,
    snapshot: str,
) -> ReportContent:
    """
    The report's content.

    *exhibits* holds by id all evidence that sections name, and the inputs of computations. Raises
    `ChecksFailed` when anything in it was not verified.
    """
    verified = {
        entry.section: _verified(entry, exhibits) for entry in sections if not entry.skipped
    }
    standing = tuple(verified.values())
    writer = SummaryWriter(standing, exhibits, plan.as_of)
    rendered = tuple(
        _section(plan, entry, number, verified.get(entry.section))
        for number, entry in enumerate(sections, start=1)
    )
    figures = [*writer.figures(), *(f for section in standing for f in section.figures())]
    return ReportContent(
        cover=_cover(plan, sections, standing, question, understood, snapshot),
        summary=writer.summary(),
        sections=rendered,
        methods=_methods(rendered),
        figures=tuple(figures),
        evidence=_evidence(standing, exhibits),
    )


def _verified(entry: SectionInput, exhibits: Mapping[str, Exhibit]) -> VerifiedSection:
    if entry.analysis is None or entry.verification is None:
        raise ChecksFailed(f"Section {entry.section} was never verified")
    return VerifiedSection(entry.analysis, entry.verification, exhibits)


def _section(
    plan: ReportPlan, entry: SectionInput, number: int, verified: VerifiedSection | None
) -> Section:
    title = plan.section(entry.section).title
    if verified is None:
        return Section(id=entry.section, number=number, title=title, skipped=entry.skipped)
    return verified.rendered(number, title)


def _cover(
    plan: ReportPlan,
    sections: Sequence[SectionInput],
    standing: Sequence[VerifiedSection],
    question: str,
    understood: str,
    snapshot: str,
) -> Cover:
    synthetic = any(section.analysis.synthetic for section in standing)
    bank = plan.entity or "The bank in these tables"
    return Cover(
        title=plan.title,
        scope=understood or plan.scope,
        entity=plan.entity,
        question=question,
        template=plan.template,
        as_of=plan.as_of,
        previous=plan.previous,
        currency=plan.currency,
        snapshot=snapshot,
        fictional=_FICTIONAL.format(bank=bank) if synthetic else "",
        authorship=_authorship(sections, standing),
    )


def _authorship(
    sections: Sequence[SectionInput], standing: Sequence[VerifiedSection]
) -> tuple[Authorship, ...]:
    """Who wrote what, over all sections: the rules first, then each model in each of its roles."""
    rules = Author()
    by_rules = sum(f.author == rules for section in standing for f in section.analysis.findings)
    sums: dict[tuple[str, str, str], Authorship] = {}
    for credit in (credit for entry in sections for credit in entry.authorship):
        key = (credit.role, credit.author.name, credit.note)
        known = sums.get(key, credit.model_copy(update={"offered": 0, "kept": 0}))
        offered, kept = known.offered + credit.offered, known.kept + credit.kept
        sums[key] = known.model_copy(update={"offered": offered, "kept": kept})
    ruled = Authorship(role="analyst", author=rules, offered=by_rules, kept=by_rules)
    return (ruled, *(sums[key] for key in sorted(sums)))


def _methods(sections: Iterable[Section]) -> tuple[Method, ...]:
    """The conventions of every report, then what each section says of its own."""
    conventions = [Method(name=n, text=(TextRun(text=t),)) for n, t in _CONVENTIONS.items()]
    own = [
        Method(name=section.title, text=text) for section in sections for text in section.methods
    ]
    return (*conventions, *own)


def _evidence(
    standing: Sequence[VerifiedSection], exhibits: Mapping[str, Exhibit]
) -> tuple[EvidenceRecord, ...]:
    named = {name for section in standing for name in section.evidence()}
    return tuple(evidence_record(exhibits[name]) for name in sorted(with_inputs(named, exhibits)))
