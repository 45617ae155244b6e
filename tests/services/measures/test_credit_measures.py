"""Expected credit loss, intervals of rates, and concentration."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from services.measures import expected_credit_loss, herfindahl, wilson_interval


def test_expected_credit_loss_of_each_stage() -> None:
    """Stage 1 takes the yearly PD, stage 2 the lifetime PD, stage 3 certain default."""
    losses = expected_credit_loss(
        [1000, 1000, 1000], [0.02] * 3, [0.4] * 3, stage=[1, 2, 3], years=[5, 5, 5]
    )

    assert isinstance(losses, np.ndarray)
    assert pytest.approx([8.0, 400 * (1 - 0.98**5), 400.0]) == losses


def test_lifetime_loss_is_the_sum_of_marginal_losses() -> None:
    """Over whole years stage 2 equals survival times yearly PD, summed."""
    marginal = sum(0.97**year * 0.03 for year in range(7))

    assert pytest.approx([marginal]) == expected_credit_loss([1], [0.03], [1], stage=[2], years=[7])


def test_stage_two_over_one_year_is_stage_one() -> None:
    """With one year left both stages expect the same loss."""
    one, two = expected_credit_loss([9, 9], [0.1, 0.1], [0.5, 0.5], stage=[1, 2], years=[1, 1])

    assert pytest.approx(one) == two


@pytest.mark.parametrize(("pd_", "expected"), [(0.0, [0, 0, 50]), (1.0, [50, 50, 50])])
def test_a_pd_may_be_impossible_or_certain(pd_: float, expected: list[float]) -> None:
    """PD 0 loses nothing before default; PD 1 loses all that default loses."""
    losses = expected_credit_loss([100] * 3, [pd_] * 3, [0.5] * 3, stage=[1, 2, 3], years=[2.5] * 3)

    assert expected == losses.tolist()


def test_one_number_stands_for_every_loan() -> None:
    """A single LGD, stage or life fits rows of any length; decimals and series are numbers."""
    losses = expected_credit_loss(
        [Decimal(100), Decimal(200)], pd.Series([0.1, 0.2]), Decimal("0.5"), stage=1, years=3
    )

    assert pytest.approx([5.0, 20.0]) == losses


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (3, 10), (17, 1000), (1, 1)])
def test_wilson_is_what_scipy_computes(successes: int, n: int, confidence: float) -> None:
    """scipy's Wilson interval, without continuity correction, is the same."""
    expected = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")

    interval = wilson_interval(successes, n, confidence)

    assert pytest.approx((expected.low, expected.high), abs=1e-12) == (interval.low, interval.high)
    assert (float, float) == (type(interval.low), type(interval.high))


def test_wilson_of_a_textbook_case() -> None:
    """Newcombe (1998): 81 of 263 at 95 % gives 0.2553 to 0.3662."""
    interval = wilson_interval(81, 263, 0.95)

    assert (0.2553, 0.3662) == (round(interval.low, 4), round(interval.high, 4))


@pytest.mark.parametrize(
    ("exposures", "expected"),
    [([5], 1.0), ([3, 3, 3, 3], 0.25), ([0, 7, 0], 1.0), ([60, 30, 10], 0.46)],
)
def test_herfindahl_of_plain_books(exposures: list[float], expected: float) -> None:
    """Equal names give 1/n, one name gives 1, and a name without exposure changes nothing."""
    measured = herfindahl(exposures)

    assert pytest.approx(expected, rel=1e-15) == measured
    assert float is type(measured)
