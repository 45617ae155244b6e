"""Traps that real data set: undefined ratios, codes that are not late, tiny cells, broken sums."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from services.analysis.computations import COMPUTATIONS
from services.analysis.context import SectionContext
from services.analysis.findings import Finding, SectionAnalysis
from services.analysis.prose import render_prose
from services.analysis.sections import ANALYSTS
from services.analysis.verify import Verification, verify
from services.evidence import Scalar, Table

AS_OF = date(2026, 9, 30)
Make = Callable[..., SectionContext]
Change = Callable[[dict[str, Scalar]], dict[str, Scalar] | None]


def changed(table: Table, change: Change) -> Table:
    """The table with each row changed, or left out where *change* gives none."""
    names = [column.name for column in table.columns]
    kept = [row for row in map(change, table.rows()) if row is not None]
    return Table.from_rows(
        table.columns, [[row[name] for name in names] for row in kept], table.key
    )


class Report:
    """A section with its verification, read as a reader would."""

    def __init__(self, context: SectionContext) -> None:
        self.analysis: SectionAnalysis = ANALYSTS[context.section](context)
        exhibits = {e.evidence.id: e for e in (*context.exhibits.values(), *context.computed)}
        self.verification: Verification = verify(self.analysis, exhibits, COMPUTATIONS)
        self._claims = {claim.id: claim for claim in self.analysis.claims}

    def finding(self, name: str) -> Finding:
        return next(f for f in self.analysis.findings if f.id == name)

    def prose(self, name: str) -> str:
        outcomes = self.verification.outcomes
        return "".join(
            r.text for r in render_prose(self.finding(name).prose, self._claims, outcomes)
        )

    def shown(self, claim: str) -> str:
        return self.verification.outcomes[claim].display


@pytest.fixture
def report(section: Make) -> Callable[..., Report]:
    """A section whose queries' rows are changed: alias to change of a row."""

    def make(name: str, **changes: Change) -> Report:
        def edit(alias: str, table: Table) -> Table:
            return changed(table, changes[alias]) if alias in changes else table

        made = Report(section(name, edit))
        assert () == made.verification.problems
        return made

    return make


def test_coverage_without_stage_three_is_not_available(report: Callable[..., Report]) -> None:
    """With no balance in stage 3 coverage prints n/a and the reason, never 0 or infinity."""
    credit = report("credit", book=lambda row: {**row, "coverage_ratio": None})

    assert "n/a" == credit.shown("credit.coverage_ratio")
    assert "no balance stands in Stage 3" in credit.prose("credit.coverage")


def test_a_short_allowance_asks_for_an_explanation(report: Callable[..., Report]) -> None:
    """An allowance below the recomputed loss is a finding with an action."""
    credit = report("credit", loans=lambda row: {**row, "loan_allowance": Decimal(0)})

    assert "is below the simplified expected credit loss" in credit.prose("credit.ecl")
    assert "shortfall" in credit.finding("credit.ecl").action


def test_a_loan_without_parameters_is_counted(
    report: Callable[..., Report], rows: Callable[[str], list[tuple[str]]]
) -> None:
    """A loan with exposure but without PD takes no part in the loss and is said."""
    [(loan,)] = rows(
        f"SELECT min(loan_id) FROM syn_loans WHERE as_of = '{AS_OF}' AND exposure_at_default > 0"
    )
    credit = report(
        "credit", loans=lambda r: {**r, "average_pd": None} if r["loan_id"] == loan else r
    )

    assert "1" == credit.shown("credit.ecl.unmeasured")
    assert any("{credit.ecl.unmeasured}" in gap for gap in credit.analysis.gaps)


def test_a_flow_that_does_not_reconcile_is_a_finding(report: Callable[..., Report]) -> None:
    """A stage total that its loans do not explain is named with the amount."""

    def more(row: dict[str, Scalar]) -> dict[str, Scalar]:
        extra = Decimal(5_000_000) if (row["stage"], row["as_of"]) == (1, AS_OF) else 0
        return {**row, "loan_balance": row["loan_balance"] + extra}

    credit = report("credit", stages=more)

    assert "leave EUR\u00a05.0m of the closing balance unexplained" in credit.prose("credit.flow")


