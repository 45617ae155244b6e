"""Backtests against published values, scipy, and formulas written out at length."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import xlogy

from services.measures import (
    ChristoffersenTest,
    christoffersen,
    historical_var,
    kupiec_pof,
    rolling_var,
    traffic_light,
    var_exceptions,
)

RETURNS = np.random.default_rng(11).normal(0, 0.01, 400)


@pytest.mark.parametrize(("exceptions", "p_value"), [(0, 0.025), (6, 0.059), (7, 0.019)])
def test_kupiec_at_the_edges_of_its_acceptance_band(exceptions: int, p_value: float) -> None:
    """The p-values that bound five per cent over 250 days at 99 %."""
    assert pytest.approx(p_value, abs=5e-4) == kupiec_pof(exceptions, 250, 0.99).p_value


def test_kupiec_accepts_one_to_six_exceptions_a_year() -> None:
    """Neither no exception in 250 days nor seven agree with 99 %."""
    accepted = [x for x in range(251) if kupiec_pof(x, 250, 0.99).p_value >= 0.05]

    assert [1, 2, 3, 4, 5, 6] == accepted


@pytest.mark.parametrize("exceptions", [0, 1, 5, 250])
def test_kupiec_is_the_likelihood_ratio_of_two_binomials(exceptions: int) -> None:
    """scipy's binomial likelihoods and chi-squared tail give the same statistic and p-value."""
    free = stats.binom.logpmf(exceptions, 250, exceptions / 250)
    statistic = -2 * (stats.binom.logpmf(exceptions, 250, 0.01) - free)

    result = kupiec_pof(exceptions, 250, 0.99)

    assert pytest.approx(statistic, rel=1e-9) == result.statistic
    assert pytest.approx(stats.chi2.sf(statistic, 1), rel=1e-6) == result.p_value


def test_kupiec_is_zero_when_the_count_is_as_promised() -> None:
    """5 exceptions in 500 days at 99 % are what the level promises."""
    result = kupiec_pof(5, 500, 0.99)

    assert pytest.approx(0, abs=1e-9) == result.statistic
    assert pytest.approx(1, abs=1e-4) == result.p_value


def _independence(hits: list[int]) -> float:
    counts = np.zeros((2, 2))
    np.add.at(counts, (hits[:-1], hits[1:]), 1)
    (n00, n01), (n10, n11) = counts
    pi, pi0, pi1 = (
        (n01 + n11) / counts.sum(),
        n01 / max(n00 + n01, 1),
        n11 / max(n10 + n11, 1),
    )
    restricted = xlogy(n00 + n10, 1 - pi) + xlogy(n01 + n11, pi)
    free = xlogy(n00, 1 - pi0) + xlogy(n01, pi0) + xlogy(n10, 1 - pi1) + xlogy(n11, pi1)
    return -2 * float(restricted - free)


@pytest.mark.parametrize(
    "days",
    [[3, 90, 200], [3, 4, 5, 90], [0, 249], [0, 1], [248, 249], [249], list(range(0, 250, 2))],
    ids=["apart", "clustered", "ends", "first", "last", "final", "alternating"],
)
def test_christoffersen_is_the_formula_at_length(days: list[int]) -> None:
    """Independence uses the n-1 transitions, conditional coverage adds Kupiec over all n days."""
    hits = [int(day in days) for day in range(250)]
    independence = _independence(hits)
    conditional = kupiec_pof(len(days), 250, 0.99).statistic + independence

    result = christoffersen(hits, 0.99)

    assert pytest.approx(independence, abs=1e-9) == result.independence_statistic
    assert pytest.approx(stats.chi2.sf(independence, 1), rel=1e-6) == result.independence_p_value
    assert pytest.approx(conditional, abs=1e-9) == result.conditional_statistic
    assert pytest.approx(stats.chi2.sf(conditional, 2), rel=1e-6) == result.conditional_p_value


@pytest.mark.parametrize("mark", [0, 1])
def test_hits_that_never_change_say_nothing_about_independence(mark: int) -> None:
    """Without a hit, or with nothing else, independence is 0 with p-value 1 and Kupiec remains."""
    kupiec = kupiec_pof(250 * mark, 250, 0.99).statistic

    assert ChristoffersenTest(0.0, 1.0, kupiec, np.exp(-kupiec / 2)) == christoffersen(
        [mark] * 250, 0.99
    )


def test_clustering_is_rejected_where_the_count_is_not() -> None:
    """Four exceptions in a row pass Kupiec and fail independence."""
    hits = [False] * 100 + [True] * 4 + [False] * 146

    assert kupiec_pof(4, 250, 0.99).p_value > 0.05
    assert christoffersen(hits, 0.99).independence_p_value < 0.001


def test_basel_zones_of_250_days() -> None:
    """Green to 4, yellow to 9, red from 10."""
    zones = [traffic_light(x, 250).zone for x in range(12)]

    assert ["green"] * 5 + ["yellow"] * 5 + ["red"] * 2 == zones


@pytest.mark.parametrize(("exceptions", "probability"), [(4, 0.892), (5, 0.959), (9, 0.9997)])
def test_the_binomial_rule_explains_the_basel_zones(exceptions: int, probability: float) -> None:
    """The cumulative probabilities that Basel prints put 4 below 95 %, and 5 to 9 below 99.99 %."""
    assert pytest.approx(probability, abs=5e-4) == stats.binom.cdf(exceptions, 250, 0.01)


@pytest.mark.parametrize("observations", [6, 100, 249, 250, 251, 500, 1000])
def test_zones_of_any_count_follow_the_binomial_rule(observations: int) -> None:
    """Yellow starts where the cumulative probability reaches 95 %, red where it reaches 99.99 %."""
    counts = range(min(observations, 40) + 1)
    bounds = np.searchsorted([0.95, 0.9999], stats.binom.cdf(counts, observations, 0.01), "right")

    expected = [("green", "yellow", "red")[bound] for bound in bounds]

    assert expected == [traffic_light(x, observations).zone for x in counts]


def test_a_rolling_var_knows_only_the_days_before() -> None:
    """Entry i is the VaR of the window that ends on the eve of day window + i."""
    rolled = rolling_var(RETURNS, 250, 0.99)

    assert 150 == rolled.size
    assert historical_var(RETURNS[:250], 0.99) == rolled[0]
    assert historical_var(RETURNS[149:399], 0.99) == rolled[-1]


def test_an_exception_is_strict() -> None:
    """A loss equal to the VaR is no exception."""
    hits = var_exceptions([-0.02, -0.021, 0.05], [0.02, 0.02, 0.02])

    assert [False, True, False] == hits.tolist()


def test_results_are_frozen_and_plain() -> None:
    """Backtest results are values of plain floats that nobody can change."""
    result = kupiec_pof(np.int64(3), np.int64(250), np.float64(0.99))

    assert (float, float) == (type(result.statistic), type(result.p_value))
    assert float is type(christoffersen(np.array([0, 1, 0]), 0.99).conditional_p_value)
    with pytest.raises(AttributeError):
        result.statistic = 0.0
    with pytest.raises(AttributeError):
        traffic_light(4, 250).zone = "red"
