"""Concentration: how much of a book rests on few names."""

from __future__ import annotations

import numpy as np

from ._checks import MeasureError, Numbers, not_negative


def herfindahl(exposures: Numbers) -> float:
    """
    The sum of squared shares of the total: 1/n when all are equal, 1 when one holds everything.

    Hirschman (1945), Herfindahl (1950). A ratio without unit, so exposures may be in any one unit; its
    inverse is the effective number of names. Raises MeasureError on an empty row, gaps, negative
    exposures, or a total of 0.
    """
    amounts = not_negative(exposures, "exposures")
    largest = float(np.max(amounts))
    if largest == 0:
        raise MeasureError("exposures must not all be 0: there is nothing to share.")
    relative = amounts / largest
    shares = relative / np.sum(relative)
    return float(np.sum(shares**2))