def test_tiny_cells_carry_their_interval(report: Callable[..., Report]) -> None:
    """A bucket of a handful of accounts shows n and a wide interval."""
    history = report("retail_history")

    assert "n: 34" in history.prose("retail_history.thin_bucket")
    assert "interval from 89.85" in history.prose("retail_history.thin_bucket")


def test_the_caps_on_level_two_assets_are_said(report: Callable[..., Report]) -> None:
    """Level 2 assets beyond the caps do not count, and the section says how much."""

    def rich(row: dict[str, Scalar]) -> dict[str, Scalar]:
        return {**row, "hqla_value": row["hqla_value"] * (20 if row["level"] == "L2A" else 1)}

    liquidity = report("liquidity", hqla=rich)

    assert "out of the stock" in liquidity.prose("liquidity.caps")


def test_a_gap_that_never_opens_is_said(report: Callable[..., Report]) -> None:
    """Where every bucket is covered there is no shortfall to act on."""
    liquidity = report("liquidity", flows=lambda row: {**row, "cash_outflow": Decimal(0)})

    assert "shortfall of EUR\u00a00.0m" in liquidity.prose("liquidity.gap")
    assert not liquidity.finding("liquidity.gap").action


def test_a_ratio_without_outflows_is_not_available(report: Callable[..., Report]) -> None:
    """Nothing to cover leaves the coverage ratio undefined, not infinite."""
    liquidity = report(
        "liquidity",
        lcr_flows=lambda row: {**row, "lcr_outflow": Decimal(0), "lcr_inflow": Decimal(0)},
    )

    assert "n/a" == liquidity.shown("liquidity.lcr")


def test_a_broken_sum_is_named(report: Callable[..., Report]) -> None:
    """Segments that do not add up to the book are a finding with an action."""
    quality = report(
        "data_quality", segments=lambda row: {**row, "loan_balance": row["loan_balance"] + 1}
    )
    name = "data_quality.reconciliation.loan_balance_segments_against_the_book"

    assert "a difference of EUR\u00a04.00" in quality.prose(name)
    assert "high" == quality.finding(name).severity


def test_a_position_without_a_rate_does_not_reconcile(report: Callable[..., Report]) -> None:
    """A currency that the reference rates do not quote leaves its value unexplained."""
    quality = report("data_quality", rates=lambda row: None if row["ccy"] == "PLN" else row)
    name = "data_quality.reconciliation.positions_revalued_with_reference_rates"

    assert "high" == quality.finding(name).severity


def test_stale_rates_are_named(report: Callable[..., Report]) -> None:
    """Rates that end days before the report are stale, and the section says since when."""
    quality = report(
        "data_quality",
        rates=lambda row: row if row["rate_date"] < date(2026, 9, 28) else None,
    )

    assert "Reference rates (last date: 25\u00a0September\u00a02026)" in quality.prose(
        "data_quality.stale"
    )


def test_missing_values_are_counted(report: Callable[..., Report]) -> None:
    """A column with holes is a finding that counts them."""
    quality = report(
        "data_quality",
        exposures=lambda row: {**row, "rating": None if row["rating"] == "BB" else row["rating"]},
    )

    assert "Counterparties, rating (missing: " in quality.prose("data_quality.incomplete")


def test_limits_without_a_breach_need_no_action(report: Callable[..., Report]) -> None:
    """With every limit kept the headline is an observation."""
    limits = report(
        "limits",
        limits=lambda row: {**row, "limit_red": 9.0 if row["direction"] == "max" else 0.01},
    )

    assert "observation" == limits.finding("limits.headline").kind
    assert not limits.finding("limits.headline").action


def test_every_breach_stands_in_the_headline(report: Callable[..., Report]) -> None:
    """The headline counts the limits broken and names each with its owner."""
    limits = report(
        "limits",
        limits=lambda row: {**row, "limit_red": 0.001 if row["direction"] == "max" else 9.0},
    )
    prose = limits.prose("limits.headline")

    assert "broken: 13" in prose
    assert 13 == prose.count("breaches the limit of")
