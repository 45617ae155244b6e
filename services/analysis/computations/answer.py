"""What the answer to a free question needs besides its rows: their totals, and the top of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.analysis._arithmetic import total
from services.analysis._cells import number
from services.analysis.context import Computation
from services.analysis.formats import significant
from services.evidence import Column, Scalar, Table


def column_totals(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """Sums of the `columns` of `rows`: `|`-separated names; empty cells count for nothing."""
    rows = inputs["rows"]
    names = str(parameters["columns"]).split("|")
    columns: list[Column] = []
    totals: list[Scalar] = []
    for name in names:
        column = rows.column(name)
        known = [value for value in map(number, rows.values(name)) if value is not None]
        columns.append(column.model_copy(update={"type": "decimal"}))
        summed = total(known)
        totals.append(significant(summed) if column.type == "double" else summed)
    return Table.from_rows(columns, [totals])


def largest_rows(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """The `count` rows of `rows` with the largest values of `column`, largest first."""
    rows = inputs["rows"]
    values = list(map(number, rows.values(str(parameters["column"]))))
    known = [index for index, value in enumerate(values) if value is not None]
    # Ties keep the order of the rows, which every query fixes.
    top = sorted(known, key=lambda index: -(values[index] or Decimal(0)))[
        : int(parameters["count"])
    ]
    data = tuple(tuple(column[index] for index in top) for column in rows.data)
    return Table(rows.columns, data, rows.key)


COMPUTATIONS: tuple[Computation, ...] = (
    Computation("column_totals", 1, column_totals),
    Computation("largest_rows", 1, largest_rows),
)
