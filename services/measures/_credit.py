"""Credit risk: losses to expect, and how sure an observed rate is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from statistics import NormalDist

import numpy as np

from ._checks import (
    Floats,
    MeasureError,
    Numbers,
    count_of,
    not_negative,
    open_share,
    within,
)


@dataclass(frozen=True, slots=True)
class Interval:
    """The bounds of a rate, both in 0..1."""

    low: float
    high: float


def expected_credit_loss(
    ead: Numbers, pd: Numbers, lgd: Numbers, *, stage: Numbers, years: Numbers
) -> Floats:
    """
    EAD * LGD * PD of each loan, with the PD of its stage: 1 the PD of twelve months, 2 over the
    remaining life 1 - (1 - PD)^years, 3 certain default.

    A simplification of IFRS 9 5.5: undiscounted, a flat exposure, one scenario, a constant yearly PD.
    Rows of one length n, or single numbers for all loans, give n losses, positive, in the unit of `ead`;
    `pd` and `lgd` are decimals, `years` may be fractions and counts in stage 2 only. Raises MeasureError on
    empty rows, gaps, unlike lengths, negative `ead` or `years`, `pd` or `lgd` outside 0..1, or a stage
    other than 1, 2, 3.
    """
    exposure = not_negative(_row(ead), "ead")
    yearly, loss_rate = within(_row(pd), 0, 1, "pd"), within(_row(lgd), 0, 1, "lgd")
    stages, life = within(_row(stage), 1, 3, "stage"), not_negative(_row(years), "years")
    if np.any(stages != np.round(stages)):
        raise MeasureError("stage must be 1, 2 or 3.")
    sizes = {row.size for row in (exposure, yearly, loss_rate, stages, life)} - {1}
    if len(sizes) > 1:
        raise MeasureError("ead, pd, lgd, stage and years must be of equal length.")
    default = np.select([stages == 1, stages == 2], [yearly, 1 - (1 - yearly) ** life], 1.0)
    losses: Floats = exposure * default * loss_rate
    return losses


def _row(values: Numbers) -> Numbers:
    """A single number becomes a row of one, which fits every length."""
    return np.array([values]) if isinstance(values, Real | Decimal) else values


def wilson_interval(successes: int, n: int, confidence: float) -> Interval:
    """
    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), p = successes/n, two-sided.

    Wilson (1927), "Probable inference, the law of succession, and statistical inference". Here
    `confidence` is the coverage of the interval, so that 0.95 takes z = 1.96. Raises MeasureError unless
    both are whole, n >= 1 and 0 <= successes <= n, or on a level outside (0, 1).
    """
    hits, trials = count_of(successes, n, ("successes", "n"))
    z = -NormalDist().inv_cdf((1 - open_share(confidence, "confidence")) / 2)
    rate, spread = hits / trials, z * z / trials
    centre = rate + spread / 2
    reach = math.sqrt(spread * (rate * (1 - rate) + spread / 4))
    # At the ends the bound is exact, and rounding must not move it.
    low = 0.0 if hits == 0 else (centre - reach) / (1 + spread)
    high = 1.0 if hits == trials else (centre + reach) / (1 + spread)
    return Interval(low, high)
