"""The synthetic tables of the sample warehouse, drawn from one seed around `sample/bank.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from ._draws import Draws
from ._loan_book import Borrower
from ._synthetic_bank import bank_tables
from ._synthetic_loans import loan_book
from ._synthetic_trading import exposure_rows, position_rows, sensitivity_rows
from ._synthetic_values import QUARTER_ENDS, Rows

_SEED = 20260930


def synthetic_tables(
    bank: Mapping[str, Any], rates: Mapping[tuple[date, str], Decimal]
) -> dict[str, Rows]:
    """
    Rows of every `syn_` table, in the column order of the catalog.

    *rates* holds units of a currency for one euro at the two quarter-ends. Each table has a
    stream of draws of its own, so that changing one leaves the others alone.
    """
    counterparties = _counterparty_rows(bank)
    borrowers = [
        Borrower(identity=str(row[0]), sector=str(row[3]), country=str(row[4]), weight=entry[5])
        for row, entry in zip(counterparties, bank["counterparties"], strict=True)
    ]
    book = loan_book(bank["segments"], borrowers, Draws(_SEED + 1))
    dealers = [row[0] for row in counterparties if row[3] == "Financials"]
    return {
        "syn_counterparties": counterparties,
        "syn_positions": position_rows(bank["books"], dealers, rates, Draws(_SEED + 2)),
        "syn_rate_sensitivities": sensitivity_rows(bank["rate_sensitivities"]),
        "syn_counterparty_exposures": exposure_rows(
            counterparties, bank["utilisation"], Draws(_SEED + 3)
        ),
        "syn_loans": [row for as_of in QUARTER_ENDS for row in book[as_of].rows(as_of)],
        **bank_tables(bank, book),
    }


def _counterparty_rows(bank: Mapping[str, Any]) -> Rows:
    return [
        (f"CP{number:03d}", name, group, sector, country, rating)
        for number, (name, group, sector, country, rating, _) in enumerate(
            bank["counterparties"], start=1
        )
    ]
