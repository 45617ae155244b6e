"""Computations over the data itself: completeness, timeliness, reconciliation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from services.analysis.computations._columns import (
    Row,
    amount,
    count,
    dated,
    day,
    flag,
    money,
    quotient,
    ratio,
    text,
    total,
    whole,
)
from services.analysis.context import Computation
from services.evidence import Column, Scalar, Table

_CENT = Decimal("0.01")


def _completeness(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    Share of the rows of each input that hold a value, column by column.

    `checks` maps an input to its key columns and to `count`, the metric that says how many rows of
    the warehouse a row stands for.
    """
    as_of = date.fromisoformat(str(parameters["as_of"]))
    rows: list[list[Scalar]] = []
    for role, check in parameters["checks"].items():
        members = _rows_at(inputs[role], as_of)
        expected = sum(whole(row[check["count"]]) for row in members)
        for column in check["columns"]:
            present = sum(whole(row[check["count"]]) for row in members if row[column] is not None)
            share = quotient(Decimal(present), Decimal(expected))
            rows.append([check["table"], column, expected, present, expected - present, share])
    columns = [
        text("table"),
        text("column"),
        count("expected", "Rows"),
        count("present"),
        count("missing"),
        ratio("completeness"),
    ]
    return Table.from_rows(columns, rows, ("table", "column"))


def _rows_at(table: Table, as_of: date) -> list[Row]:
    """The rows of the date, where the table has dates at all."""
    has_dates = any(column.name == "as_of" for column in table.columns)
    return dated(table, as_of) if has_dates else list(table.rows())


def _timeliness(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    Last date of each input up to the as-of, how far it lies back, and what that amounts to.

    `checks` maps an input to its table and date column. A table is `stale` when the date lies more
    than a business day back, `missing` without any date up to the as-of, and `historical` when it is
    declared so. Business days are Monday to Friday, without holidays.
    """
    as_of = date.fromisoformat(str(parameters["as_of"]))
    rows: list[list[Scalar]] = []
    for role, check in parameters["checks"].items():
        found = [v for v in inputs[role].values(check["column"]) if isinstance(v, date)]
        last = max((value for value in found if value <= as_of), default=None)
        if last is None:
            rows.append([check["table"], None, None, None, "missing"])
            continue
        late = int(np.busday_count(last, as_of))
        status = "historical" if check.get("historical") else "stale" if late > 1 else "timely"
        rows.append([check["table"], last, (as_of - last).days, late, status])
    columns = [
        text("table"),
        day("last_date"),
        Column(name="behind", type="integer", unit="days", label="Days behind"),
        Column(name="business_days", type="integer", unit="days", label="Business days behind"),
        text("status"),
    ]
    return Table.from_rows(columns, rows, ("table",))


_Sides: TypeAlias = tuple[Decimal, Decimal, int]
"""Detail, control, and how many roundings to a cent may stand between them."""
_Rows: TypeAlias = Mapping[str, list[Row]]
"""The rows of each input at the as-of."""


class _Check(NamedTuple):
    """Two ways to one amount, and the inputs that they need rows of."""

    sides: Callable[[_Rows], _Sides]
    needs: tuple[str, ...]


def _revalued(rows: _Rows) -> _Sides:
    """Positions converted again with the reference rates, against their booked value in euro."""
    ordered = sorted(rows["rates"], key=lambda row: str(row["rate_date"]))
    # The last rate of each currency; the euro is its own.
    rates = {"EUR": Decimal(1), **{str(row["ccy"]): amount(row["fx_rate"]) for row in ordered}}
    values = [
        (amount(row["local_market_value"]) / rates[str(row["ccy"])]).quantize(_CENT)
        # A position without a rate has no value here, and shows up as a difference.
        for row in rows["positions"]
        if str(row["ccy"]) in rates
    ]
    roundings = sum(whole(row["position_count"]) + 1 for row in rows["positions"])
    return sum(values, Decimal(0)), total(rows["positions"], "net_exposure"), roundings


def _netted(rows: _Rows) -> _Sides:
    """Exposure made again from market value, collateral and add-on, against the booked one."""
    values = [
        max(amount(row["mark_to_market"]) - amount(row["collateral"]), Decimal(0))
        + amount(row["potential_future_exposure"])
        for row in rows["exposures"]
    ]
    return sum(values, Decimal(0)), total(rows["exposures"], "counterparty_exposure"), 0


def _haircut(rows: _Rows) -> _Sides:
    """Liquid assets less their haircuts, against the booked value."""
    values = [
        (amount(row["hqla_market_value"]) * (1 - amount(row["haircut"]))).quantize(_CENT)
        for row in rows["hqla"]
    ]
    return sum(values, Decimal(0)), total(rows["hqla"], "hqla_value"), len(rows["hqla"])


def _defaulted(rows: _Rows) -> _Sides:
    """Loans flagged as in default, against loans in stage 3, by balance."""
    flagged = [row for row in rows["stages"] if row["is_defaulted"]]
    third = [row for row in rows["stages"] if whole(row["stage"]) == 3]
    return total(flagged, "loan_balance"), total(third, "loan_balance"), 0


def _sums(parts: str, column: str, control: str) -> _Check:
    """The rows of *parts* against those of *control*."""
    return _Check(
        lambda rows: (total(rows[parts], column), total(rows[control], column), 0),
        (parts, control),
    )


_CHECKS: Mapping[str, _Check] = {
    "Loan balance: segments against the book": _sums("segments", "loan_balance", "book"),
    "Loan balance: stages against the book": _sums("stages", "loan_balance", "book"),
    "Allowance: segments against the book": _sums("segments", "loan_allowance", "book"),
    "Loans in default against the last stage": _Check(_defaulted, ("stages",)),
    "Positions: revalued with reference rates": _Check(_revalued, ("positions", "rates")),
    "Counterparty exposure: made again from its parts": _Check(_netted, ("exposures",)),
    "Liquid assets: haircuts applied again": _Check(_haircut, ("hqla",)),
    "Risk-weighted assets: types against the total": _sums(
        "rwa", "risk_weighted_assets", "capital"
    ),
}


def _reconciliation(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    Each amount by two ways and their difference; it agrees within a cent for each rounding.

    A check without rows on a side has neither amount nor answer.
    """
    as_of = date.fromisoformat(str(parameters["as_of"]))
    rows = {role: _rows_at(table, as_of) for role, table in inputs.items()}
    lines: list[list[Scalar]] = []
    for name, check in _CHECKS.items():
        if not all(rows[role] for role in check.needs):
            lines.append([name, None, None, None, None, None])
            continue
        detail, control, roundings = check.sides(rows)
        difference, tolerance = detail - control, roundings * _CENT
        lines.append([name, detail, control, difference, tolerance, abs(difference) <= tolerance])
    columns = [
        text("check"),
        money("detail", "EUR", "By its parts"),
        money("control", "EUR", "As booked"),
        money("difference", "EUR"),
        money("tolerance", "EUR"),
        flag("agrees"),
    ]
    return Table.from_rows(columns, lines, ("check",))


COMPUTATIONS: tuple[Computation, ...] = (
    Computation("completeness", 1, _completeness),
    Computation("timeliness", 1, _timeliness),
    Computation("reconciliation", 1, _reconciliation),
)
