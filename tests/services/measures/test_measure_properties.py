"""What holds of every measure on any input it accepts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.measures import (
    MeasureError,
    christoffersen,
    component_var,
    ewma_volatility,
    expected_credit_loss,
    expected_shortfall,
    herfindahl,
    historical_var,
    kupiec_pof,
    max_drawdown,
    parametric_var,
    traffic_light,
    wilson_interval,
)

LEVELS = st.floats(0.01, 0.999)
COUNTS = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
RETURNS = (
    st.lists(st.integers(-9999, 9999), min_size=2, max_size=60)
    .filter(lambda r: len(set(r)) > 1)
    .map(lambda r: [x / 10_000 for x in r])
)
quick = settings(max_examples=60, deadline=None)


@quick
@given(RETURNS, LEVELS)
def test_shortfall_is_at_least_the_var_and_at_most_the_worst_loss(returns, level) -> None:
    """VaR <= ES <= the worst loss."""
    var, shortfall = historical_var(returns, level), expected_shortfall(returns, level)

    assert var <= shortfall <= -min(returns) + 1e-15


@quick
@given(RETURNS, LEVELS, st.floats(0.001, 1000))
def test_risk_scales_with_the_position(returns, level, scale) -> None:
    """Twice the position is twice the VaR, the shortfall and the volatility."""
    scaled = [scale * r for r in returns]

    for measure in (historical_var, expected_shortfall, parametric_var):
        assert pytest.approx(scale * measure(returns, level), abs=1e-9) == measure(scaled, level)
    assert pytest.approx(scale * ewma_volatility(returns)) == ewma_volatility(scaled)


@quick
@given(RETURNS, LEVELS, st.floats(-1, 1))
def test_cash_lowers_the_var_by_its_amount(returns, level, cash) -> None:
    """A sure gain is subtracted from every VaR that keeps the mean."""
    moved = [r + cash for r in returns]

    for measure in (historical_var, parametric_var):
        assert pytest.approx(measure(returns, level) - cash, abs=1e-9) == measure(moved, level)


@quick
@given(RETURNS, LEVELS, LEVELS)
def test_var_rises_with_the_level(returns, one, other) -> None:
    """A higher confidence never lowers the VaR."""
    low, high = sorted((one, other))

    assert historical_var(returns, low) <= historical_var(returns, high) + 1e-15


@quick
@given(RETURNS, st.permutations(range(5)))
def test_the_order_of_days_does_not_matter_to_a_var(returns, order) -> None:
    """Historical VaR and shortfall depend on the returns, not on their order."""
    assume(len(returns) >= 5)
    shuffled = [returns[i] for i in order] + returns[5:]

    assert historical_var(returns, 0.95) == historical_var(shuffled, 0.95)


@quick
@given(st.lists(st.floats(-1, 2), min_size=1, max_size=60))
def test_drawdown_recomputes_from_its_indices(returns) -> None:
    """Depth is in [-1, 0], and is the fall from peak to trough of the wealth path."""
    fall = max_drawdown(returns)
    wealth = np.concatenate(([1.0], np.cumprod(1 + np.array(returns))))

    assert -1 <= fall.depth <= 0
    assert 0 <= fall.peak <= fall.trough <= len(returns)
    assert pytest.approx(fall.depth) == wealth[fall.trough] / wealth[fall.peak] - 1


@quick
@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=50), st.floats(1e-6, 1e6))
def test_herfindahl_lies_between_equal_and_single(exposures, scale) -> None:
    """HHI is in [1/n, 1] and does not depend on the currency unit."""
    assume(max(exposures) > 1e-6)
    index = herfindahl(exposures)

    assert 1 / len(exposures) - 1e-15 <= index <= 1 + 1e-15
    assert pytest.approx(index) == herfindahl([scale * e for e in exposures])


@quick
@given(
    arrays(float, st.tuples(st.integers(5, 9), st.just(4)), elements=st.floats(-1, 1)),
    arrays(float, 4, elements=st.floats(-10, 10)),
    LEVELS,
)
def test_components_add_up_to_the_total(sample, weights, level) -> None:
    """The components of any covariance of data sum to z * sigma of the portfolio."""
    covariance = np.cov(sample, rowvar=False)
    try:
        parts = component_var(weights, covariance, level)
    except MeasureError:
        assert pytest.approx(0, abs=1e-9) == float(weights @ covariance @ weights)
        return
    alone = component_var([1.0], [[float(weights @ covariance @ weights)]], level)

    assert pytest.approx(float(alone[0]), abs=1e-9) == float(parts.sum())


@quick
@given(COUNTS, st.floats(0.5, 0.999))
def test_wilson_contains_the_observed_rate(counts, confidence) -> None:
    """The interval lies in [0, 1], holds the rate, and mirrors when successes and failures swap."""
    successes, n = counts
    interval = wilson_interval(successes, n, confidence)
    mirror = wilson_interval(n - successes, n, confidence)

    assert 0 <= interval.low <= successes / n <= interval.high <= 1
    assert pytest.approx((1 - mirror.high, 1 - mirror.low), abs=1e-12) == (
        interval.low,
        interval.high,
    )


@quick
@given(COUNTS, LEVELS)
def test_kupiec_is_a_test(counts, level) -> None:
    """Any count gives a statistic of at least 0 and a p-value in [0, 1]."""
    result = kupiec_pof(*counts, level)

    assert result.statistic >= 0
    assert 0 <= result.p_value <= 1


@quick
@given(st.lists(st.booleans(), min_size=2, max_size=80), LEVELS)
def test_conditional_coverage_adds_kupiec_and_independence(hits, level) -> None:
    """The conditional statistic is the sum of its two parts, whatever the hits."""
    result = christoffersen(hits, level)
    kupiec = kupiec_pof(sum(hits), len(hits), level).statistic

    assert result.independence_statistic >= 0
    assert kupiec + result.independence_statistic == result.conditional_statistic
    assert 0 <= result.independence_p_value <= 1
    assert 0 <= result.conditional_p_value <= 1


@quick
@given(st.integers(6, 5000))
def test_zones_never_improve_with_more_exceptions(observations) -> None:
    """No exception is green, all exceptions are red, and in between the zone only worsens."""
    order = ["green", "yellow", "red"]
    zones = [order.index(traffic_light(x, observations).zone) for x in range(min(observations, 30))]

    assert 0 == zones[0]
    assert sorted(zones) == zones
    assert "red" == traffic_light(observations, observations).zone


LOANS = st.lists(
    st.tuples(
        st.floats(0, 1e9), st.floats(0, 1), st.floats(0, 1), st.integers(1, 3), st.floats(1, 40)
    ),
    min_size=1,
    max_size=30,
)


@quick
@given(LOANS)
def test_credit_losses_stay_within_the_exposure_and_grow_with_the_stage(loans) -> None:
    """0 <= stage 1 <= stage 2 <= stage 3 <= LGD * EAD over a life of at least a year."""
    ead, pd_, lgd, _, years = (np.array(column) for column in zip(*loans, strict=True))

    one, two, three = (expected_credit_loss(ead, pd_, lgd, stage=s, years=years) for s in (1, 2, 3))

    slack = 1e-12 * (1 + ead)
    assert np.all(one >= 0)
    assert np.all(one <= two + slack)
    assert np.all(two <= three + slack)
    assert np.all(three <= ead * lgd + slack)
