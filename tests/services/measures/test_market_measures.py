"""Market measures against hand-made cases and second libraries: empyrical, QuantLib, pandas, DuckDB."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import empyrical
import numpy as np
import pandas as pd
import pytest
import QuantLib

from services.measures import (
    Drawdown,
    component_var,
    ewma_volatility,
    expected_shortfall,
    historical_var,
    max_drawdown,
    parametric_var,
)

RETURNS = np.random.default_rng(7).standard_t(4, size=507) * 0.01
ELEVEN = [-0.05, -0.04, -0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03, 0.04, 0.05]
LEVELS = [0.9, 0.95, 0.975, 0.99, 0.999]


def test_historical_var_interpolates_between_order_statistics() -> None:
    """At 95 % over 11 returns the quantile lies half-way between the worst two."""
    assert pytest.approx(0.045, rel=1e-15) == historical_var(ELEVEN, 0.95)


def test_var_is_negative_where_even_the_tail_gains() -> None:
    """A VaR is a positive loss; with nothing but gains it is a negative one."""
    assert pytest.approx(-0.0105) == historical_var([0.01, 0.02, 0.03], 0.975)


@pytest.mark.parametrize("level", LEVELS)
def test_historical_var_is_what_empyrical_and_duckdb_compute(level: float) -> None:
    """Two other implementations of the linear quantile give the same VaR."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE r (r DOUBLE)")
        connection.executemany("INSERT INTO r VALUES (?)", [[r] for r in RETURNS.tolist()])
        row = connection.execute(f"SELECT -quantile_cont(r, {1 - level}) FROM r").fetchone()

    assert row is not None
    assert pytest.approx(row[0], rel=1e-12) == historical_var(RETURNS, level)
    assert pytest.approx(-empyrical.value_at_risk(RETURNS, 1 - level)) == historical_var(
        RETURNS, level
    )


@pytest.mark.parametrize("level", LEVELS)
def test_expected_shortfall_is_what_empyrical_computes(level: float) -> None:
    """The tail mean agrees with empyrical's conditional VaR."""
    expected = -empyrical.conditional_value_at_risk(RETURNS, 1 - level)

    assert pytest.approx(expected, rel=1e-12) == expected_shortfall(RETURNS, level)


def test_the_boundary_return_belongs_to_the_tail() -> None:
    """At 90 % over 11 returns the quantile is the second worst, and the tail holds both."""
    assert 0.04 == historical_var(ELEVEN, 0.9)
    assert pytest.approx(0.045, rel=1e-15) == expected_shortfall(ELEVEN, 0.9)


def test_a_round_level_meets_its_order_statistic() -> None:
    """Binary fractions such as 1 - 0.9 never drop the boundary return out of the tail."""
    for n in range(11, 1001, 10):
        returns = [-k / 1000 for k in range(n)]
        tail = returns[-(n // 10 + 1) :]

        assert pytest.approx(-sum(tail) / len(tail)) == expected_shortfall(returns, 0.9)


def test_every_return_tied_with_the_quantile_counts() -> None:
    """All returns at or below the quantile are in the tail, however many are tied."""
    assert pytest.approx(0.14 / 4) == expected_shortfall(
        [-0.05, -0.03, -0.03, -0.03, 0.01, 0.02], 0.6
    )


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_parametric_var_is_what_quantlib_computes(level: float) -> None:
    """QuantLib's normal quantile at its own sample mean and deviation is the same loss."""
    statistics = QuantLib.RiskStatistics()
    for r in RETURNS.tolist():
        statistics.add(r)

    normal = QuantLib.InverseCumulativeNormal(statistics.mean(), statistics.standardDeviation())

    assert pytest.approx(-normal(1 - level), rel=1e-8) == parametric_var(
        RETURNS, level, zero_mean=False
    )


def test_zero_mean_drops_the_mean_and_keeps_the_deviation() -> None:
    """sigma stays around the sample mean with n - 1; only mu leaves the formula."""
    z, sigma = 2.3263478740408408, float(pd.Series(RETURNS).std())

    assert pytest.approx(z * sigma, rel=1e-14) == parametric_var(RETURNS, 0.99, zero_mean=True)
    assert pytest.approx(z * sigma - RETURNS.mean()) == parametric_var(
        RETURNS, 0.99, zero_mean=False
    )
    assert parametric_var(RETURNS, 0.99) == parametric_var(RETURNS, 0.99, zero_mean=False)


def test_ewma_starts_from_the_first_square_and_forecasts_the_next_day() -> None:
    """Two returns give sqrt(0.94 r1^2 + 0.06 r2^2)."""
    expected = (0.94 * 0.01**2 + 0.06 * 0.02**2) ** 0.5

    assert pytest.approx(expected, rel=1e-15) == ewma_volatility([0.01, -0.02], 0.94)


def test_ewma_is_what_pandas_computes() -> None:
    """The recursive exponential mean of pandas over squared returns gives the same variance."""
    variance = pd.Series(RETURNS**2).ewm(alpha=0.06, adjust=False).mean().iloc[-1]

    assert pytest.approx(variance**0.5, rel=1e-12) == ewma_volatility(RETURNS, 0.94)


def test_drawdown_indices_count_the_start_as_zero() -> None:
    """Up 10 %, down 20 %, down 10 %, up 50 %: from entry 1 to entry 3 of the path, 28 % lost."""
    fall = max_drawdown([0.1, -0.2, -0.1, 0.5])

    assert (1, 3) == (fall.peak, fall.trough)
    assert pytest.approx(-0.28) == fall.depth


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ([0.01, 0.02, 0.0], Drawdown(0.0, 0, 0)),
        ([0.01, 0.01], Drawdown(0.0, 0, 0)),
        ([-0.5, 0.1], Drawdown(-0.5, 0, 1)),
        ([1.0, -1.0, 0.5], Drawdown(-1.0, 1, 2)),
        ([-0.5, 1.0, -0.5, 1.0], Drawdown(-0.5, 0, 1)),
    ],
)
def test_drawdown_of_plain_paths(returns: list[float], expected: Drawdown) -> None:
    """A rise has none; a first fall starts at entry 0; everything can be lost; the first of equals is given."""
    assert expected == max_drawdown(returns)


