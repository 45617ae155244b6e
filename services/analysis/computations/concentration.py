"""Computations over shares of a book: concentration index and the largest members."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from services.analysis.computations._columns import (
    TOTAL,
    amount,
    count,
    dated,
    dates,
    day,
    grouped,
    money,
    quotient,
    ratio,
    text,
    total,
    unit_of,
)
from services.analysis.context import Computation
from services.evidence import Scalar, Table
from services.measures import herfindahl

OTHERS = "Others"
MODERATE, HIGH = 0.10, 0.18
"""Bands of the concentration index; borrowed from the merger guidelines of 1992 and 2023."""


def band(index: float) -> str:
    """Low, moderate or high, by the bands of merger law."""
    if index < MODERATE:
        return "low"
    return "high" if index > HIGH else "moderate"


def _concentration(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    Herfindahl index, its inverse and the largest member of each date.

    Shares are of the rows whose `by` is known; what has no member (retail without counterparty)
    stands beside as `outside`.
    """
    table, by, measure = _settings(inputs, parameters)
    rows: list[list[Scalar]] = []
    for as_of in dates(table):
        known, outside = _members(table, as_of, by, measure)
        inside = sum(known.values(), Decimal(0))
        if not inside:
            continue
        index = herfindahl(list(known.values()))
        name, largest = max(known.items(), key=lambda item: (item[1], item[0]))
        share = quotient(largest, inside)
        rows.append(
            [
                *(as_of, index, 1 / index, len(known)),
                *(name, largest, share),
                *(band(index), MODERATE, HIGH, outside),
            ]
        )
    unit = unit_of(table, measure)
    columns = [
        day("as_of"),
        ratio("index", "Herfindahl index"),
        ratio("effective", "Effective number").model_copy(update={"unit": "count"}),
        count("members"),
        text("largest", "Largest member"),
        money("largest_amount", unit, "Largest amount"),
        ratio("largest_share", "Largest share"),
        text("band"),
        ratio("moderate_from", "Start of the moderate band"),
        ratio("high_from", "Start of the high band"),
        money("outside", unit, "Without member"),
    ]
    return Table.from_rows(columns, rows, ("as_of",))


def _largest_members(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    The `top` largest members of each date by rank, then `Others` and `Total`.

    Shares are of the whole, members that are not known included; these are among the others.
    """
    table, by, measure = _settings(inputs, parameters)
    top = int(parameters["top"])
    rows: list[list[Scalar]] = []
    for as_of in dates(table):
        known, outside = _members(table, as_of, by, measure)
        everything = sum(known.values(), outside)
        ordered = sorted(known.items(), key=lambda item: (-item[1], item[0]))
        running = Decimal(0)
        for rank, (name, value) in enumerate(ordered[:top], start=1):
            running += value
            shares = quotient(value, everything), quotient(running, everything)
            rows.append([as_of, str(rank), name, value, *shares])
        if ordered:
            rest = everything - running
            rows.append([as_of, OTHERS, OTHERS, rest, quotient(rest, everything), None])
            rows.append([as_of, TOTAL, TOTAL, everything, quotient(everything, everything), None])
    unit = unit_of(table, measure)
    columns = [
        day("as_of"),
        text("rank"),
        text("member"),
        money("amount", unit),
        ratio("share"),
        ratio("running_share", "Running share"),
    ]
    return Table.from_rows(columns, rows, ("as_of", "rank"))


def _member_shares(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """Amount and share of each member at `as_of`, largest first; shares as in `concentration`."""
    table, by, measure = _settings(inputs, parameters)
    known, _ = _members(table, date.fromisoformat(str(parameters["as_of"])), by, measure)
    inside = sum(known.values(), Decimal(0))
    rows: list[list[Scalar]] = [
        [name, value, quotient(value, inside)]
        for name, value in sorted(known.items(), key=lambda item: (-item[1], item[0]))
    ]
    columns = [
        text("member", by.replace("_", " ").capitalize()),
        money("amount", unit_of(table, measure)),
        ratio("share"),
    ]
    return Table.from_rows(columns, rows, ("member",))


def _settings(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> tuple[Table, str, str]:
    return inputs["book"], str(parameters["by"]), str(parameters["measure"])


def _members(
    table: Table, as_of: date, by: str, measure: str
) -> tuple[dict[str, Decimal], Decimal]:
    """Amount of each member with a name, and what belongs to none."""
    rows = dated(table, as_of)
    named = [row for row in rows if row[by] is not None]
    members = {
        name: total(part, measure) for name, part in grouped(named, lambda r: str(r[by])).items()
    }
    outside = sum((amount(row[measure]) for row in rows if row[by] is None), Decimal(0))
    return members, outside


COMPUTATIONS: tuple[Computation, ...] = (
    Computation("concentration", 1, _concentration),
    Computation("largest_members", 1, _largest_members),
    Computation("member_shares", 1, _member_shares),
)
