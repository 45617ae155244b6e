"""Computations over limits: how much of each is used, and where each stands."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.analysis._arithmetic import limit_status
from services.analysis.computations._columns import amount, quotient, ratio, text
from services.analysis.context import Computation
from services.evidence import Column, Scalar, Table

_ORDER = ("red", "amber", "green", "none")


def _limit_use(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    Every limit of `limits` with its measure, the part of it that is used, and its status.

    `measures` maps a limit to the input, row and column that hold its measure; a limit without one
    has neither use nor status. Of a minimum, the use is limit over measure. Worst come first.
    """
    limits, measures = inputs["limits"], parameters["measures"]
    rows: list[list[Scalar]] = []
    for limit in limits.rows():
        name = str(limit["limit_id"])
        value = _measure(inputs, measures[name]) if name in measures else None
        red, amber = amount(limit["limit_red"]), amount(limit["limit_amber"])
        binding = str(limit["direction"])
        use = None
        if value is not None:
            use = quotient(red, value) if binding == "min" else quotient(value, red)
        status = limit_status(value, amber, red, binding)
        texts = [limit[column] for column in _TEXTS]
        rows.append([name, *texts, value, amber, red, use, status])
    rows.sort(key=lambda row: (_ORDER.index(str(row[-1])), -float(str(row[-2] or 0)), str(row[0])))
    columns = [
        text("limit_id", "Limit"),
        *(text(name) for name in _TEXTS),
        Column(name="value", type="decimal", label="Measure"),
        Column(name="amber", type="decimal", label="Early warning"),
        Column(name="red", type="decimal", label="Limit"),
        ratio("use", "Used"),
        text("status"),
    ]
    return Table.from_rows(columns, rows, ("limit_id",))


_TEXTS = ("area", "metric", "scope", "unit", "direction", "owner", "owner_role")


def _measure(inputs: Mapping[str, Table], place: Mapping[str, str]) -> Decimal | None:
    value = inputs[place["input"]].value(place["row"], place["column"])
    return None if value is None else amount(value)


def _limit_counts(inputs: Mapping[str, Table], _parameters: Mapping[str, Any]) -> Table:
    """How many limits stand in each status, and in all."""
    statuses = inputs["use"].values("status")
    rows: list[list[Scalar]] = [[status, statuses.count(status)] for status in _ORDER]
    rows.append(["all", len(statuses)])
    columns = [text("status"), Column(name="limits", type="integer", unit="count", label="Limits")]
    return Table.from_rows(columns, rows, ("status",))


COMPUTATIONS: tuple[Computation, ...] = (
    Computation("limit_use", 1, _limit_use),
    Computation("limit_counts", 1, _limit_counts),
)