def test_drawdown_is_what_empyrical_computes() -> None:
    """empyrical's maximum drawdown has the same depth and sign."""
    assert pytest.approx(empyrical.max_drawdown(RETURNS)) == max_drawdown(RETURNS).depth


def test_components_are_the_euler_allocation_of_the_total() -> None:
    """Each component is its weight times the total's slope in it, and they add up to the total."""
    weights = np.array([3.0, -1.0, 2.0])
    covariance = np.array([[4.0, 1.0, 0.5], [1.0, 9.0, -1.0], [0.5, -1.0, 1.0]]) * 1e-4

    def total(w: np.ndarray) -> float:
        return 2.3263478740408408 * float(w @ covariance @ w) ** 0.5

    slopes = [(total(weights + h) - total(weights - h)) / 2e-5 for h in np.eye(3) * 1e-5]
    parts = component_var(weights, covariance, 0.99)

    assert pytest.approx(weights * slopes, rel=1e-7) == parts
    assert pytest.approx(total(weights), rel=1e-14) == parts.sum()


def test_component_var_takes_frames_and_a_hedge_is_negative() -> None:
    """A pandas frame is a covariance too; what offsets the rest has a negative component."""
    frame = pd.DataFrame({"a": [1.0, 0.9], "b": [0.9, 1.0]})

    parts = component_var(pd.Series([2.0, -1.0]), frame, 0.99)

    assert isinstance(parts, np.ndarray)
    assert parts[0] > 0 > parts[1]


@pytest.mark.parametrize("shape", [list, tuple, np.array, pd.Series, lambda r: np.array(r, "O")])
def test_any_sequence_of_numbers_gives_the_same_plain_float(shape) -> None:
    """Lists, tuples, arrays, series and object arrays are one and the same, and floats come out."""
    measured = historical_var(shape(ELEVEN), 0.99)

    assert float is type(measured)
    assert historical_var(ELEVEN, 0.99) == measured


def test_decimals_are_numbers() -> None:
    """Decimals, as a warehouse gives them, need no conversion by the caller."""
    decimals = [Decimal(str(r)) for r in ELEVEN]

    assert historical_var(ELEVEN, 0.99) == historical_var(decimals, Decimal("0.99"))


def test_scalars_are_plain_python() -> None:
    """No numpy scalar leaks out of a measure."""
    fall = max_drawdown(RETURNS)
    results = [
        expected_shortfall(RETURNS, 0.975),
        parametric_var(RETURNS, 0.99),
        ewma_volatility(RETURNS),
        fall.depth,
        fall.peak,
        fall.trough,
    ]

    assert [float, float, float, float, int, int] == [type(r) for r in results]
