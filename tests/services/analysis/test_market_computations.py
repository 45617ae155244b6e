"""Market computations against independent recomputations: SQL in DuckDB, numpy, and counting by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import NormalDist
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import services
from services.analysis.computations.market import (
    fx_backtest,
    fx_backtest_tests,
    fx_calendar,
    fx_components,
    fx_currencies,
    fx_desks,
    fx_limit_use,
    fx_pnl,
    fx_risk,
)
from services.evidence import Column, Table

ECB = Path(services.__file__).parent / "warehouse" / "sample" / "fx_rates.parquet"
AS_OF = date(2026, 9, 30)
BOOK = {
    ("Spot", "USD"): 120e6,
    ("Spot", "JPY"): -45e6,
    ("Spot", "EUR"): 900e6,
    ("Emerging", "TRY"): 12e6,
    ("Emerging", "USD"): -20e6,
    ("Flow", "GBP"): 33e6,
}
RISK = {
    "var_confidence": 0.99,
    "es_confidence": 0.975,
    "decay": 0.94,
    "short_window": 250,
    "long_horizon": 10,
    "regime": 1.5,
    "minimum": 250,
}


def positions(book: Mapping[tuple[str, str], float]) -> Table:
    columns = [
        Column(name="desk", type="string"),
        Column(name="ccy", type="string"),
        Column(name="net_exposure", type="decimal", unit="EUR"),
    ]
    rows = [[desk, ccy, Decimal(str(amount))] for (desk, ccy), amount in book.items()]
    return Table.from_rows(columns, rows, key=("desk", "ccy"))


def rates(quotes: Sequence[tuple[date, str, float]]) -> Table:
    columns = [
        Column(name="rate_date", type="date"),
        Column(name="ccy", type="string"),
        Column(name="fx_rate", type="double"),
    ]
    return Table.from_rows(columns, quotes, key=("rate_date", "ccy"))


@pytest.fixture(scope="module")
def ecb() -> Table:
    """European Central Bank rates of more than three years before the as-of date."""
    rows = duckdb.execute(
        "select cast(date as date), ccy, rate_per_eur from read_parquet(?)"
        " where date between date '2023-06-01' and date '2026-10-30' order by 1, 2",
        [str(ECB)],
    ).fetchall()
    return rates(rows)


def pnl_of(ecb: Table, days: int, *, by: str = "desk", book: Any = BOOK) -> Table:
    parameters = {"as_of": AS_OF.isoformat(), "days": days, "by": by, "home": "EUR"}
    return fx_pnl({"positions": positions(book), "rates": ecb}, parameters)


def series(values: Sequence[float]) -> Table:
    """A P&L of one desk, on consecutive days up to the as-of date."""
    days = [AS_OF - timedelta(days=len(values) - 1 - index) for index in range(len(values))]
    columns = [
        Column(name="rate_date", type="date"),
        Column(name="total", type="double", unit="EUR"),
        Column(name="Spot", type="double", unit="EUR"),
    ]
    return Table.from_rows(
        columns, [[day, v, v] for day, v in zip(days, values, strict=True)], key=("rate_date",)
    )


def test_hypothetical_pnl_equals_window_functions_in_sql(ecb: Table) -> None:
    """Each day's P&L is the sum of exposure times the day's change of the currency's euro value."""
    weights = {"USD": 100e6, "JPY": -45e6, "TRY": 12e6, "GBP": 33e6}
    case = " ".join(f"when '{ccy}' then {amount}" for ccy, amount in weights.items())
    expected = duckdb.execute(
        f"with r as (select cast(date as date) d, ccy, lag(rate_per_eur) over (partition by ccy"
        f" order by date) / rate_per_eur - 1 as r from read_parquet(?) where date <= ?"
        f" and ccy in {tuple(weights)}) select d, sum(r * (case ccy {case} end)) from r"
        " group by d order by d desc limit 500",
        [str(ECB), AS_OF],
    ).fetchall()[::-1]
    pnl = pnl_of(ecb, 500)

    assert [day for day, _ in expected] == list(pnl.values("rate_date"))
    assert [amount for _, amount in expected] == pytest.approx(list(pnl.values("total")), rel=1e-9)


