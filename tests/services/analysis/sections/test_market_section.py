"""The market section on the sample warehouse, and on warehouses that lack something."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import pytest

from services.analysis.computations import COMPUTATIONS
from services.analysis.context import SectionContext
from services.analysis.findings import FigureCell, Finding, SectionAnalysis
from services.analysis.sections.market import analyse
from services.analysis.verify import Verification, verify
from services.evidence import Table

AS_OF, PREVIOUS = date(2026, 9, 30), date(2026, 6, 30)
Section = Callable[..., SectionContext]


def checked(context: SectionContext) -> tuple[SectionAnalysis, Verification]:
    """The analysis and its verification, without which no other test means much."""
    analysis = analyse(context)
    exhibits = [*context.exhibits.values(), *context.computed]
    verification = verify(analysis, {e.evidence.id: e for e in exhibits}, COMPUTATIONS)
    assert () == verification.problems
    return analysis, verification


def kept(table: Table, wanted: Callable[[dict[str, Any]], bool]) -> Table:
    names = [column.name for column in table.columns]
    rows = [[row[name] for name in names] for row in table.rows() if wanted(row)]
    return Table.from_rows(table.columns, rows, key=table.key)


def with_rates(change: Callable[[date, float], float]) -> Callable[[str, Table], Table]:
    """An edit that changes every rate of the section."""

    def edit(alias: str, table: Table) -> Table:
        if alias != "rates":
            return table
        names = [column.name for column in table.columns]
        rows = [
            [
                *(row[name] for name in names if name != "fx_rate"),
                change(row["rate_date"], row["fx_rate"]),
            ]
            for row in table.rows()
        ]
        assert names[-1] == "fx_rate"
        return Table.from_rows(table.columns, rows, key=table.key)

    return edit


def finding(analysis: SectionAnalysis, name: str) -> Finding | None:
    return next((f for f in analysis.findings if f.id == f"market.{name}"), None)


def days_of(context: SectionContext) -> list[date]:
    days: Iterable[Any] = context["rates"].table.values("rate_date")
    return sorted(set(days))


@pytest.fixture(scope="module")
def sample(section: Section) -> tuple[SectionAnalysis, Verification]:
    return checked(section("market"))


def test_every_figure_of_the_sample_is_verified(
    sample: tuple[SectionAnalysis, Verification],
) -> None:
    """On the sample warehouse no problem is left, and every cell of a table shows a claim."""
    analysis, verification = sample
    shown = {
        cell.claim
        for table in analysis.tables
        for row in table.rows
        for cell in row
        if isinstance(cell, FigureCell)
    }

    assert verification.passed
    assert analysis.synthetic
    assert shown <= verification.outcomes.keys()
    assert {"measures", "shape", "desks", "components", "backtest"} <= {
        table.id.removeprefix("market.") for table in analysis.tables
    }
    assert {"backtest", "grouped_bar", "histogram", "bar"} == {c.kind for c in analysis.charts}


@pytest.mark.parametrize(
    ("claim", "as_of"), [("total", AS_OF), ("total.previous", PREVIOUS)], ids=["now", "previous"]
)
def test_var_equals_a_recomputation_in_sql(
    sample: tuple[SectionAnalysis, Verification], rows: Any, claim: str, as_of: date
) -> None:
    """The VaR of both dates is the quantile that one SQL statement over the warehouse gives."""
    [(var,)] = rows(
        "with move as (select rate_date, ccy, lag(rate_per_eur) over (partition by ccy order by"
        " rate_date) / rate_per_eur - 1 as move from fx_rates),"
        f" held as (select ccy, sum(market_value_eur) as amount from syn_positions where as_of = date '{as_of}'"
        " and ccy <> 'EUR' group by ccy),"
        " pnl as (select rate_date, sum(amount * move) as pnl from move join held using (ccy)"
        f" where rate_date <= date '{as_of}' group by rate_date order by rate_date desc limit 500)"
        " select -quantile_cont(pnl, 0.01) as var from pnl"
    )
    outcome = sample[1].outcomes[f"market.var_99_1d.{claim}"]

    assert float(var) == pytest.approx(float(outcome.value or 0), rel=1e-9)


def test_change_of_var_is_explained_without_rest(
    sample: tuple[SectionAnalysis, Verification],
) -> None:
    """What positions and what rates did to VaR add up to its change."""
    value = {name: outcome.value or 0 for name, outcome in sample[1].outcomes.items()}
    base = "market.var_99_1d.total"

    assert float(value[f"{base}.change"]) == pytest.approx(
        float(value[f"{base}.from_positions"] + value[f"{base}.from_rates"]), rel=1e-9
    )


def test_breaches_come_first_with_owner_and_action(
    sample: tuple[SectionAnalysis, Verification],
) -> None:
    """Red indicators and limit breaches are the same, lead the findings, and name who acts."""
    analysis, _ = sample
    breaches = [f for f in analysis.findings if f.kind == "limit_breach"]
    red = [row for row in analysis.indicators if row.status == "red"]

    assert len(red) == len(breaches)
    assert breaches == list(analysis.findings[: len(breaches)])
    assert all(f"{row.value}.owner" in f.action for row, f in zip(red, breaches, strict=True))


def test_same_evidence_gives_the_same_analysis(section: Section) -> None:
    """The section is a function of its evidence."""
    assert analyse(section("market")) == analyse(section("market"))


def test_currency_without_rates_is_said(section: Section) -> None:
    """A currency that the rates do not quote is left out, with its exposure, in a finding."""

    def edit(alias: str, table: Table) -> Table:
        return kept(table, lambda row: row["ccy"] != "TRY") if alias == "rates" else table

    analysis, verification = checked(section("market", edit))
    left_out = finding(analysis, "uncovered.try.left_out")

    assert left_out is not None
    assert "not_available" == left_out.kind
    assert "TRY" == verification.outcomes["market.uncovered.try"].text
    assert verification.outcomes["market.var_99_1d.total"].value is not None


def test_stale_rates_are_a_finding_and_date_the_figures(section: Section) -> None:
    """Figures on rates that ended days before the as-of date carry the date of the rates."""
    last = date(2026, 9, 24)

    def edit(alias: str, table: Table) -> Table:
        return kept(table, lambda row: row["rate_date"] <= last) if alias == "rates" else table

    analysis, verification = checked(section("market", edit))
    stale = finding(analysis, "rates.stale")
    var = next(claim for claim in analysis.claims if claim.id == "market.var_99_1d.total")

    assert stale is not None
    assert ("data_quality", "high") == (stale.kind, stale.severity)
    assert last == var.as_of
    assert 4 == verification.outcomes["market.rates.days_late"].value


@pytest.mark.parametrize("missing", ["positions", "rates", "positions_previous", "limits"])
def test_missing_rows_are_absences(section: Section, missing: str) -> None:
    """Whatever query comes back empty, the section stands and says what it does not have."""

    def edit(alias: str, table: Table) -> Table:
        return kept(table, lambda _: False) if alias == missing else table

    analysis, verification = checked(section("market", edit))
    measured = verification.outcomes["market.var_99_1d.total"].value is not None

    assert measured == (missing in {"positions_previous", "limits"})
    assert (finding(analysis, "not_measured") is None) == measured
    assert (missing in {"positions_previous", "positions", "rates"}) == (
        "market.var_99_1d.total.change" not in verification.outcomes
    )


def test_one_day_of_rates_is_too_little(section: Section) -> None:
    """A single day of rates gives no return, so that market risk is not measured, and it is said."""

    def edit(alias: str, table: Table) -> Table:
        return kept(table, lambda row: row["rate_date"] == AS_OF) if alias == "rates" else table

    analysis, _ = checked(section("market", edit))

    assert finding(analysis, "not_measured") is not None
    assert () == analysis.charts


def test_short_history_has_var_but_no_backtest(section: Section) -> None:
    """Rates for VaR but not for the year of backtest: VaR stands, the backtest is not available."""
    start = days_of(section("market"))[-400]

    def edit(alias: str, table: Table) -> Table:
        return kept(table, lambda row: row["rate_date"] >= start) if alias == "rates" else table

    analysis, verification = checked(section("market", edit))
    var = next(claim for claim in analysis.claims if claim.id == "market.var_99_1d.total")

    assert "399 days" == var.parameters["window"]
    assert finding(analysis, "backtest.missing") is not None
    assert "market.backtest.exceptions" not in verification.outcomes


def test_many_exceptions_are_a_red_zone_with_an_action(section: Section) -> None:
    """Twelve crashes in the tested year, and calm before: the zone is red and the owner is asked."""
    crashes = set(days_of(section("market"))[-240::20])

    analysis, verification = checked(
        section("market", with_rates(lambda day, rate: rate * (1.2 if day in crashes else 1)))
    )
    zone = finding(analysis, "backtest.zone")

    assert zone is not None
    assert "high" == zone.severity
    assert "{market.backtest.vs_expected:above}" in zone.prose
    assert "{market.var_99_1d.total.owner}" in zone.action
    assert "red" == verification.outcomes["market.backtest.zone"].text
    assert any(table.id == "market.exceptions" for table in analysis.tables)


def test_jump_of_volatility_is_a_regime(section: Section) -> None:
    """Two weeks of wild days at the end raise the volatility ratio, and a finding says so."""
    wild = set(days_of(section("market"))[-10::2])

    analysis, verification = checked(
        section("market", with_rates(lambda day, rate: rate * (1.05 if day in wild else 1)))
    )
    regime = finding(analysis, "volatility.regime")

    assert regime is not None
    assert (verification.outcomes["market.volatility_ratio"].value or 0) > 1
    assert "{market.volatility_ratio.vs_regime:above}" in regime.prose


def test_first_report_has_no_earlier_date(section: Section) -> None:
    """Without a previous quarter-end there is nothing to compare with, and no column for it."""
    context = section("market")
    context.previous = None
    del context.exhibits["positions_previous"]  # type: ignore[attr-defined]

    analysis, verification = checked(context)
    heads = {column.label for table in analysis.tables for column in table.columns}

    assert verification.outcomes["market.var_99_1d.total"].value is not None
    assert not {"Previous", "Change"} & heads
    assert finding(analysis, "trend.var") is None


def test_desk_without_movement_has_no_status(section: Section) -> None:
    """A desk that holds nothing foreign at all has no VaR: n/a with a reason, and no light."""

    def edit(alias: str, table: Table) -> Table:
        if not alias.startswith("positions"):
            return table
        names = [column.name for column in table.columns]
        rows = [
            [
                0 if name == "net_exposure" and row["desk"] == "Treasury" else row[name]
                for name in names
            ]
            for row in table.rows()
        ]
        return Table.from_rows(table.columns, rows, key=table.key)

    analysis, verification = checked(section("market", edit))
    [light] = [row for row in analysis.indicators if row.value.endswith("desk.treasury")]

    assert "none" == light.status
    assert "n/a" == verification.outcomes[light.value].display
    assert verification.outcomes[light.value].reason
