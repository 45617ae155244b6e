"""Data quality: is it all there, is it of the date, and does it add up."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.analysis.build import ClaimId, Draft, number_at
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import SectionAnalysis, Status, StatusCell
from services.analysis.sections._figures import figure, member_id

_COMPLETE: Mapping[str, Mapping[str, Any]] = {
    "loans": {
        "table": "Loans",
        "count": "loan_count",
        "columns": ["segment", "sector", "country", "grade"],
    },
    "positions": {
        "table": "Positions",
        "count": "position_count",
        "columns": ["desk", "book", "ccy", "counterparty_id"],
    },
    "exposures": {
        "table": "Counterparties",
        "count": "exposure_count",
        "columns": ["name", "sector", "country", "rating"],
    },
    "cards": {
        "table": "Cards",
        "count": "card_account_count",
        "columns": ["education", "repayment_status"],
    },
    "small_loans": {
        "table": "Small loans",
        "count": "small_loan_count",
        "columns": ["purpose"],
    },
}
_CURRENT: Mapping[str, Mapping[str, Any]] = {
    "rates": {"table": "Reference rates", "column": "rate_date"},
    "positions": {"table": "Positions", "column": "as_of"},
    "book": {"table": "Loans", "column": "as_of"},
    "exposures": {"table": "Counterparty exposures", "column": "as_of"},
    "hqla": {"table": "Liquid assets", "column": "as_of"},
    "capital": {"table": "Capital", "column": "as_of"},
    "curve": {"table": "Treasury curve", "column": "curve_date", "historical": True},
    "card_months": {"table": "Card history", "column": "month", "historical": True},
}
"""Tables by the query that reaches their last date; historical ones are never stale."""
_RECONCILED = (
    "book",
    "segments",
    "stages",
    "positions",
    "rates",
    "exposures",
    "hqla",
    "rwa",
    "capital",
)


def analyse(context: SectionContext) -> SectionAnalysis:
    """Completeness, timeliness and reconciliation of what the report rests on, and the known gaps."""
    draft = Draft(context)
    day = context.as_of.isoformat()
    _timeliness(draft, day)
    _reconciliation(draft, day)
    _completeness(draft, day)
    for gap in _GAPS:
        draft.gap(gap)
    draft.method(
        "Completeness is the share of rows that hold a value. A table is stale when its last date lies "
        "several business days back. Each reconciliation computes an amount by its parts and again as "
        "booked; they agree within a cent for each rounded row."
    )
    return draft.finish()


def _timeliness(draft: Draft, day: str) -> None:
    context = draft.context
    inputs = {role: context[role] for role in _CURRENT}
    checks = {role: dict(check) for role, check in _CURRENT.items()}
    found = context.compute("timeliness", inputs, {"as_of": day, "checks": checks})
    rows: list[list[ClaimId | str | StatusCell]] = []
    stale: list[str] = []
    for row in found.table.row_keys:
        base = f"timeliness.{member_id(row)}"
        reason = "the table has no rows up to the date"
        cells = [
            figure(draft, f"{base}.{c}", label, (found, row, c), reason=reason)
            for c, label in _TIMELY.items()
        ]
        status = str(found.table.value(row, "status"))
        if status in {"stale", "missing"}:
            stale.append(f"{cells[0].slot} (last date: {cells[1].slot})")
        rows.append([*cells, StatusCell(status=_TIMELY_STATUS[status])])
    draft.table(
        "timeliness",
        "Last date of each table against the date of the report",
        [*_TIMELY.values(), "Status"],
        rows,
        note="Historical tables (cards, small loans, rating transitions, the Treasury curve) are of "
        "their own time and dated where they are used.",
        evidence=[found],
    )
    if stale:
        draft.finding(
            "stale",
            "data_quality",
            "high",
            "Stale or missing data",
            f"These tables do not reach the date of the report: {', '.join(stale)}.",
            action="The owners of the data should deliver what is missing; figures that rest on it "
            "stand as of their own date.",
        )


_TIMELY_STATUS: dict[str, Status] = {
    "timely": "green",
    "stale": "red",
    "missing": "red",
    "historical": "none",
}
_TIMELY = {
    "table": "Table",
    "last_date": "Last date",
    "behind": "Days behind",
    "business_days": "Business days behind",
    "status": "Kind",
}


def _reconciliation(draft: Draft, day: str) -> None:
    context = draft.context
    inputs = {role: context[role] for role in _RECONCILED}
    found = context.compute("reconciliation", inputs, {"as_of": day})
    rows: list[list[ClaimId | str | StatusCell]] = []
    for row in found.table.row_keys:
        base = f"reconciliation.{member_id(row)}"
        cells = [
            figure(draft, f"{base}.{c}", label, (found, row, c), reason=NO_SIDE)
            for c, label in _SIDES.items()
        ]
        cells += [
            figure(
                draft, f"{base}.{c}", label, (found, row, c), reason=NO_SIDE, scale="one", digits=2
            )
            for c, label in (("difference", "Difference"), ("tolerance", "Tolerance"))
        ]
        agrees = found.table.value(row, "agrees")
        status: Status = "none" if agrees is None else "green" if agrees else "red"
        rows.append([*cells, StatusCell(status=status)])
        if agrees is False:
            _difference(draft, base, cells)
    draft.table(
        "reconciliation",
        "Amounts by their parts and as booked",
        [*_SIDES.values(), "Difference", "Tolerance", "Status"],
        rows,
        evidence=[found],
    )
    if all(found.table.values("agrees")):
        _all_agree(draft, found)


NO_SIDE = "the rows of a side are not in the warehouse"
_SIDES = {"check": "Check", "detail": "By its parts", "control": "As booked"}


def _difference(draft: Draft, base: str, cells: list[ClaimId]) -> None:
    draft.finding(
        base,
        "data_quality",
        "high",
        "A reconciliation does not agree",
        f"{cells[0].slot}: by its parts {cells[1].slot}, as booked {cells[2].slot}, a difference of "
        f"{cells[3].slot}.",
        action="The owner of the data should find the rows that make the difference.",
    )


def _all_agree(draft: Draft, found: Exhibit) -> None:
    rows = found.table.row_keys
    widest = max(rows, key=lambda row: abs(number_at((found, row, "difference")) or Decimal(0)))
    name = ClaimId(f"data_quality.reconciliation.{member_id(widest)}.check")
    size = ClaimId(f"data_quality.reconciliation.{member_id(widest)}.difference")
    allowed = ClaimId(f"data_quality.reconciliation.{member_id(widest)}.tolerance")
    draft.finding(
        "reconciled",
        "data_quality",
        "info",
        "Reconciliation",
        f"Every reconciliation agrees. {name.slot} leaves {size.slot}, with a tolerance of "
        f"{allowed.slot}.",
    )


def _completeness(draft: Draft, day: str) -> None:
    context = draft.context
    inputs = {role: context[role] for role in _COMPLETE}
    checks = {role: dict(check) for role, check in _COMPLETE.items()}
    found = context.compute("completeness", inputs, {"as_of": day, "checks": checks})
    rows: list[list[ClaimId | str]] = []
    holes: list[str] = []
    for row in found.table.row_keys:
        base = f"completeness.{member_id(row)}"
        cells = [
            figure(draft, f"{base}.{c}", label, (found, row, c), reason="the table has no rows")
            for c, label in _COLUMNS.items()
        ]
        rows.append(list(cells))
        if number_at((found, row, "missing")):
            holes.append(f"{cells[0].slot}, {cells[1].slot} (missing: {cells[3].slot})")
    draft.table(
        "completeness",
        "Rows and filled key columns",
        list(_COLUMNS.values()),
        rows,
        evidence=[found],
    )
    if holes:
        draft.finding(
            "incomplete",
            "data_quality",
            "low",
            "Incomplete columns",
            f"Columns with missing values: {'; '.join(holes)}.",
        )


_COLUMNS = {
    "table": "Table",
    "column": "Column",
    "expected": "Rows",
    "missing": "Missing",
    "completeness": "Complete",
}


_GAPS = (
    "Profit and loss of the trading desks is not available in the warehouse; backtests rest on positions held still.",
    "Recoveries, write-offs and scenario weights are not available in the warehouse; expected credit loss takes the booked parameters.",
    "Intraday liquidity, encumbrance and flows by currency are not available in the warehouse.",
    "Equity and commodity prices are not available in the warehouse; market risk is that of currencies and, for stress, of yields.",
)
