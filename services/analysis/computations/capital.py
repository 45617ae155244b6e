"""Computations over capital: how far each ratio stands from its minimum and its limit, in money."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.analysis.computations._columns import (
    amount,
    dated,
    dates,
    day,
    money,
    quotient,
    ratio,
    text,
    unit_of,
)
from services.analysis.context import Computation
from services.evidence import Scalar, Table

_CENT = Decimal("0.01")

# Ratio, capital over it, what it is measured on, the minimum of Basel III (RBC20, LEV20), and whether
# the capital conservation buffer of 2.5 % stands on top.
_RATIOS = (
    ("cet1_ratio", "cet1_capital", "risk_weighted_assets", "0.045", True),
    ("tier1_ratio", "tier1_capital", "risk_weighted_assets", "0.06", True),
    ("total_capital_ratio", "total_capital", "risk_weighted_assets", "0.08", True),
    ("leverage_ratio", "tier1_capital", "leverage_exposure", "0.03", False),
)
BUFFER = Decimal("0.025")


def _capital_headroom(inputs: Mapping[str, Table], _parameters: Mapping[str, Any]) -> Table:
    """Each ratio of each date with its minimum, and the capital above it and above the red limit."""
    ratios, limits = inputs["ratios"], inputs["limits"]
    reds = {str(row["limit_id"]): amount(row["limit_red"]) for row in limits.rows()}
    unit = unit_of(ratios, "cet1_capital")
    rows: list[list[Scalar]] = []
    for as_of in dates(ratios):
        for row in dated(ratios, as_of):
            for name, capital, base, minimum, buffered in _RATIOS:
                held, measured_on = amount(row[capital]), amount(row[base])
                required = Decimal(minimum) + (BUFFER if buffered else 0)
                red = reds.get(name)
                over = quotient(held, measured_on), float(required)
                beyond = _above(held, measured_on, required), _above(held, measured_on, red)
                rows.append([as_of, name, held, measured_on, *over, *beyond])
    columns = [
        day("as_of"),
        text("ratio_id", "Ratio"),
        money("capital", unit),
        money("base", unit, "Measured on"),
        ratio("ratio"),
        ratio("minimum", "Minimum with buffer"),
        money("above_minimum", unit, "Capital above the minimum"),
        money("headroom", unit, "Capital above the red limit"),
    ]
    return Table.from_rows(columns, rows, ("as_of", "ratio_id"))


def _above(held: Decimal, base: Decimal, floor: Decimal | None) -> Decimal | None:
    return None if floor is None else (held - floor * base).quantize(_CENT)


COMPUTATIONS: tuple[Computation, ...] = (Computation("capital_headroom", 1, _capital_headroom),)
