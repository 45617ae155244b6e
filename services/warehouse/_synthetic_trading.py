"""Positions, rate sensitivities and counterparty exposures of the fictional bank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from ._draws import Draws, Floats, Ints, shares
from ._synthetic_values import JUNE, QUARTER_ENDS, SEPTEMBER, Row, Rows, Value, by_quarter, cents

_AVERAGE_POSITION: Final = 18.5
_REPLACED: Final = 0.22
"""Share of positions that are others in September than in June."""
_LIMITS: Final = (5, 10, 15, 20, 25, 30, 40)
_DEALER_LIMITS: Final = (60, 80, 100, 120)


def position_rows(
    books: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]],
    dealers: Sequence[Value],
    rates: Mapping[tuple[date, str], Decimal],
    draws: Draws,
) -> Rows:
    """Positions of every desk, book and currency at both quarter-ends."""
    rows: Rows = []
    names = iter(f"P{number:05d}" for number in range(1, 100_000))
    for desk, desk_books in books.items():
        for book, currencies in desk_books.items():
            for ccy, (gross, lean) in currencies.items():
                slots = _slots(gross, names, dealers, draws)
                for as_of in QUARTER_ENDS:
                    values = _market_values(slots, gross, lean, as_of, draws)
                    rate = rates[as_of, ccy]
                    rows += _slot_rows((as_of, desk, book, ccy), slots, values, rate)
    return sorted(rows, key=lambda row: (str(row[0]), str(row[1])))


class _Slots(NamedTuple):
    """Places for positions in one currency of a book; some change hands between the quarters."""

    weights: Floats
    held: Mapping[date, Sequence[tuple[str, Value]]]
    """Position and counterparty of each place at each quarter-end."""


def _slots(gross: float, names: Iterator[str], dealers: Sequence[Value], draws: Draws) -> _Slots:
    count = max(3, round(gross / _AVERAGE_POSITION))
    june = [(next(names), dealers[index]) for index in draws.choice(count, [1.0] * len(dealers))]
    others = draws.choice(count, [1.0] * len(dealers))
    replaced = draws.chance(count, _REPLACED)
    september = [
        (next(names), dealers[other]) if is_new else position
        for position, other, is_new in zip(june, others, replaced, strict=True)
    ]
    return _Slots(draws.skewed(count, 0.6), {JUNE: june, SEPTEMBER: september})


def _market_values(slots: _Slots, gross: float, lean: float, as_of: date, draws: Draws) -> Ints:
    """
    Signed values in euro whose gross and net come out as the bank's file says.

    June had a little less on and leaned a little less.
    """
    count = len(slots.weights)
    scale, tilt = (1.0, 1.0) if as_of == SEPTEMBER else (0.94, 0.82)
    weights = slots.weights * draws.uniform(count, 0.85, 1.15)
    is_long = np.arange(count) % 2 == 0
    values = np.zeros(count, dtype=np.int64)
    for side, sign in ((is_long, 1), (~is_long, -1)):
        total = gross * 1e6 * scale * (1.0 + sign * lean * tilt) / 2.0
        values[side] = sign * shares(weights[side], total, 1_000)
    return values


def _slot_rows(place: Row, slots: _Slots, values: Ints, rate: Decimal) -> Iterator[Row]:
    as_of, desk, book, ccy = place
    assert isinstance(as_of, date)
    for (position, dealer), euro in zip(slots.held[as_of], values.tolist(), strict=True):
        local = (Decimal(euro) * rate / 1_000).to_integral_value() * 1_000
        yield (as_of, position, desk, book, ccy, dealer, cents(local), cents(local / rate))


def sensitivity_rows(sensitivities: Mapping[str, Mapping[str, Sequence[float]]]) -> Rows:
    """DV01 of every desk and tenor at both quarter-ends."""
    return [
        (as_of, desk, tenor, cents(Decimal(str(thousand)) * 1_000))
        for desk, tenors in sensitivities.items()
        for tenor, pair in tenors.items()
        for as_of, thousand in by_quarter(pair)
    ]


def exposure_rows(
    counterparties: Rows, utilisation: Mapping[str, Sequence[float]], draws: Draws
) -> Rows:
    """
    Exposures, built back from the use of each limit.

    exposure = max(mark_to_market - collateral, 0) + potential_future_exposure holds in each row.
    """
    rows = []
    for identity, name, _, sector, *_ in counterparties:
        is_dealer = sector == "Financials"
        limits = _DEALER_LIMITS if is_dealer else _LIMITS
        limit = limits[int(draws.choice(1, [1.0] * len(limits))[0])] * 1_000_000
        used = draws.uniform(2, 0.28, 0.74)
        if name in utilisation:
            used = np.asarray(utilisation[str(name)], dtype=np.float64)
        for as_of, use in zip(QUARTER_ENDS, used.tolist(), strict=True):
            parts = _exposure_parts(limit, use, draws, is_dealer=is_dealer)
            rows.append((as_of, identity, *parts, cents(Decimal(limit))))
    return sorted(rows, key=lambda row: (str(row[0]), str(row[1])))


def _exposure_parts(limit: int, use: float, draws: Draws, *, is_dealer: bool) -> Sequence[Value]:
    exposure = round(limit * use / 1_000) * 1_000
    current_share, collateral_share, sign = draws.uniform(3).tolist()
    collateral = round(limit * collateral_share * 0.6 / 1_000) * 1_000 if is_dealer else 0
    if sign < 0.3:
        # Out of the money: nothing is owed to the bank today, all exposure is the add-on.
        market_value, current = -round(limit * current_share * 0.4 / 1_000) * 1_000, 0
    else:
        current = round(exposure * current_share * 0.7 / 1_000) * 1_000
        market_value = collateral + current
    future = exposure - current
    return [cents(Decimal(value)) for value in (market_value, collateral, future, exposure)]
