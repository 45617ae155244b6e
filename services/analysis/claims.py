"""
Claims: what a report says, each bound to the cells it rests on.

A claim never carries its own number. `services.analysis.verify` recomputes it from its cells;
the outcome is what a report prints. Ids are dotted paths, stable across runs
(`market.var_99_1d.total`), and become the ids of the report's figures.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias, assert_never

from pydantic import Field

from services.evidence import Cell, Frozen


class ClaimBase(Frozen):
    """What every claim carries: identity, how it is said, and how it was made."""

    id: str = Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")
    label: str
    unit: str = ""
    """Unit of the outcome: ISO 4217 code, ratio, pp, bp, count, days, years; empty for text."""
    digits: int = 2
    """Decimals shown: of millions for currencies shown in millions, of percent for ratios."""
    scale: Literal["one", "thousand", "million", "billion", "plain"] = "one"
    """
    Scale in which an amount of money is shown; the value itself is never scaled. A ratio prints in
    percent, and with `plain` as the number it is (an index, a p-value).
    """
    as_of: date
    method: str = ""
    parameters: dict[str, str] = {}
    """What the method was run with: window, confidence, quantile rule."""


class ValueClaim(ClaimBase):
    """The value of one cell. A text cell gives its text."""

    kind: Literal["value"] = "value"
    cell: Cell


class ChangeClaim(ClaimBase):
    """`cell - base`, or `(cell - base) / |base|` when relative. A ratio's difference is in pp."""

    kind: Literal["change"] = "change"
    cell: Cell
    base: Cell
    relative: bool = False
    better: Literal["", "higher", "lower"] = ""
    """Which way is good; without it no prose may say `improved` or `worsened`."""


class ShareClaim(ClaimBase):
    """Sum of the `part` cells over the sum of the `whole` cells."""

    kind: Literal["share"] = "share"
    part: tuple[Cell, ...] = Field(min_length=1)
    whole: tuple[Cell, ...] = Field(min_length=1)


class RankClaim(ClaimBase):
    """
    Position of `cell` in its column, 1 for the largest (smallest if not descending).

    Equal values share the better position. Where rows have a date of their own (`as_of`, or the
    only date of the key), only rows of the same date compete.
    """

    kind: Literal["rank"] = "rank"
    cell: Cell
    descending: bool = True


class ComparisonClaim(ClaimBase):
    """`cell` against `threshold`, both cells; the outcome is the cell's value, the relation is checked."""

    kind: Literal["comparison"] = "comparison"
    cell: Cell
    threshold: Cell
    relation: Literal["above", "at_or_above", "below", "at_or_below"]
    limit: Literal["", "max", "min"] = ""
    """How the threshold binds, where it is a limit: what `within` and `breaches` then mean."""


class TrendClaim(ClaimBase):
    """Last less first of `cells`, which lie in order of time; the direction is checked."""

    kind: Literal["trend"] = "trend"
    cells: tuple[Cell, ...] = Field(min_length=2)
    direction: Literal["rising", "falling", "flat"]


class AbsenceClaim(ClaimBase):
    """Something that is not there: evidence without rows, an empty cell, or a gap in the warehouse."""

    kind: Literal["absence"] = "absence"
    reason: str
    evidence: str | None = None
    cell: Cell | None = None


Claim: TypeAlias = Annotated[
    ValueClaim | ChangeClaim | ShareClaim | RankClaim | ComparisonClaim | TrendClaim | AbsenceClaim,
    Field(discriminator="kind"),
]


def cells_of(claim: Claim) -> tuple[Cell, ...]:
    """Every cell that *claim* rests on, in the order of its fields."""
    match claim:
        case ValueClaim() | RankClaim():
            return (claim.cell,)
        case ChangeClaim():
            return (claim.cell, claim.base)
        case ShareClaim():
            return (*claim.part, *claim.whole)
        case ComparisonClaim():
            return (claim.cell, claim.threshold)
        case TrendClaim():
            return claim.cells
        case AbsenceClaim():
            return () if claim.cell is None else (claim.cell,)
        case _:
            assert_never(claim)


def evidence_of(claim: Claim) -> tuple[str, ...]:
    """Ids of the evidence that *claim* rests on, each once."""
    named = [cell.evidence for cell in cells_of(claim)]
    if isinstance(claim, AbsenceClaim) and claim.evidence is not None:
        named.append(claim.evidence)
    return tuple(dict.fromkeys(named))


class Outcome(Frozen):
    """A claim after verification: what it recomputes to, or why it fails."""

    claim: str
    verified: bool
    value: Decimal | None = None
    text: str | None = None
    """The text of a text cell."""
    display: str = ""
    """As printed: scaled, rounded, with unit; `n/a` when there is no value."""
    short: str = ""
    """As printed in a column whose head names the unit."""
    reason: str = ""
    """Why there is no value, or why the claim does not hold."""
