"""The synthetic loan book in columns, and what follows from a loan's own facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, Self

import numpy as np

from ._draws import Floats, Ints, Mask
from ._synthetic_values import Rows, cents

SEGMENTS: Final = ("Retail mortgage", "Consumer", "SME", "Corporate")
COUNTRIES: Final = ("Germany", "Austria", "Netherlands", "France", "Spain", "Italy")
SECTORS: Final = ("Households", "Consumer goods", "Industrials", "Real estate", "Technology", "Transport", "Healthcare", "Agriculture")  # fmt: skip
GRADES: Final = ("A", "B", "C", "D", "E", "F", "G", "Default")
DEFAULT_GRADE: Final = len(GRADES) - 1
PRODUCTS: Final = (
    ("Fixed-rate mortgage", "Variable-rate mortgage"),
    ("Instalment loan", "Overdraft"),
    ("Term loan", "Revolving facility"),
    ("Term loan", "Revolving facility"),
)

_GRADE_PD: Final = np.array([0.0004, 0.0011, 0.0028, 0.0070, 0.0165, 0.0420, 0.1150, 1.0])
_CONVERSION: Final = np.array([0.0, 0.40, 0.40, 0.50])
"""Part of an undrawn commitment that is drawn at default, by segment."""


class Borrower(NamedTuple):
    """A counterparty as the loan book sees it; weight 0 borrows nothing."""

    identity: str
    sector: str
    country: str
    weight: float


@dataclass(frozen=True)
class LoanBook:
    """
    Loans at one quarter-end, one array a column; money is whole euro.

    `segment`, `grade`, `country`, `sector` and `borrower` are indices. A named borrower brings
    its own country and sector; `borrower` is -1 for a pool of small loans.
    """

    number: Ints
    segment: Ints
    borrower: Ints
    country: Ints
    sector: Ints
    is_revolving: Mask
    grade: Ints
    first_grade: Ints
    balance: Ints
    undrawn: Ints
    days_past_due: Ints
    pd_factor: Floats
    lgd: Floats
    eir: Floats
    remaining_years: Floats
    age_days: Ints
    borrowers: Sequence[Borrower]

    def __len__(self) -> int:
        return len(self.number)

    @property
    def is_defaulted(self) -> Mask:
        is_defaulted: Mask = self.grade == DEFAULT_GRADE
        return is_defaulted

    @property
    def stage(self) -> Ints:
        """Default is stage 3; more than thirty days late or two grades down is stage 2."""
        is_worse = (self.days_past_due > 30) | (self.grade - self.first_grade >= 2)
        return np.where(self.is_defaulted, 3, np.where(is_worse, 2, 1)).astype(np.int64)

    @property
    def pd(self) -> Floats:
        drawn = np.round(_GRADE_PD[self.grade] * self.pd_factor, 5)
        return np.where(self.is_defaulted, 1.0, drawn)

    @property
    def exposure_at_default(self) -> Ints:
        converted = self.undrawn * _CONVERSION[self.segment] / 1_000
        exposure: Ints = self.balance + np.rint(converted).astype(np.int64) * 1_000
        return exposure

    @property
    def allowance(self) -> Ints:
        """Twelve-month loss in stage 1, loss over the remaining years in stage 2, LGD in stage 3."""
        survival = np.ones(len(self))
        for year in range(int(self.remaining_years.max()) + 1):
            survival = survival * np.where(self.remaining_years > year, 1.0 - self.pd, 1.0)
        default = np.where(self.stage == 2, 1.0 - survival, self.pd)
        return np.rint(default * self.lgd * self.exposure_at_default).astype(np.int64)

    def where(self, mask: Mask) -> Self:
        """The loans that *mask* marks."""
        return replace(self, **{name: getattr(self, name)[mask] for name in _COLUMNS})

    def joined(self, other: LoanBook) -> Self:
        """These loans and those of *other*."""
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _COLUMNS
        }
        return replace(self, **columns)

    def rows(self, as_of: date) -> Rows:
        """Rows of `syn_loans` at *as_of*."""
        columns = (
            [f"L{number:05d}" for number in self.number.tolist()],
            *zip(*self._descriptions(), strict=True),
            _money(self.balance),
            _money(self.undrawn),
            _money(self.exposure_at_default),
            self.stage.tolist(),
            self.days_past_due.tolist(),
            self.pd.tolist(),
            self.lgd.tolist(),
            self.eir.tolist(),
            self.remaining_years.tolist(),
            [as_of - timedelta(days=days) for days in self.age_days.tolist()],
            self.is_defaulted.tolist(),
            _money(self.allowance),
        )
        return sorted((as_of, *row) for row in zip(*columns, strict=True))

    def _descriptions(self) -> list[tuple[str | None, str, str, str, str, str]]:
        """Borrower, product, segment, sector, country and grade of each loan."""
        described: list[tuple[str | None, str, str, str, str, str]] = []
        indices = (self.borrower, self.segment, self.is_revolving, self.sector, self.country)
        for borrower, segment, revolving, sector, country, grade in zip(
            *(column.tolist() for column in (*indices, self.grade)), strict=True
        ):
            identity, sector_name, country_name = (
                (None, SECTORS[sector], COUNTRIES[country])
                if borrower < 0
                else self.borrowers[borrower][:3]
            )
            product = PRODUCTS[segment][int(revolving)]
            described.append(
                (identity, product, SEGMENTS[segment], sector_name, country_name, GRADES[grade])
            )
        return described


_COLUMNS: Final = tuple(field.name for field in fields(LoanBook) if field.name != "borrowers")


def _money(column: Ints) -> list[Decimal]:
    return [cents(Decimal(value)) for value in column.tolist()]
