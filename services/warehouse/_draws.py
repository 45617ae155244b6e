"""Random draws that are the same on every machine and with every NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


class Draws:
    """
    A seeded stream of draws.

    NumPy promises the bits of PCG64 but not the values of its distributions, and exponentials
    differ in the last bit between processors. So the shapes here come from the bits by sums and
    products alone.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, count: int, low: float = 0.0, high: float = 1.0) -> Floats:
        raw = self._bits.random_raw(count) >> np.uint64(11)
        return low + (high - low) * (raw.astype(np.float64) * 2.0**-53)

    def whole(self, count: int, low: int, high: int) -> Ints:
        """Whole numbers from *low* to *high*, both included."""
        return low + (self.uniform(count) * (high - low + 1)).astype(np.int64)

    def chance(self, count: int, probability: float | Floats) -> Mask:
        hits: Mask = self.uniform(count) < probability
        return hits

    def bell(self, count: int) -> Floats:
        """Roughly standard normal: the sum of twelve uniform draws, less its mean."""
        total = np.zeros(count)
        for _ in range(12):
            total += self.uniform(count)
        return total - 6.0

    def skewed(self, count: int, spread: float) -> Floats:
        """Positive and skewed to the right like exp(spread * bell), around one."""
        value = 1.0 + spread * self.bell(count) / 16.0
        for _ in range(4):
            value = value * value
        return value

    def choice(self, count: int, weights: Sequence[float]) -> Ints:
        """Indices into *weights*, each as likely as its weight."""
        bounds = np.add.accumulate(np.asarray(weights, dtype=np.float64))
        picked = np.searchsorted(bounds, self.uniform(count) * bounds[-1], side="right")
        indices: Ints = np.minimum(picked, len(weights) - 1).astype(np.int64)
        return indices


def shares(weights: Floats, total: float, step: int) -> Ints:
    """*total* split by *weights* into multiples of *step*; it adds up but for the rounding."""
    parts = np.maximum((weights * 1_000.0).astype(np.int64), 1)
    return np.rint(parts * (total / int(parts.sum())) / step).astype(np.int64) * step
