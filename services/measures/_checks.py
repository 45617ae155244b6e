"""What a measure accepts: each check gives clean numbers or one sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers: TypeAlias = ArrayLike | Sequence[Decimal]
Floats: TypeAlias = NDArray[np.float64]

# Far above any amount or rate, and small enough that sums of squares stay finite.
_LARGEST = 1e100
# The largest whole number below which every whole number is a float.
_LARGEST_COUNT = 2**53
# Returns of a constant growth rate differ in their last digits only.
_ROUNDING = 1e-10


class MeasureError(ValueError):
    """The numbers given do not define the measure; the message says why."""


def _floats(values: Any, name: str) -> Floats:
    """The values as floats of any shape. Text, dates, complex numbers and gaps are refused."""
    if np.ma.is_masked(values):
        raise MeasureError(f"{name} must hold finite numbers only, and some are missing.")
    try:
        array = np.asarray(values)
        floats = array.astype(np.float64) if _is_numeric(array) else None
    except (TypeError, ValueError, OverflowError):
        floats = None
    if floats is None:
        raise MeasureError(f"{name} must be a sequence of numbers.")
    if floats.size == 0:
        raise MeasureError(f"{name} must not be empty.")
    if not np.all(np.abs(floats) <= _LARGEST):
        raise MeasureError(f"{name} must hold finite numbers only.")
    return floats


def _is_numeric(array: NDArray[Any]) -> bool:
    """Whether the array holds numbers, and not text that reads like them."""
    if array.dtype.kind == "O":
        return not any(isinstance(value, str | bytes) for value in array.flat)
    return array.dtype.kind in "biuf"


def series(values: Numbers, name: str) -> Floats:
    """A non-empty row of finite numbers."""
    floats = _floats(values, name)
    if floats.ndim != 1:
        raise MeasureError(f"{name} must be one row of numbers, not {floats.ndim}-dimensional.")
    return floats


def varying(values: Numbers, name: str = "returns") -> Floats:
    """Two numbers or more that are not all the same: a stale price has no risk to measure."""
    floats = series(values, name)
    if floats.size < 2:
        raise MeasureError(f"{name} must hold at least 2 numbers, got {floats.size}.")
    if np.any(constant_rows(floats)):
        raise MeasureError(f"{name} must vary: every number is the same.")
    return floats


def constant_rows(floats: Floats) -> NDArray[np.bool_]:
    """Whether every number along the last axis is the same, up to rounding."""
    return np.asarray(np.ptp(floats, axis=-1) <= _ROUNDING * np.max(np.abs(floats), axis=-1))


def within(values: Numbers, low: float, high: float, name: str) -> Floats:
    """A row of numbers from *low* to *high*, both included."""
    floats = series(values, name)
    if np.any((floats < low) | (floats > high)):
        raise MeasureError(f"{name} must lie from {low:g} to {high:g}.")
    return floats


def not_negative(values: Numbers, name: str) -> Floats:
    floats = series(values, name)
    if np.any(floats < 0):
        raise MeasureError(f"{name} must not be negative.")
    return floats


def hit_series(values: Numbers, name: str = "hits") -> NDArray[np.bool_]:
    """Two or more marks that are 0 or 1, one a day in order of time."""
    floats = series(values, name)
    if not np.all((floats == 0) | (floats == 1)):
        raise MeasureError(f"{name} must hold 0 and 1, or False and True, only.")
    if floats.size < 2:
        raise MeasureError(f"{name} must hold at least 2 days, got {floats.size}.")
    return np.asarray(floats == 1)


def covariance_matrix(values: Numbers, size: int, name: str = "covariance") -> Floats:
    """A symmetric, positive semi-definite matrix of *size* rows."""
    matrix = _floats(values, name)
    if matrix.shape != (size, size):
        shape = " by ".join(str(n) for n in matrix.shape) or "a single number"
        raise MeasureError(f"{name} must be {size} by {size} to fit the weights, got {shape}.")
    largest = float(np.max(np.abs(matrix)))
    if np.any(np.abs(matrix - matrix.T) > 1e-9 * largest):
        raise MeasureError(f"{name} must be symmetric.")
    if np.min(np.linalg.eigvalsh(matrix)) < -1e-9 * largest:
        raise MeasureError(
            f"{name} must be positive semi-definite: some portfolio has a negative variance."
        )
    return matrix


def open_share(value: Any, name: str) -> float:
    """A number strictly between 0 and 1."""
    share = _real(value, name)
    if not 0 < share < 1:
        raise MeasureError(f"{name} must lie strictly between 0 and 1, got {share:g}.")
    return share


def count(value: Any, name: str, *, least: int = 0) -> int:
    """A whole number of at least *least*."""
    number = _real(value, name)
    if number != int(number) or not least <= number <= _LARGEST_COUNT:
        raise MeasureError(f"{name} must be a whole number of at least {least}, got {number:g}.")
    return int(number)


def count_of(part: Any, whole: Any, names: tuple[str, str]) -> tuple[int, int]:
    """A count and the positive number of trials it is out of."""
    some, trials = count(part, names[0]), count(whole, names[1], least=1)
    if some > trials:
        raise MeasureError(f"{names[0]} ({some}) must not exceed {names[1]} ({trials}).")
    return some, trials


def _real(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise MeasureError(f"{name} must be a number.")
    try:
        number = float(value)
    except (OverflowError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise MeasureError(f"{name} must be a finite number.")
    return number
