"""What a measure cannot be computed from raises one clear error, never a number or a warning."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

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
    rolling_var,
    traffic_light,
    var_exceptions,
    wilson_interval,
)

SAMPLE = [0.01, -0.02, 0.03, -0.01]

OF_RETURNS = {
    "historical_var": lambda r: historical_var(r, 0.99),
    "expected_shortfall": lambda r: expected_shortfall(r, 0.99),
    "parametric_var": lambda r: parametric_var(r, 0.99, zero_mean=True),
    "ewma_volatility": lambda r: ewma_volatility(r, 0.94),
    "rolling_var": lambda r: rolling_var(r, 2, 0.99),
}
OF_ANY_ROW = OF_RETURNS | {
    "max_drawdown": max_drawdown,
    "herfindahl": herfindahl,
    "christoffersen": lambda r: christoffersen(r, 0.99),
    "var_exceptions": lambda r: var_exceptions(r, r),
    "component_var": lambda r: component_var(r, [[1]], 0.99),
    "ecl_ead": lambda r: expected_credit_loss(r, [0.1], [0.1], stage=[1], years=[1]),
    "ecl_pd": lambda r: expected_credit_loss([1], r, [0.1], stage=[1], years=[1]),
    "ecl_lgd": lambda r: expected_credit_loss([1], [0.1], r, stage=[1], years=[1]),
    "ecl_stage": lambda r: expected_credit_loss([1], [0.1], [0.1], stage=r, years=[1]),
    "ecl_years": lambda r: expected_credit_loss([1], [0.1], [0.1], stage=[1], years=r),
}
NO_ROWS = {
    "empty": [],
    "nan": [0.0, np.nan, 1.0],
    "infinite": [0.0, np.inf, 1.0],
    "minus infinite": [0.0, -np.inf, 1.0],
    "decimal nan": [Decimal(0), Decimal("NaN")],
    "absurd": [0.0, 1e200, 1.0],
    "overflowing": [0, 10**400],
    "none": [0.0, None, 1.0],
    "masked": np.ma.masked_array([0.0, 1.0, 0.0], [False, False, True]),
    "pandas gap": pd.Series([0.0, None, 1.0], dtype="Float64"),
    "text": ["0", "1"],
    "text in objects": np.array([0, "1"], "O"),
    "dates": np.array(["2026-01-01", "2026-01-02"], "datetime64[D]"),
    "complex": [1j, 0],
    "nested": [[0.0, 1.0], [1.0, 0.0]],
    "ragged": [[0.0], [1.0, 0.0]],
    "a word": "1",
    "nothing": None,
    "a generator": (x for x in [0, 1, 0]),
}


@pytest.mark.parametrize("measure", OF_ANY_ROW.values(), ids=OF_ANY_ROW.keys())
@pytest.mark.parametrize("row", NO_ROWS.values(), ids=NO_ROWS.keys())
def test_what_is_no_row_of_finite_numbers_is_refused(measure: Callable, row) -> None:
    """Gaps, infinities, text, dates and wrong shapes raise, whichever the measure."""
    with pytest.raises(MeasureError):
        measure(row)


@pytest.mark.parametrize("measure", OF_RETURNS.values(), ids=OF_RETURNS.keys())
@pytest.mark.parametrize(
    "row", [[0.01], [0.0] * 9, [0.01] * 9, [0.01 + k * 1e-16 for k in range(9)], [-1e-300] * 3]
)
def test_too_short_or_constant_returns_are_refused(measure: Callable, row: list[float]) -> None:
    """One return, or returns that are equal up to rounding, have no risk to measure."""
    with pytest.raises(MeasureError):
        measure(row)


OF_LEVEL = {
    "historical_var": lambda c: historical_var(SAMPLE, c),
    "expected_shortfall": lambda c: expected_shortfall(SAMPLE, c),
    "parametric_var": lambda c: parametric_var(SAMPLE, c, zero_mean=False),
    "ewma_volatility": lambda c: ewma_volatility(SAMPLE, c),
    "rolling_var": lambda c: rolling_var(SAMPLE, 2, c),
    "component_var": lambda c: component_var([1], [[1]], c),
    "kupiec_pof": lambda c: kupiec_pof(1, 250, c),
    "christoffersen": lambda c: christoffersen([0, 1, 0], c),
    "wilson_interval": lambda c: wilson_interval(1, 10, c),
}


@pytest.mark.parametrize("measure", OF_LEVEL.values(), ids=OF_LEVEL.keys())
@pytest.mark.parametrize(
    "level", [0, 1, -0.1, 1.1, 99, np.nan, np.inf, True, None, "0.99", [0.99], Decimal("sNaN")]
)
def test_a_level_lies_strictly_between_0_and_1(measure: Callable, level) -> None:
    """95 is no confidence, and neither are 0, 1, text or a gap."""
    with pytest.raises(MeasureError):
        measure(level)


@pytest.mark.parametrize("measure", OF_LEVEL.values(), ids=OF_LEVEL.keys())
@pytest.mark.parametrize("level", [1e-300, 0.5, 1 - 1e-16])
def test_any_level_in_between_is_computed(measure: Callable, level: float) -> None:
    """Extreme levels give numbers, without warnings."""
    measure(level)


@pytest.mark.parametrize(
    "measure",
    [traffic_light, lambda x, n: kupiec_pof(x, n, 0.99), lambda x, n: wilson_interval(x, n, 0.95)],
    ids=["traffic_light", "kupiec_pof", "wilson_interval"],
)
@pytest.mark.parametrize(
    ("some", "trials"),
    [
        (-1, 250), (251, 250), (1.5, 250), (1, 250.5), (0, 0), (0, -1), (np.nan, 250),
        ("1", 250), (None, 250), (True, 250), (1, 10**400), (0, 2**60),
    ],
)  # fmt: skip
def test_counts_are_whole_and_within_their_trials(measure: Callable, some, trials) -> None:
    """Exceptions are whole, not negative and no more than the observations, of which there is one."""
    with pytest.raises(MeasureError):
        measure(some, trials)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: traffic_light(0, 5), "at least 6"),
        (lambda: christoffersen([1], 0.99), "at least 2"),
        (lambda: christoffersen([0, 2, 1], 0.99), "0 and 1"),
        (lambda: christoffersen([0, 0.5, 1], 0.99), "0 and 1"),
        (lambda: herfindahl([1, -1, 3]), "negative"),
        (lambda: herfindahl([0, 0]), "all be 0"),
        (lambda: max_drawdown([0.1, -1.01]), "below -1"),
        (lambda: max_drawdown([1e99] * 9), "more than a number can hold"),
        (lambda: rolling_var(SAMPLE, 4, 0.99), "more than the window"),
        (lambda: rolling_var(SAMPLE, 1, 0.99), "window"),
        (lambda: rolling_var([0.01, 0.01, 0.01, 0.02], 2, 0.99), "every window"),
        (lambda: var_exceptions([0.1, 0.2], [0.1]), "equal length"),
        (lambda: component_var([1, 2], [[1]], 0.99), "2 by 2"),
        (lambda: component_var([1, 2], [1, 2], 0.99), "2 by 2"),
        (lambda: component_var([1, 2], 1, 0.99), "2 by 2"),
        (lambda: component_var([1, 2], [[1, 0.5], [0.4, 1]], 0.99), "symmetric"),
        (lambda: component_var([1, 2], [[1, 2], [2, 1]], 0.99), "semi-definite"),
        (lambda: component_var([1, 2], [[1, np.nan], [np.nan, 1]], 0.99), "finite"),
        (lambda: component_var([1, -1], [[1, 1], [1, 1]], 0.99), "some variance"),
        (lambda: component_var([0, 0], [[1, 0], [0, 1]], 0.99), "some variance"),
    ],
)
def test_each_refusal_says_why(call: Callable, reason: str) -> None:
    """The message names what is wrong."""
    with pytest.raises(MeasureError, match=reason):
        call()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"ead": [-1, 1]}, "ead must not be negative"),
        ({"pd": [1.1, 0]}, "pd must lie from 0 to 1"),
        ({"pd": [-0.1, 0]}, "pd must lie from 0 to 1"),
        ({"lgd": [0, 2]}, "lgd must lie from 0 to 1"),
        ({"stage": [0, 1]}, "stage must lie from 1 to 3"),
        ({"stage": [1, 4]}, "stage must lie from 1 to 3"),
        ({"stage": [1.5, 1]}, "stage must be 1, 2 or 3"),
        ({"years": [-1, 1]}, "years must not be negative"),
        ({"pd": [0.1, 0.1, 0.1]}, "equal length"),
        ({"ead": 10**400}, "sequence of numbers"),
    ],
)
def test_credit_losses_name_the_input_that_is_wrong(wrong: dict, reason: str) -> None:
    """Each input of the expected credit loss has its own limits."""
    loans = {"ead": [1, 1], "pd": [0.1, 0.1], "lgd": [1, 1], "stage": [1, 2], "years": [1, 1]}

    with pytest.raises(MeasureError, match=reason):
        expected_credit_loss(**(loans | wrong))


def test_a_refusal_is_a_value_error() -> None:
    """Callers outside the product may catch ValueError."""
    assert issubclass(MeasureError, ValueError)
