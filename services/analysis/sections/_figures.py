"""What the sections share: figures that may be missing, and tables of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

from services.analysis.build import Better, ClaimId, Draft, How, Place, row_where, slug
from services.analysis.claims import AbsenceClaim, ComparisonClaim
from services.analysis.context import Exhibit
from services.evidence import Scalar

NO_ROW = "the warehouse holds no row for it"
NO_VALUE = "it is not defined for these rows"


def place(exhibit: Exhibit, column: str, **where: Scalar) -> Place | None:
    """The cell of *column* in the first row where it holds; none without such a row."""
    row = row_where(exhibit, **where)
    return None if row is None else (exhibit, row, column)


def is_there(at: Place | None) -> bool:
    """Whether the cell exists and is not empty."""
    return at is not None and at[0].table.value(at[1], at[2]) is not None


def figure(
    draft: Draft,
    name: str,
    label: str,
    at: Place | None,
    *,
    reason: str = NO_VALUE,
    **how: Unpack[How],
) -> ClaimId:
    """The value at a place, or its absence with *reason* when the cell is empty or not there."""
    if at is None:
        return draft.absent(name, label, NO_ROW, **how)
    if not is_there(at):
        return draft.absent(name, label, reason, place=at, **how)
    return draft.value(name, label, *at, **how)


def moved(
    draft: Draft,
    name: str,
    label: str,
    now: Place | None,
    before: Place | None,
    *,
    relative: bool = False,
    better: Better = "",
    **how: Unpack[How],
) -> ClaimId:
    """The change between two places, or its absence when either has no value."""
    if now is None or before is None or not is_there(now) or not is_there(before):
        return draft.absent(name, label, "there is no comparable earlier value", **how)
    return draft.change(name, label, now, before, relative=relative, better=better, **how)


def movement(draft: Draft, change: ClaimId, *, plural: bool = False) -> str:
    """A clause for a change that may be missing: `rose by ...`, `was unchanged`, or why not."""
    if isinstance(draft.claims[change], AbsenceClaim):
        return f"{'have' if plural else 'has'} no comparable earlier value ({change.slot})"
    clause = draft.moved(change)
    return clause.replace("was ", "were ", 1) if plural else clause


def versus(draft: Draft, against: ClaimId) -> str:
    """How a comparison stands: `is above`, `is below`, or `is at` when there is nothing between."""
    claim = draft.claims[against]
    relation = claim.relation if isinstance(claim, ComparisonClaim) else ""
    return f"is {against.word(relation)}" if relation in {"above", "below"} else "is at"


def rating_order(rating: str) -> tuple[str, int]:
    """Sorts ratings from the best: `AAA`, `AA+`, `AA`, `AA-`, `A+` and on to `D`."""
    letters = rating.rstrip("+-")
    sign = -1 if rating.endswith("+") else int(rating.endswith("-"))
    # The filler sorts after every letter, so that fewer letters of a kind are worse.
    return letters.ljust(3, "~"), sign


def member_id(member: str) -> str:
    """*member* as a part of a claim id; ratings such as `A`, `A+` and `A-` stay apart."""
    signed = member.replace("+", " plus ")
    return slug(f"{signed.removesuffix('-')} minus" if signed.endswith("-") else signed)


def grid(
    draft: Draft,
    base: str,
    exhibit: Exhibit,
    rows: Sequence[str],
    member: str,
    columns: Mapping[str, str],
    *,
    reasons: Mapping[str, str] | None = None,
) -> list[list[ClaimId | str]]:
    """
    Rows of a table: the name in column *member*, then a figure for each of *columns*.

    *columns* maps a column of the exhibit to how a label speaks of it; *reasons* says why a column
    may be empty.
    """
    lines: list[list[ClaimId | str]] = []
    for row in rows:
        own = _unused(draft, f"{base}.{member_id(str(exhibit.table.value(row, member)))}")
        line: list[ClaimId | str] = [
            figure(draft, f"{own}.name", "Name", (exhibit, row, member), reason="it has no name")
        ]
        for column, label in columns.items():
            reason = (reasons or {}).get(column, NO_VALUE)
            at = (exhibit, row, column)
            line.append(figure(draft, f"{own}.{column}", label, at, reason=reason))
        lines.append(line)
    return lines


def _unused(draft: Draft, base: str) -> str:
    """*base*, with a count where names that differ in other letters only come to the same id."""
    taken, own = 1, base
    while draft.qualified(f"{own}.name") in draft.claims:
        taken += 1
        own = f"{base}_{taken}"
    return own
