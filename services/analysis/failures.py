"""What a claim that failed was meant to be, and what its cells hold, for whoever decides on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, assert_never

from services.analysis import _cells, formats
from services.analysis.claims import (
    AbsenceClaim,
    ChangeClaim,
    Claim,
    ComparisonClaim,
    RankClaim,
    ShareClaim,
    TrendClaim,
    ValueClaim,
    cells_of,
    evidence_of,
)
from services.analysis.context import Exhibit
from services.analysis.findings import SectionAnalysis
from services.analysis.verify import Verification
from services.evidence import Cell, ComputationSource, Frozen

MASK: Final = "•••"
"""What stands for a value of a confidential column."""
_MOST_CELLS: Final = 6


class FailedClaim(Frozen):
    """A claim that could not be recomputed as it was made."""

    claim: str
    label: str
    expected: str
    """What the claim says, in words."""
    found: str
    """What its cells hold, unrounded."""
    reason: str
    evidence: tuple[str, ...] = ()


def failed_claims(
    analysis: SectionAnalysis, verification: Verification, exhibits: Mapping[str, Exhibit]
) -> tuple[FailedClaim, ...]:
    """The claims of a section that do not hold, in the order in which they were made."""
    outcomes = verification.outcomes
    return tuple(
        FailedClaim(
            claim=claim.id,
            label=claim.label,
            expected=f"{_expected(claim)}, as of {formats.display_date(claim.as_of)}",
            found=_found(claim, exhibits),
            reason=outcomes[claim.id].reason,
            evidence=evidence_of(claim),
        )
        for claim in analysis.claims
        if not outcomes[claim.id].verified
    )


def suspects(
    analysis: SectionAnalysis, verification: Verification, exhibits: Mapping[str, Exhibit]
) -> tuple[str, ...]:
    """Ids of the evidence that the problems of a section are about, and of its inputs."""
    claims = {claim.id: claim for claim in analysis.claims}
    failed = [name for name, outcome in verification.outcomes.items() if not outcome.verified]
    places = [problem.where.split("/") for problem in verification.problems]
    unsound = [place[1] for place in places if place[0] == "evidence"]
    worded = {place[1] for place in places if place[0] == "findings"}
    named = [n for f in analysis.findings if f.id in worded for n in f.claims]
    cited = (e for name in (*failed, *named) if name in claims for e in evidence_of(claims[name]))
    ids = [name for name in dict.fromkeys([*cited, *unsound]) if name in exhibits]
    for name in ids:  # grows while it is walked: inputs of inputs come too
        source = exhibits[name].evidence.source
        if isinstance(source, ComputationSource):
            inputs = source.inputs.values()
            ids += [i for i in dict.fromkeys(inputs) if i not in ids and i in exhibits]
    return tuple(ids)


def _expected(claim: Claim) -> str:  # noqa: PLR0911 (one for each kind)
    unit = f" in {claim.unit}" if claim.unit else ""
    match claim:
        case ValueClaim():
            return f"a value{unit}" if unit else "a text"
        case ChangeClaim():
            return f"a difference{unit}"
        case ShareClaim():
            return "a share of a whole, all of whose rows are there"
        case RankClaim():
            return "a place among rows that are all there"
        case ComparisonClaim():
            return f"a value{unit} {claim.relation.replace('_', ' ')} its threshold"
        case TrendClaim():
            return f"values{unit} that are {claim.direction}"
        case AbsenceClaim():
            return "no value"
        case _:
            assert_never(claim)


def _found(claim: Claim, exhibits: Mapping[str, Exhibit]) -> str:
    cells = cells_of(claim)
    if not cells:
        count = [f"{len(exhibits[e].table):,} rows" for e in evidence_of(claim) if e in exhibits]
        return ", ".join(count) or "no evidence"
    said = list(_said(cells[:_MOST_CELLS], exhibits))
    more = len(cells) - len(said)
    return "; ".join([*said, f"{more} more cells"] if more else said)


def _said(cells: Sequence[Cell], exhibits: Mapping[str, Exhibit]) -> Iterator[str]:
    for cell in cells:
        exhibit = exhibits.get(cell.evidence)
        try:
            yield "no such rows" if exhibit is None else _value(cell, exhibit)
        except KeyError:
            yield f"{cell.column}: no such cell"


def _value(cell: Cell, exhibit: Exhibit) -> str:
    """The cell's name, value and unit, and its date where it has one; `KeyError` without a cell."""
    table = exhibit.table
    value = table.value(cell.row, cell.column)
    column = table.column(cell.column)
    name = column.label or column.name
    if column.sensitivity == "confidential":
        return f"{name}: {MASK}"
    number = _cells.number(value)
    said = "NULL" if value is None else str(value) if number is None else format(number, ",f")
    unit = _cells.unit_of(table, cell.row, cell.column)
    day = _cells.date_beside(table, cell.row)
    when = f" ({formats.display_date(day)})" if day else ""
    said = said.replace("-", "\u2212") if number is not None else said
    return f"{name}: {said} {unit}".rstrip() + when
