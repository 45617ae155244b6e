"""Exchange rates and positions as arrays: what the market and the stress computations share."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.evidence import Scalar, Table

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class RatePanel:
    """Units of each currency for one euro, dates down, currencies across; NaN where none is quoted."""

    dates: tuple[date, ...]
    currencies: tuple[str, ...]
    rates: Floats

    def last(self, count: int) -> RatePanel:
        """The *count* latest dates, or as many as there are."""
        return RatePanel(self.dates[-count:], self.currencies, self.rates[-count:])

    def history(self) -> dict[str, int]:
        """How many of the latest dates in a row each currency is quoted on."""
        if not self.dates:
            return {}
        gaps = np.isnan(self.rates[::-1])
        counts = np.where(gaps.any(axis=0), gaps.argmax(axis=0), len(self.dates))
        return {ccy: int(count) for ccy, count in zip(self.currencies, counts, strict=True)}

    def returns(self, currencies: Sequence[str]) -> Floats:
        """Daily change of each currency's value in euro, r_t = rate_(t-1) / rate_t - 1."""
        chosen = self.rates[:, [self.currencies.index(ccy) for ccy in currencies]]
        daily: Floats = chosen[:-1] / chosen[1:] - 1
        return daily


def read_rates(table: Table, until: date) -> RatePanel:
    """The quoted rates of *table* (`rate_date, ccy, fx_rate`) up to *until*."""
    panel = _panel(_Rates(table.digest, table))
    count = bisect_right(panel.dates, until)
    return RatePanel(panel.dates[:count], panel.currencies, panel.rates[:count])


@dataclass(frozen=True)
class _Rates:
    """A table of rates, known by its digest."""

    digest: str
    table: Table = field(compare=False)


# Every measure of a report reads the same rates, and verification reads them all again.
@lru_cache(maxsize=2)
def _panel(rates: _Rates) -> RatePanel:
    days = np.array(rates.table.values("rate_date"), dtype="datetime64[D]")
    names = np.array(rates.table.values("ccy"), dtype=np.str_)
    quotes = np.array(rates.table.values("fx_rate"), dtype=np.float64)
    quoted = quotes > 0
    dates, rows = np.unique(days[quoted], return_inverse=True)
    currencies, columns = np.unique(names[quoted], return_inverse=True)
    panel = np.full((len(dates), len(currencies)), np.nan)
    panel[rows, columns] = quotes[quoted]
    panel.setflags(write=False)
    return RatePanel(tuple(dates.tolist()), tuple(currencies.tolist()), panel)


def foreign_exposures(positions: Table, by: str, home: str) -> dict[str, dict[str, float]]:
    """Net exposure in euro of each *by* (a column's name) and foreign currency, both sorted."""
    sums: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in positions.rows():
        if row["ccy"] != home:
            sums[str(row[by])][str(row["ccy"])] += number(row["net_exposure"])
    return {part: dict(sorted(sums[part].items())) for part in sorted(sums)}


def exposure_by_currency(positions: Table, home: str) -> dict[str, float]:
    """Net exposure in euro of each foreign currency over all desks."""
    by_currency = foreign_exposures(positions, "ccy", home)
    return {ccy: parts[ccy] for ccy, parts in by_currency.items()}


def vector(amounts: Mapping[str, float], names: Sequence[str]) -> Floats:
    return np.array([amounts.get(name, 0.0) for name in names], dtype=np.float64)


def number(value: Scalar) -> float:
    """The float of a numeric cell that is not empty."""
    return float(value)  # type: ignore[arg-type]  # a date or an empty cell is a bug, and raises


def rounded(value: float) -> float:
    """*value* at the twelve significant digits that evidence is digested at."""
    return float(f"{value:.12g}")
