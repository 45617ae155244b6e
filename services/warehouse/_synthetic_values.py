"""What the generators of synthetic tables share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, TypeAlias

Value: TypeAlias = Decimal | float | int | str | date | None
Row: TypeAlias = tuple[Value, ...]
Rows: TypeAlias = list[Row]

JUNE: Final = date(2026, 6, 30)
SEPTEMBER: Final = date(2026, 9, 30)
QUARTER_ENDS: Final = (JUNE, SEPTEMBER)

_CENT: Final = Decimal("0.01")


def cents(amount: Decimal) -> Decimal:
    """*amount* rounded to cents."""
    return amount.quantize(_CENT, rounding=ROUND_HALF_EVEN)


def million(amount: float) -> Decimal:
    """An amount written in million euro, in euro."""
    return cents(Decimal(str(amount)) * 1_000_000)


def by_quarter(pair: Sequence[float]) -> list[tuple[date, float]]:
    """A pair [June, September] with its dates."""
    return list(zip(QUARTER_ENDS, pair, strict=True))
