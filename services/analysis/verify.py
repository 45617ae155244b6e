"""
Verification: every claim recomputed from its cells, every computation run again.

Nothing that an analyst wrote is trusted, whoever it was. What fails is named with a reason, for
whoever is to repair it, and may not be published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.analysis._checks import CLAIM_FAILED, Checks
from services.analysis._recompute import Recomputation
from services.analysis.claims import Outcome, evidence_of
from services.analysis.context import Computation, Exhibit
from services.analysis.findings import SectionAnalysis
from services.analysis.prose import Problem
from services.errors import AssayError
from services.evidence import ComputationSource, Frozen, make_evidence

__all__ = ["CLAIM_FAILED", "Problem", "Verification", "check_evidence", "verify"]


class Verification(Frozen):
    """The outcome of each claim of a section, and all that keeps the section from publication."""

    outcomes: dict[str, Outcome]
    problems: tuple[Problem, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.problems


def verify(
    analysis: SectionAnalysis,
    exhibits: Mapping[str, Exhibit],
    computations: Mapping[str, Computation],
) -> Verification:
    """
    Check *analysis* against *exhibits* (by evidence id), which hold the inputs of computations too.

    Evidence whose rows do not match its digest, or whose computation now gives other rows, carries
    no claim.
    """
    unsound = check_evidence(_named_evidence(analysis), exhibits, computations)
    recomputation = Recomputation(exhibits, unsound)
    outcomes = {claim.id: recomputation.outcome(claim) for claim in analysis.claims}
    problems = [
        Problem(code="evidence.unsound", where=f"evidence/{name}", message=reason)
        for name, reason in sorted(unsound.items())
    ]
    problems += Checks(analysis, exhibits, recomputation, outcomes).problems()
    return Verification(outcomes=outcomes, problems=tuple(problems))


def check_evidence(
    names: Iterable[str],
    exhibits: Mapping[str, Exhibit],
    computations: Mapping[str, Computation],
) -> dict[str, str]:
    """Evidence among *names*, or among its inputs, that is not to be relied on, and why."""
    unsound: dict[str, str] = {}
    for name in _with_inputs(names, exhibits):
        exhibit = exhibits.get(name)
        reason = "its rows are missing" if exhibit is None else _unbound(name, exhibit)
        if exhibit is not None and not reason:
            reason = _not_recomputed(exhibit, exhibits, computations, unsound)
        if reason:
            unsound[name] = reason
    return unsound


def _with_inputs(names: Iterable[str], exhibits: Mapping[str, Exhibit]) -> tuple[str, ...]:
    """*names* and the inputs they rest on, inputs first."""
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in ordered:
            return
        exhibit = exhibits.get(name)
        if exhibit and isinstance(exhibit.evidence.source, ComputationSource):
            for parent in exhibit.evidence.source.inputs.values():
                visit(parent)
        ordered[name] = None

    for name in names:
        visit(name)
    return tuple(ordered)


def _unbound(name: str, exhibit: Exhibit) -> str:
    """Why *exhibit* is not the evidence called *name*; empty when it is."""
    evidence, table = exhibit.evidence, exhibit.table
    made = make_evidence(
        table,
        source=evidence.source,
        snapshot=evidence.snapshot,
        as_of=evidence.as_of,
        sql=evidence.sql,
        parameters=evidence.parameters,
    )
    same = (
        made.id == evidence.id == name
        and made.digest == evidence.digest
        and made.columns == evidence.columns
        and made.key == evidence.key
    )
    return "" if same else "its rows are not those it was made of"


def _not_recomputed(
    exhibit: Exhibit,
    exhibits: Mapping[str, Exhibit],
    computations: Mapping[str, Computation],
    unsound: Mapping[str, str],
) -> str:
    """Why the computation does not give *exhibit* again; empty when it does, or for a query."""
    source = exhibit.evidence.source
    if not isinstance(source, ComputationSource):
        return ""
    computation = computations.get(source.name)
    if computation is None or computation.version != source.version:
        return f"computation {source.name} v{source.version} is not known here"
    if any(parent in unsound for parent in source.inputs.values()):
        return "an input of its computation is not to be relied on"
    inputs = {role: exhibits[parent].table for role, parent in source.inputs.items()}
    try:
        again = computation.function(inputs, source.parameters)
    except (AssayError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        return f"computation {source.name} fails when run again: {type(error).__name__}"
    return "" if again.digest == exhibit.table.digest else "its computation gives other rows"


def _named_evidence(analysis: SectionAnalysis) -> tuple[str, ...]:
    """Everything that *analysis* names as evidence, cited or listed."""
    cited = (name for claim in analysis.claims for name in evidence_of(claim))
    drawn = (chart.evidence for chart in analysis.charts)
    tabled = (name for table in analysis.tables for name in table.evidence)
    return tuple(dict.fromkeys([*cited, *drawn, *tabled, *analysis.evidence]))
