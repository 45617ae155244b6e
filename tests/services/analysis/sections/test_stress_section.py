"""The stress section on the sample warehouse, and on warehouses that lack something."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.analysis.computations import COMPUTATIONS
from services.analysis.context import SectionContext
from services.analysis.findings import FigureCell, SectionAnalysis
from services.analysis.sections import market
from services.analysis.sections.stress import CURRENCY_REPLAYS, CURVE_REPLAYS, analyse
from services.analysis.verify import Verification, verify
from services.evidence import Table

Section = Callable[..., SectionContext]


def checked(context: SectionContext) -> tuple[SectionAnalysis, Verification]:
    """The analysis and its verification, without which no other test means much."""
    analysis = analyse(context)
    exhibits = [*context.exhibits.values(), *context.computed]
    verification = verify(analysis, {e.evidence.id: e for e in exhibits}, COMPUTATIONS)
    assert () == verification.problems
    return analysis, verification


def without(alias: str, wanted: Callable[[dict[str, Any]], bool] = lambda _: False) -> Any:
    """An edit that keeps only some rows of one query."""

    def edit(name: str, table: Table) -> Table:
        if name != alias:
            return table
        columns = [column.name for column in table.columns]
        rows = [[row[c] for c in columns] for row in table.rows() if wanted(row)]
        return Table.from_rows(table.columns, rows, key=table.key)

    return edit


@pytest.fixture(scope="module")
def sample(section: Section) -> tuple[SectionAnalysis, Verification]:
    return checked(section("stress"))


def test_every_stress_figure_of_the_sample_is_verified(
    sample: tuple[SectionAnalysis, Verification],
) -> None:
    """On the sample warehouse no problem is left, and every scenario has a P&L."""
    analysis, verification = sample
    shown = {
        cell.claim
        for table in analysis.tables
        for row in table.rows
        for cell in row
        if isinstance(cell, FigureCell)
    }
    pnl = [o.value for name, o in verification.outcomes.items() if name.endswith(".pnl")]

    assert shown <= verification.outcomes.keys()
    assert len(CURRENCY_REPLAYS) + len(CURVE_REPLAYS) + 3 == len(pnl)
    assert None not in pnl


@pytest.mark.parametrize("scenario", CURRENCY_REPLAYS, ids=lambda s: s["scenario"])
def test_currency_replay_equals_sql(
    sample: tuple[SectionAnalysis, Verification], rows: Any, scenario: dict[str, str]
) -> None:
    """Each replay is the sum of exposure times the move between the two dates, as SQL has it."""
    [(pnl,)] = rows(
        "select sum(p.amount * (a.rate_per_eur / b.rate_per_eur - 1)) as pnl from"
        " (select ccy, sum(market_value_eur) as amount from syn_positions"
        "  where as_of = date '2026-09-30' and ccy <> 'EUR' group by ccy) p"
        f" join fx_rates a on a.ccy = p.ccy and a.rate_date = date '{scenario['start']}'"
        f" join fx_rates b on b.ccy = p.ccy and b.rate_date = date '{scenario['end']}'"
    )
    assert float(pnl) == pytest.approx(_pnl(sample, scenario["scenario"]), rel=1e-9)


@pytest.mark.parametrize("scenario", CURVE_REPLAYS, ids=lambda s: s["scenario"])
def test_curve_replay_equals_sql(
    sample: tuple[SectionAnalysis, Verification], rows: Any, scenario: dict[str, str]
) -> None:
    """Each replay is minus sensitivity times shift, in euro at the rate of the as-of date."""
    [(pnl,)] = rows(
        "select -sum(s.dv01_usd * (b.par_yield - a.par_yield) * 10000)"
        " / max((select rate_per_eur from fx_rates where ccy = 'USD' and rate_date = date '2026-09-30')) as pnl"
        " from syn_rate_sensitivities s"
        f" join treasury_curve a on a.tenor = s.tenor and a.curve_date = date '{scenario['start']}'"
        f" join treasury_curve b on b.tenor = s.tenor and b.curve_date = date '{scenario['end']}'"
        " where s.as_of = date '2026-09-30'"
    )
    assert float(pnl) == pytest.approx(_pnl(sample, scenario["scenario"]), rel=1e-9)


def _pnl(sample: tuple[SectionAnalysis, Verification], scenario: str) -> float:
    """The P&L that the section shows for the scenario of this name."""
    outcomes = sample[1].outcomes
    [name] = [name for name, o in outcomes.items() if o.text == scenario]
    return float(outcomes[f"{name}.pnl"].value or 0)


def test_template_asks_for_the_dates_that_are_replayed() -> None:
    """The dates of the queries are those of the scenarios, neither fewer nor more."""
    path = resources.files("services.analysis") / "templates" / "quarterly" / "stress.yaml"
    queries = yaml.safe_load(Path(str(path)).read_text())["queries"]

    for alias, scenarios in (("replay_rates", CURRENCY_REPLAYS), ("replay_curve", CURVE_REPLAYS)):
        asked = queries[alias]["filters"][0]["values"]
        assert sorted(map(str, asked)) == sorted(
            s[end] for s in scenarios for end in ("start", "end")
        )


def test_both_sections_rest_on_one_var(section: Section) -> None:
    """The VaR that losses are set against is the same evidence as the market section's."""
    stress, risk = section("stress"), section("market")
    cells = [
        next(claim.cell for claim in analysis.claims if claim.id.endswith(".var_99_1d.total"))
        for analysis in (analyse(stress), market.analyse(risk))
    ]

    assert cells[0] == cells[1]


def test_currency_unknown_at_the_time_is_left_out_and_said(
    sample: tuple[SectionAnalysis, Verification],
) -> None:
    """The rupee was not quoted in the window of the Lehman failure: a gap says so."""
    analysis, verification = sample

    assert "INR" == verification.outcomes["stress.scenario.lehman_failure.left_out"].text
    assert any("stress.scenario.lehman_failure.left_out" in gap for gap in analysis.gaps)


@pytest.mark.parametrize(
    "missing",
    [
        "positions",
        "rates",
        "replay_rates",
        "sensitivities",
        "replay_curve",
        "capital",
        "limits",
        "last_curve",
    ],
)
def test_missing_rows_leave_the_section_standing(section: Section, missing: str) -> None:
    """Whatever query comes back empty, what rests on it is absent and the rest is verified."""
    _, verification = checked(section("stress", without(missing)))
    absent = {name for name, outcome in verification.outcomes.items() if outcome.display == "n/a"}

    assert (missing in {"capital", "limits", "last_curve"}) == (not absent)


def test_scenario_mostly_without_data_is_a_finding(section: Section) -> None:
    """When a replay covers little of the exposure, that is a finding and not a footnote."""
    edit = without("replay_rates", lambda row: row["ccy"] == "USD")
    analysis, _ = checked(section("stress", edit))

    assert {"stress.coverage.lehman_failure", "stress.coverage.brexit_referendum"} <= {
        finding.id for finding in analysis.findings if finding.kind == "not_available"
    }
