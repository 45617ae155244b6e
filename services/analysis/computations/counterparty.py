"""Computations over counterparties: how many stand where in the use of their limits."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.analysis.computations._columns import (
    TOTAL,
    Row,
    amount,
    count,
    dated,
    dates,
    day,
    money,
    quotient,
    ratio,
    text,
    total,
    unit_of,
)
from services.analysis.context import Computation
from services.evidence import Scalar, Table

OVER, WARNING, INSIDE, NO_LIMIT = "Over the limit", "Early warning", "Inside", "No limit"
BANDS = (OVER, WARNING, INSIDE, NO_LIMIT)


def _band(row: Row, warning: Decimal) -> str:
    limit, exposure = amount(row["counterparty_limit"]), amount(row["counterparty_exposure"])
    if limit <= 0:
        return NO_LIMIT
    if exposure > limit:
        return OVER
    return WARNING if exposure >= warning * limit else INSIDE


def _utilisation_bands(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    Counterparties and their exposure by use of the limit, then the total.

    Over the limit is strictly above it; early warning starts at `warning` of the limit, included.
    """
    names, warning = inputs["names"], Decimal(str(parameters["warning"]))
    unit = unit_of(names, "counterparty_exposure")
    rows: list[list[Scalar]] = []
    for as_of in dates(names):
        members = dated(names, as_of)
        whole = total(members, "counterparty_exposure")
        bands = {band: [row for row in members if _band(row, warning) == band] for band in BANDS}
        for band, part in [*bands.items(), (TOTAL, members)]:
            exposure = total(part, "counterparty_exposure")
            excess = sum((_excess(row) for row in part if _band(row, warning) == OVER), Decimal(0))
            rows.append([as_of, band, len(part), exposure, quotient(exposure, whole), excess])
    columns = [
        day("as_of"),
        text("band"),
        count("counterparties"),
        money("exposure", unit),
        ratio("share"),
        money("excess", unit, "Over the limits"),
    ]
    return Table.from_rows(columns, rows, ("as_of", "band"))


def _excess(row: Row) -> Decimal:
    return amount(row["counterparty_exposure"]) - amount(row["counterparty_limit"])


_ATTRIBUTES = ("counterparty_id", "name", "sector", "country", "rating")


def _limit_headroom(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """Every counterparty with its headroom under the limit and its collateral, fullest first."""
    names, warning = inputs["names"], Decimal(str(parameters["warning"]))
    unit = unit_of(names, "counterparty_exposure")
    rows: list[list[Scalar]] = []
    for as_of in dates(names):
        found: list[list[Scalar]] = []
        for row in dated(names, as_of):
            exposure, limit = (amount(row[f"counterparty_{c}"]) for c in ("exposure", "limit"))
            use = quotient(exposure, limit)
            collateral, market = amount(row["collateral"]), amount(row["mark_to_market"])
            found.append(
                [
                    *(as_of, *(row[name] for name in _ATTRIBUTES)),
                    *(market, collateral, exposure, limit),
                    *(use, limit - exposure, _band(row, warning)),
                ]
            )
        found.sort(key=lambda line: (-float(str(line[10] or 0)), str(line[1])))
        rows += found
    columns = [
        day("as_of"),
        *(text(name) for name in _ATTRIBUTES),
        money("mark_to_market", unit),
        money("collateral", unit),
        money("exposure", unit),
        money("exposure_limit", unit),
        ratio("use", "Used"),
        money("headroom", unit),
        text("band"),
    ]
    return Table.from_rows(columns, rows, ("as_of", "counterparty_id"))


COMPUTATIONS: tuple[Computation, ...] = (
    Computation("utilisation_bands", 1, _utilisation_bands),
    Computation("limit_headroom", 1, _limit_headroom),
)
