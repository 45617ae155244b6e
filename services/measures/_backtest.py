"""Backtests: whether losses exceeded the VaR as often, and as independently, as its level promises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._checks import (
    Floats,
    MeasureError,
    Numbers,
    constant_rows,
    count,
    count_of,
    hit_series,
    open_share,
    series,
    varying,
)
from ._market import loss_quantile

Zone: TypeAlias = Literal["green", "yellow", "red"]


@dataclass(frozen=True, slots=True)
class KupiecTest:
    """A likelihood ratio, at least 0, and its p-value: small when the number of exceptions is wrong."""

    statistic: float
    p_value: float


@dataclass(frozen=True, slots=True)
class ChristoffersenTest:
    """Likelihood ratios and p-values of independence alone, and of number and independence together."""

    independence_statistic: float
    independence_p_value: float
    conditional_statistic: float
    conditional_p_value: float


@dataclass(frozen=True, slots=True)
class TrafficLight:
    zone: Zone


def rolling_var(returns: Numbers, window: int, confidence: float) -> Floats:
    """
    The historical VaR of each day, from the *window* returns before it, as known on the eve.

    n returns give n - window values, in step with `returns[window:]`; each is `historical_var` of
    its window. Raises MeasureError as that does, on any constant window, and unless window < n.
    """
    sample = varying(returns)
    width = count(window, "window", least=2)
    if width >= sample.size:
        raise MeasureError(f"returns must hold more than the window of {width}, got {sample.size}.")
    level = open_share(confidence, "confidence")
    windows = np.lib.stride_tricks.sliding_window_view(sample, width)[:-1]
    if np.any(constant_rows(windows)):
        raise MeasureError("returns must vary within every window.")
    return loss_quantile(-windows, level)


def var_exceptions(returns: Numbers, var: Numbers) -> NDArray[np.bool_]:
    """
    Whether each day's loss exceeded its VaR, strictly: r_t < -VaR_t. One mark per day.

    Raises MeasureError on empty rows, gaps, or rows of unlike length.
    """
    realised, limit = series(returns, "returns"), series(var, "var")
    if realised.size != limit.size:
        raise MeasureError(
            f"returns ({realised.size}) and var ({limit.size}) must be of equal length."
        )
    return np.asarray(realised < -limit)


def kupiec_pof(exceptions: int, observations: int, confidence: float) -> KupiecTest:
    """
    -2 ln [ (1-p)^(T-x) p^x / ((1-x/T)^(T-x) (x/T)^x) ], chi-squared with 1 degree; p = 1 - confidence.

    Kupiec (1995), "Techniques for verifying the accuracy of risk measurement models", proportion of failures.
    x = 0 and x = T take 0 ln 0 = 0. Raises MeasureError unless x and T are whole, T >= 1 and
    0 <= x <= T, or on a level outside (0, 1).
    """
    hits, days = count_of(exceptions, observations, ("exceptions", "observations"))
    level = open_share(confidence, "confidence")
    promised = hits * math.log1p(-level) + (days - hits) * math.log(level)
    statistic = _ratio(_best_fit(hits, days - hits), promised)
    return KupiecTest(statistic, _p_value_1(statistic))


def christoffersen(hits: Numbers, confidence: float) -> ChristoffersenTest:
    """
    Independence: -2 ln [ L(pi) / L(pi01, pi11) ] over the n-1 transitions, chi-squared with 1 degree.
    Conditional coverage: `kupiec_pof` over all n days plus independence, chi-squared with 2 degrees.

    Christoffersen (1998), "Evaluating Interval Forecasts". *hits* are the days in order, 1 or True
    for an exception. 0 ln 0 = 0, so no hits, only hits and no two in a row are all defined.
    Raises MeasureError on fewer than two days, marks other than 0 and 1, or a level outside (0, 1).
    """
    marks = hit_series(hits)
    before, after = marks[:-1], marks[1:]
    n11, n10 = int(np.sum(before & after)), int(np.sum(before & ~after))
    n01, n00 = int(np.sum(~before & after)), int(np.sum(~before & ~after))
    chained = _best_fit(n01, n00) + _best_fit(n11, n10)
    independence = _ratio(chained, _best_fit(n01 + n11, n00 + n10))
    conditional = kupiec_pof(int(np.sum(marks)), marks.size, confidence).statistic + independence
    # The upper tail of chi-squared with 2 degrees of freedom is an exponential.
    return ChristoffersenTest(
        independence, _p_value_1(independence), conditional, math.exp(-conditional / 2)
    )


def traffic_light(exceptions: int, observations: int) -> TrafficLight:
    """
    The Basel zone of a VaR at 99 %: over 250 days green 0-4, yellow 5-9, red from 10 exceptions.

    Basel Committee, "Supervisory framework for the use of backtesting" (1996), MAR32. Other counts follow
    its rule, which gives the same zones for 250: with P the binomial(n, 1 %) probability of that many
    exceptions or fewer, green below 95 %, yellow below 99.99 %, else red. Raises MeasureError unless
    both are whole and 0 <= exceptions <= observations, and below 6 days, where even no exception is not green.
    """
    hits, days = count_of(exceptions, observations, ("exceptions", "observations"))
    if days < 6:
        raise MeasureError(f"observations must be at least 6 to tell a zone, got {days}.")
    if days == 250:
        return TrafficLight(_zone(hits, 5, 10))
    from scipy.special import bdtr  # slow to import, and 250 days do without

    return TrafficLight(_zone(float(bdtr(hits, days, 0.01)), 0.95, 0.9999))


def _zone(value: float, yellow: float, red: float) -> Zone:
    if value < yellow:
        return "green"
    return "yellow" if value < red else "red"


def _best_fit(hits: int, misses: int) -> float:
    """The log-likelihood of so many hits and misses under their own frequency, with 0 ln 0 = 0."""
    total = hits + misses
    return sum(n * math.log(n / total) for n in (hits, misses) if n)


def _ratio(free: float, restricted: float) -> float:
    """The likelihood ratio statistic; rounding must not take it below 0."""
    return max(0.0, 2 * (free - restricted))


def _p_value_1(statistic: float) -> float:
    """The upper tail of chi-squared with 1 degree of freedom: that of a squared standard normal."""
    return math.erfc(math.sqrt(statistic / 2))
