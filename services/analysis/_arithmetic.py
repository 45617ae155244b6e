"""The arithmetic of claims, on exact numbers. None stands for a value that is not defined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from functools import reduce
from typing import Final

from services.analysis.findings import Status
from services.analysis.formats import plain, significant

# Wide enough for any difference of doubles to be exact.
_CONTEXT = Context(prec=700)
_FACTORS: Final = {("ratio", "pp"): Decimal(100), ("ratio", "bp"): Decimal(10_000)}


def difference_factor(unit: str, shown_in: str) -> Decimal | None:
    """What turns a difference in *unit* into one in *shown_in*; none when nothing does."""
    return Decimal(1) if unit == shown_in else _FACTORS.get((unit, shown_in))


def difference(now: Decimal | None, before: Decimal | None, factor: Decimal) -> Decimal | None:
    if now is None or before is None:
        return None
    return plain(_CONTEXT.multiply(_CONTEXT.subtract(now, before), factor))


def relative_difference(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    """`(now - before) / |before|`; none when there is nothing to divide by."""
    if now is None or not before:
        return None
    return significant(_CONTEXT.divide(_CONTEXT.subtract(now, before), abs(before)))


def total(values: Iterable[Decimal]) -> Decimal:
    """The exact sum of *values*."""
    return reduce(_CONTEXT.add, values, Decimal(0))


def share(part: Sequence[Decimal], whole: Sequence[Decimal]) -> Decimal | None:
    """Sum of *part* over the sum of *whole*; none when the whole is zero."""
    base = total(whole)
    return significant(_CONTEXT.divide(total(part), base)) if base else None


def rank(value: Decimal, values: Sequence[Decimal], *, descending: bool) -> int:
    """1 for the largest (or smallest); equal values share the better position."""
    return 1 + sum(other > value if descending else other < value for other in values)


def holds(value: Decimal, relation: str, threshold: Decimal) -> bool:
    match relation:
        case "above":
            return value > threshold
        case "at_or_above":
            return value >= threshold
        case "below":
            return value < threshold
        case _:
            return value <= threshold


def direction(first: Decimal, last: Decimal) -> str:
    """`rising`, `falling` or `flat`."""
    return ("flat", "rising", "falling")[(last > first) - (last < first)]


def limit_status(
    value: Decimal | None, amber: Decimal | None, red: Decimal | None, binding: str
) -> Status:
    """
    Red strictly beyond the limit, amber strictly beyond the early-warning level, else green.

    *binding* is `min` where the measure must not fall below, `max` otherwise. Without a measure
    or a limit there is no status.
    """
    if value is None or red is None:
        return "none"
    breached = "below" if binding == "min" else "above"
    if holds(value, breached, red):
        return "red"
    return "amber" if amber is not None and holds(value, breached, amber) else "green"
