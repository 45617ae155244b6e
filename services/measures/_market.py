"""Market risk: what a portfolio may lose in a day, how much it moves, and which part moves it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ._checks import (
    Floats,
    MeasureError,
    Numbers,
    covariance_matrix,
    open_share,
    series,
    varying,
)


@dataclass(frozen=True, slots=True)
class Drawdown:
    """
    The deepest fall of a wealth path that starts at entry 0.

    `depth` is at most 0 (-0.25: a quarter lost); `peak` and `trough` are entries of the path, and
    entry i is the wealth after i returns. A path that never falls has depth 0 and peak = trough = 0.
    """

    depth: float
    peak: int
    trough: int


def historical_var(returns: Numbers, confidence: float) -> float:
    """
    Minus the (1 - confidence) quantile of the returns, between order statistics by linear interpolation.

    Quantile rule: type 7 of Hyndman and Fan (1996), "Sample Quantiles in Statistical Packages".
    A positive loss in the unit of the returns, over their horizon; negative where even the tail gains.
    Raises MeasureError on fewer than two returns, gaps, constant returns, or a level outside (0, 1).
    """
    return float(loss_quantile(-varying(returns), open_share(confidence, "confidence")))


def expected_shortfall(returns: Numbers, confidence: float) -> float:
    """
    Minus the mean of the returns at or below the quantile that `historical_var` takes.

    The tail mean of Acerbi and Tasche (2002), "On the coherence of expected shortfall", without
    their fractional weight on the boundary return. A positive loss, never below the VaR.
    Raises MeasureError as `historical_var` does.
    """
    losses = -varying(returns)
    var = float(loss_quantile(losses, open_share(confidence, "confidence")))
    # The mean of equal losses can round to just below them.
    return max(float(np.mean(losses[losses >= var])), var)


def parametric_var(returns: Numbers, confidence: float, *, zero_mean: bool = False) -> float:
    """
    The loss z * sigma - mu of normal returns, with z the *confidence* quantile of the standard normal.

    RiskMetrics Technical Document (1996). sigma is the sample standard deviation around the sample
    mean (n - 1) in both cases; `zero_mean` drops mu only. A positive loss in the unit of the returns.
    Raises MeasureError as `historical_var` does.
    """
    sample = varying(returns)
    z = NormalDist().inv_cdf(open_share(confidence, "confidence"))
    mean = 0.0 if zero_mean else float(np.mean(sample))
    return z * float(np.std(sample, ddof=1)) - mean


def ewma_volatility(returns: Numbers, decay: float = 0.94) -> float:
    """
    The volatility forecast for the day after the last return: the square root of the last s2 of

        s2_1 = r_1^2,    s2_t = decay * s2_(t-1) + (1 - decay) * r_t^2

    RiskMetrics Technical Document (1996), zero mean. Positive, per day, not annualised, in the
    unit of the returns. Raises MeasureError on fewer than two returns, gaps, constant returns, or a
    decay outside (0, 1).
    """
    squares = [r * r for r in varying(returns).tolist()]
    decay = open_share(decay, "decay")
    variance = squares[0]
    for square in squares[1:]:
        variance = decay * variance + (1 - decay) * square
    return math.sqrt(variance)


def max_drawdown(returns: Numbers) -> Drawdown:
    """
    The least W_t / max(W_0..W_t) - 1 of the wealth path W_0 = 1, W_t = W_(t-1) * (1 + r_t).

    Magdon-Ismail and Atiya (2004), "Maximum drawdown". Of equal falls the first is given, from the first of equal peaks.
    Raises MeasureError on an empty series, gaps, a return below -1 or a path too large for a float.
    """
    growth = 1 + series(returns, "returns")
    if np.any(growth < 0):
        raise MeasureError("returns must not be below -1: no more than everything can be lost.")
    with np.errstate(over="ignore", invalid="ignore"):
        wealth = np.concatenate(([1.0], np.cumprod(growth)))
    if not np.all(np.isfinite(wealth)):
        raise MeasureError("returns compound to more than a number can hold.")
    falls = wealth / np.maximum.accumulate(wealth) - 1
    trough = int(np.argmin(falls))
    return Drawdown(float(falls[trough]), int(np.argmax(wealth[: trough + 1])), trough)


def component_var(weights: Numbers, covariance: Numbers, confidence: float) -> Floats:
    """
    What each position adds to the zero-mean parametric VaR: z * w_i * (S w)_i / sqrt(w' S w).

    Jorion, "Value at Risk" (component VaR, an Euler allocation). n weights or amounts (shorts
    negative) and their n by n covariance give n losses, negative for a hedge, that add up to
    z * sqrt(w' S w) in the unit of the weights. Raises MeasureError on shapes that do not fit, gaps, a
    matrix that is no covariance, a portfolio without variance, or a level outside (0, 1).
    """
    amounts = series(weights, "weights")
    matrix = covariance_matrix(covariance, amounts.size)
    z = NormalDist().inv_cdf(open_share(confidence, "confidence"))
    parts = amounts * (matrix @ amounts)
    variance = float(np.sum(parts))
    gross = float(np.abs(amounts) @ np.abs(matrix) @ np.abs(amounts))
    if variance <= 1e-14 * gross:
        raise MeasureError("weights and covariance must make a portfolio with some variance.")
    return z * parts / math.sqrt(variance)


def loss_quantile(losses: Floats, confidence: float) -> Floats:
    """The linear quantile of the last axis, taken on losses so that round levels meet their order statistic."""
    ordered = np.sort(losses, axis=-1)
    position = confidence * (ordered.shape[-1] - 1)
    # 0.9 is not quite nine tenths: a position this close to a loss is that loss, else the tail would miss it.
    if abs(position - round(position)) < 1e-9:
        position = round(position)
    low = math.floor(position)
    lower, upper = ordered[..., low], ordered[..., math.ceil(position)]
    quantile: Floats = lower + (upper - lower) * (position - low)
    return quantile