def test_measures_equal_sql_recomputation(ecb: Table) -> None:
    """VaR is the linear quantile of SQL, shortfall the mean of the tail it cuts, deviation the sample's."""
    pnl = pnl_of(ecb, 500)
    risk = fx_risk({"pnl": pnl}, RISK)
    with duckdb.connect() as db:
        db.execute("create table pnl (x double)")
        db.executemany("insert into pnl values (?)", [[x] for x in pnl.values("Emerging")])
        var, es, deviation = db.execute(
            "select -quantile_cont(x, 0.01),"
            " (select -avg(x) from pnl where x <= (select quantile_cont(x, 0.025) from pnl)),"
            " stddev_samp(x) from pnl"
        ).fetchone() or (0, 0, 0)

    assert var == pytest.approx(risk.value("Emerging", "var"), rel=1e-9)
    assert es == pytest.approx(risk.value("Emerging", "es"), rel=1e-9)
    z = NormalDist().inv_cdf(0.99)
    assert z * deviation == pytest.approx(risk.value("Emerging", "parametric_var"), rel=1e-9)
    assert var * 10**0.5 == pytest.approx(risk.value("Emerging", "scaled_var"), rel=1e-9)


def test_worst_day_drawdown_and_shape_equal_numpy(ecb: Table) -> None:
    """Worst day, deepest fall, moments and volatility ratio follow their definitions."""
    pnl = pnl_of(ecb, 500)
    values = np.array(pnl.values("total"), dtype=float)
    row = next(row for row in fx_risk({"pnl": pnl}, RISK).rows() if row["scope"] == "total")
    path = [0.0, *np.cumsum(values).tolist()]
    fall = min(path[j] - path[i] for i in range(len(path)) for j in range(i, len(path)))
    ewma = values[0] ** 2
    for value in values[1:]:
        ewma = 0.94 * ewma + 0.06 * value**2

    assert min(values) == row["worst_pnl"]
    assert pnl.values("rate_date")[int(np.argmin(values))] == row["worst_date"]
    assert fall == pytest.approx(row["drawdown"], rel=1e-9)
    assert ewma**0.5 / np.std(values[-250:], ddof=1) == pytest.approx(
        row["volatility_ratio"], rel=1e-9
    )
    scaled = (values - values.mean()) / values.std()
    assert (scaled**3).mean() == pytest.approx(row["skewness"], rel=1e-8)
    assert (scaled**4).mean() - 3 == pytest.approx(row["excess_kurtosis"], rel=1e-8)


def test_limits_stand_beside_var_of_scopes_that_have_both(ecb: Table) -> None:
    """A desk without a limit is left out, the most VaR leads."""
    risk = fx_risk({"pnl": pnl_of(ecb, 500)}, RISK)
    limit = Column(name="limit_id", type="string"), Column(name="limit_red", type="double")
    limits = Table.from_rows(limit, [["var_flow", 5e5], ["var_spot", 2e6], ["other", 1.0]])
    scopes = {"Flow": "var_flow", "Spot": "var_spot", "Emerging": "var_emerging"}
    use = fx_limit_use({"risk": risk, "limits": limits}, {"limits": scopes})

    assert ("Spot|VaR", "Spot|Limit", "Flow|VaR", "Flow|Limit") == use.row_keys
    assert (risk.value("Spot", "var"), 2e6) == use.values("amount")[:2]


def test_diversification_is_the_gap_between_desks_and_total(ecb: Table) -> None:
    """The desks' stand-alone VaR less the benefit is the total's VaR."""
    risk = fx_risk({"pnl": pnl_of(ecb, 500)}, RISK)
    desks = [risk.value(desk, "var") for desk in ("Emerging", "Flow", "Spot")]

    assert sum(desks) == pytest.approx(risk.value("total", "standalone_sum"), rel=1e-10)
    assert risk.value("total", "standalone_sum") - risk.value("total", "diversification") == (
        pytest.approx(risk.value("total", "var"), rel=1e-9)
    )


