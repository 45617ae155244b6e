"""A measure against its limit: the claims and the sentences that follow from it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from services.analysis import _cells
from services.analysis._arithmetic import limit_status
from services.analysis._claimset import ClaimId, ClaimSet, How, Place, number_at
from services.analysis.context import Exhibit
from services.analysis.findings import Status


class LimitClaims(NamedTuple):
    """The claims made for one limit, and the status they amount to."""

    status: Status
    binding: Literal["max", "min"]
    value: ClaimId
    red: ClaimId
    amber: ClaimId
    vs_red: ClaimId
    vs_amber: ClaimId
    owner: ClaimId
    owner_role: ClaimId

    @property
    def prose(self) -> str:
        """How the measure stands, in one sentence; for red and amber only."""
        over = "is {}" if self.binding == "min" else "{}"
        word = "below" if self.binding == "min" else "exceeds"
        subject = f"{self.value.at('label')}: {self.value.slot}"
        if self.status == "red":
            return f"{subject} {over.format(self.vs_red.word(word))} the limit of {self.red.slot}."
        return (
            f"{subject} {over.format(self.vs_amber.word(word))} the early-warning level of "
            f"{self.amber.slot} and is {self.vs_red.word('within')} the limit of {self.red.slot}."
        )

    @property
    def action(self) -> str:
        """Who should do what."""
        duty = (
            "report the cause and a plan to return to the limit"
            if self.status == "red"
            else "explain the movement and confirm that the limit will hold"
        )
        who = f"{self.owner.slot}, {self.owner_role.slot}"
        return f"{self.value.at('label')}: {who}, should {duty}."


def claim_limit(
    claims: ClaimSet, value: ClaimId, measure: Place, limits: Exhibit, row: str, how: How
) -> LimitClaims:
    """Claims of the limit in *row* of *limits*, and of *measure* against it."""
    label = claims.claims[value].label
    binding: Literal["max", "min"] = (
        "min" if _cells.text_beside(limits.table, row, "direction") == "min" else "max"
    )
    red, amber = (limits, row, "limit_red"), (limits, row, "limit_amber")
    shown = How(digits=claims.claims[value].digits, scale=claims.claims[value].scale)
    return LimitClaims(
        status=limit_status(number_at(measure), number_at(amber), number_at(red), binding),
        binding=binding,
        value=value,
        red=claims.value(f"{value}.red", f"{label}: limit", *red, **shown),
        amber=claims.value(f"{value}.amber", f"{label}: early warning", *amber, **shown),
        vs_red=claims.compare(
            f"{value}.vs_red", f"{label} against its limit", measure, red, limit=binding, **how
        ),
        vs_amber=claims.compare(
            f"{value}.vs_amber",
            f"{label} against its early-warning level",
            measure,
            amber,
            limit=binding,
            **how,
        ),
        owner=claims.value(f"{value}.owner", f"{label}: owner", limits, row, "owner"),
        owner_role=claims.value(
            f"{value}.owner_role", f"{label}: role of the owner", limits, row, "owner_role"
        ),
    )
