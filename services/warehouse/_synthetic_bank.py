"""Liquidity, funding, capital and limits of the fictional bank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

import numpy as np

from ._draws import Ints, Mask
from ._loan_book import SEGMENTS, LoanBook
from ._synthetic_values import QUARTER_ENDS, Row, Rows, by_quarter, cents, million

_RISK_WEIGHTS: Final = {"Retail mortgage": "0.35", "Consumer": "0.75", "SME": "0.85", "Corporate": "0.92"}  # fmt: skip
_DEFAULTED_RISK_WEIGHT: Final = Decimal("1.50")


def bank_tables(bank: Mapping[str, Any], book: Mapping[date, LoanBook]) -> dict[str, Rows]:
    """Rows of the small tables; what depends on loans is summed from *book*."""
    return {
        "syn_entity": [tuple(row) for row in bank["entity"]],
        "syn_desks": [tuple(row) for row in bank["desks"]],
        "syn_limits": [tuple(row) for row in bank["limits"]],
        "syn_liquidity_flows": _liquidity_rows(bank),
        "syn_lcr_flows": _rated_rows(bank["lcr_flows"]),
        "syn_hqla": _hqla_rows(bank),
        "syn_stable_funding": _rated_rows(bank["stable_funding"]) + list(_loan_funding(book)),
        "syn_capital": [
            (as_of, item, million(amount))
            for item, *pair in bank["capital"]
            for as_of, amount in by_quarter(pair)
        ],
        "syn_rwa": [
            (as_of, risk_type, million(amount) + _loan_rwa(risk_type, book[as_of]))
            for risk_type, *pair in bank["rwa"]
            for as_of, amount in by_quarter(pair)
        ],
    }


def _liquidity_rows(bank: Mapping[str, Any]) -> Rows:
    rows: Rows = []
    for order, (bucket, *amounts) in enumerate(bank["liquidity_flows"], start=1):
        for as_of, inflow, outflow in zip(QUARTER_ENDS, amounts[::2], amounts[1::2], strict=True):
            rows.append((as_of, bucket, order, million(inflow), million(outflow)))
    return rows


def _rated_rows(entries: list[tuple[str, str, float, float, float]]) -> Rows:
    """Rows of (date, item, side, amount, rate, amount times rate)."""
    return [
        _rated_row(as_of, item, side, million(amount), Decimal(str(rate)))
        for item, side, *pair, rate in entries
        for as_of, amount in by_quarter(pair)
    ]


def _rated_row(as_of: date, item: str, side: str, amount: Decimal, rate: Decimal) -> Row:
    return (as_of, item, side, amount, rate, cents(amount * rate))


def _hqla_rows(bank: Mapping[str, Any]) -> Rows:
    return [
        (as_of, asset, level, value, cut, cents(value * (1 - cut)))
        for asset, level, *pair, haircut in bank["hqla"]
        for as_of, amount in by_quarter(pair)
        for value, cut in [(million(amount), Decimal(str(haircut)))]
    ]


def _loan_funding(book: Mapping[date, LoanBook]) -> Iterator[Row]:
    """Required stable funding of the loan book."""
    for as_of, loans in book.items():
        performing = ~loans.is_defaulted
        is_mortgage = loans.segment == SEGMENTS.index("Retail mortgage")
        is_long = loans.remaining_years >= 1.0
        for item, mask, factor in (
            ("Performing residential mortgages", performing & is_mortgage, "0.65"),
            ("Other performing loans over one year", performing & ~is_mortgage & is_long, "0.85"),
            ("Other performing loans under one year", performing & ~is_mortgage & ~is_long, "0.50"),
            ("Non-performing loans", ~performing, "1.00"),
        ):
            amount = _total(loans.balance, mask)
            yield _rated_row(as_of, item, "RSF", amount, Decimal(factor))
        undrawn = _total(loans.undrawn, loans.undrawn > 0)
        yield _rated_row(as_of, "Undrawn commitments", "RSF", undrawn, Decimal("0.05"))


def _loan_rwa(risk_type: str, loans: LoanBook) -> Decimal:
    if risk_type != "Credit":
        return Decimal(0)
    performing = ~loans.is_defaulted
    exposure = loans.exposure_at_default
    total = _total(exposure - loans.allowance, ~performing) * _DEFAULTED_RISK_WEIGHT
    for segment, name in enumerate(SEGMENTS):
        mask = performing & (loans.segment == segment)
        total += _total(exposure, mask) * Decimal(_RISK_WEIGHTS[name])
    return cents(total)


def _total(amounts: Ints, mask: Mask) -> Decimal:
    return cents(Decimal(int(np.where(mask, amounts, 0).sum())))