@pytest.mark.parametrize("by", ["desk", "ccy"])
def test_components_add_up_to_parametric_var(ecb: Table, by: str) -> None:
    """Component VaR by desk and by currency sums to the parametric VaR of the total."""
    pnl = pnl_of(ecb, 500, by=by)
    components = fx_components({"pnl": pnl}, {"confidence": 0.99, "minimum": 250})
    total = fx_risk({"pnl": pnl}, RISK).value("total", "parametric_var")

    assert total == pytest.approx(sum(components.values("component_var")), rel=1e-9)


def test_currency_components_equal_exposures_against_covariance(ecb: Table) -> None:
    """A currency's component is z times w (Sigma w) over sigma, from the covariance of returns."""
    weights = {"GBP": 33e6, "JPY": -45e6, "TRY": 12e6, "USD": 100e6}
    unit_book = {("One", ccy): 1.0 for ccy in weights}
    returns = pnl_of(ecb, 500, by="ccy", book=unit_book)
    sigma = np.cov([np.array(returns.values(ccy), dtype=float) for ccy in weights], ddof=1)
    w = np.array(list(weights.values()))
    expected = NormalDist().inv_cdf(0.99) * w * (sigma @ w) / np.sqrt(w @ sigma @ w)
    components = fx_components(
        {"pnl": pnl_of(ecb, 500, by="ccy")}, {"confidence": 0.99, "minimum": 250}
    )

    assert list(weights) == list(components.values("part"))
    assert expected == pytest.approx(list(components.values("component_var")), rel=1e-6)


def test_backtest_counts_what_a_loop_counts(ecb: Table) -> None:
    """The exceptions are the days whose loss passes the quantile of the five hundred days before."""
    pnl = pnl_of(ecb, 750)
    values = list(pnl.values("total"))
    backtest = fx_backtest({"pnl": pnl}, {"window": 500, "days": 250, "confidence": 0.99})
    expected = [values[day] < np.quantile(values[day - 500 : day], 0.01) for day in range(500, 750)]
    tests = fx_backtest_tests(
        {"backtest": backtest}, {"confidence": 0.99, "significance": 0.05, "minimum": 250}
    )

    assert expected == list(backtest.values("exception"))
    assert sum(expected) == tests.value("total", "exceptions")
    assert 250 == tests.value("total", "observations")


def test_exception_is_a_loss_strictly_beyond_var() -> None:
    """By hand: after a calm window the planted losses, and only they, are exceptions."""
    calm = [1.0 if day % 2 else -1.0 for day in range(20)]
    backtest = fx_backtest(
        {"pnl": series([*calm, -1.0, -3.0, 2.0, -50.0])},
        {"window": 20, "days": 4, "confidence": 0.99},
    )

    assert [False, True, False, True] == list(backtest.values("exception"))
    assert 1.0 == backtest.values("var")[0]


def test_zone_and_verdicts_of_a_failing_model() -> None:
    """Twelve exceptions in a row in a year put the model in the red zone, and every test rejects it."""
    columns = [Column(name="rate_date", type="date"), Column(name="exception", type="boolean")]
    days = [AS_OF - timedelta(days=249 - day) for day in range(250)]
    backtest = Table.from_rows(columns, [[d, 100 <= i < 112] for i, d in enumerate(days)])
    tests = fx_backtest_tests(
        {"backtest": backtest}, {"confidence": 0.99, "significance": 0.05, "minimum": 250}
    )

    assert 12 == tests.value("total", "exceptions")
    assert "red" == tests.value("total", "zone")
    assert {"rejected"} == {
        tests.value("total", f"{test}_verdict")
        for test in ("kupiec", "independence", "conditional")
    }


def test_currency_without_rates_is_left_out_and_said(ecb: Table) -> None:
    """A currency that is not quoted moves nothing, and its row says that it is not covered."""
    book = BOOK | {("Emerging", "XAG"): 5e6, ("Emerging", "BGN"): 7e6}
    inputs = {"positions": positions(book), "rates": ecb}
    settings = {"as_of": AS_OF.isoformat(), "days": 500, "home": "EUR"}
    currencies = fx_currencies(inputs, settings)
    covered = dict(zip(currencies.values("ccy"), currencies.values("covered"), strict=True))

    assert {
        "BGN": False,
        "GBP": True,
        "JPY": True,
        "TRY": True,
        "USD": True,
        "XAG": False,
    } == covered
    assert pnl_of(ecb, 500).values("total") == pnl_of(ecb, 500, book=book).values("total")


def test_home_currency_carries_no_exposure(ecb: Table) -> None:
    """Euro positions are in no exposure; gross sums the sizes of each currency's net."""
    desks = fx_desks({"positions": positions(BOOK)}, {"as_of": AS_OF.isoformat(), "home": "EUR"})

    assert 75e6 == desks.value("Spot", "net")
    assert 165e6 == desks.value("Spot", "gross")
    assert 100e6 == desks.value("total", "net")
    assert 190e6 == desks.value("total", "gross")


@pytest.mark.parametrize(
    ("last", "as_of", "late"),
    [
        (date(2026, 9, 30), date(2026, 9, 30), 0),
        (date(2026, 9, 25), date(2026, 9, 27), 0),  # Friday's rates on a Sunday
        (date(2026, 9, 25), date(2026, 9, 28), 1),
        (date(2026, 9, 24), date(2026, 9, 28), 2),
    ],
)
def test_lateness_counts_business_days(last: date, as_of: date, late: int) -> None:
    """Rates are as late as business days have passed since the last of them; weekends do not count."""
    calendar = fx_calendar({"rates": rates([(last, "USD", 1.1)])}, {"as_of": as_of.isoformat()})

    assert last == calendar.value("rates", "last_date")
    assert late == calendar.value("rates", "business_days_late")


@pytest.mark.parametrize(
    ("book", "quotes"),
    [
        ({}, [(AS_OF, "USD", 1.1), (AS_OF - timedelta(days=1), "USD", 1.2)]),
        (BOOK, []),
        (BOOK, [(AS_OF, "USD", 1.1)]),
        (BOOK, [(AS_OF, "USD", 1.1), (AS_OF - timedelta(days=1), "USD", 1.2)]),
        ({("Spot", "EUR"): 1e6}, [(AS_OF, "USD", 1.1), (AS_OF - timedelta(days=1), "USD", 1.2)]),
    ],
    ids=["no positions", "no rates", "one rate", "one return", "euro only"],
)
def test_too_little_data_gives_empty_cells_not_errors(book: Any, quotes: Any) -> None:
    """What cannot be measured is empty: no row, or a row without measures."""
    inputs = {"positions": positions(book), "rates": rates(quotes)}
    common = {"as_of": AS_OF.isoformat(), "days": 500, "by": "desk", "home": "EUR"}
    pnl = fx_pnl(inputs, common)
    risk = fx_risk({"pnl": pnl}, RISK)
    backtest = fx_backtest({"pnl": pnl}, {"window": 500, "days": 250, "confidence": 0.99})
    tests = fx_backtest_tests(
        {"backtest": backtest}, {"confidence": 0.99, "significance": 0.05, "minimum": 250}
    )

    assert {None} == set(risk.values("var")) | set(risk.values("es"))
    assert 0 == len(fx_components({"pnl": pnl}, {"confidence": 0.99, "minimum": 250}))
    assert (0, 0) == (len(backtest), len(tests))
    assert len(fx_currencies(inputs, common)) == len({c for _, c in book if c != "EUR"})
    assert len(fx_calendar(inputs, common)) == min(len(quotes), 1)


def test_desk_that_never_moves_has_no_var(ecb: Table) -> None:
    """A desk whose positions net to nothing has empty measures; the others keep theirs."""
    book = BOOK | {("Flat", "USD"): 0.0}
    risk = fx_risk({"pnl": pnl_of(ecb, 500, book=book)}, RISK)

    assert risk.value("Flat", "var") is None
    assert risk.value("Spot", "var") is not None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e9), st.integers(250, 300))
def test_order_of_measures_holds(seed: int, size: float, days: int) -> None:
    """Shortfall is never below the VaR of its own level, and a drawdown never positive."""
    values = np.random.default_rng(seed).standard_t(3, days) * size
    risk = fx_risk({"pnl": series(values.tolist())}, RISK | {"es_confidence": 0.99})

    assert risk.value("total", "es") >= risk.value("total", "var")
    assert risk.value("total", "drawdown") <= 0
