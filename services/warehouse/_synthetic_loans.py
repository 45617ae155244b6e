"""The loan book of the fictional bank: June drawn from the seed, and September grown from June."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

import numpy as np

from ._draws import Draws, Ints, shares
from ._loan_book import DEFAULT_GRADE, SEGMENTS, Borrower, LoanBook
from ._synthetic_values import JUNE, SEPTEMBER

_QUARTER_DAYS: Final = (SEPTEMBER - JUNE).days
_COUNTRY_WEIGHTS: Final = (0.55, 0.11, 0.11, 0.09, 0.08, 0.06)
_SECTOR_WEIGHTS: Final = (0.22, 0.20, 0.17, 0.13, 0.11, 0.09, 0.08)
_GRADE_WEIGHTS: Final = (0.08, 0.17, 0.27, 0.25, 0.14, 0.07, 0.02)
_NEW_GRADE_WEIGHTS: Final = (0.10, 0.24, 0.34, 0.24, 0.08)

# One entry a segment, in the order of SEGMENTS.
_SPREAD: Final = (0.7, 0.7, 0.8, 0.7)
_REVOLVING: Final = np.array([0.40, 0.35, 0.30, 0.28])
_UNDRAWN: Final = np.array([0.0, 0.9, 0.75, 0.65])
_LGD: Final = np.array([[0.10, 0.24], [0.45, 0.65], [0.34, 0.50], [0.30, 0.44]])
_RATE: Final = np.array([0.029, 0.062, 0.044, 0.036])
_TERM: Final = np.array([[6.0, 28.0], [0.5, 6.0], [0.4, 8.0], [0.4, 7.0]])
_DEFAULTED: Final = np.array([0.019, 0.042, 0.042, 0.021])

_LATE_WEIGHTS: Final = (0.938, 0.040, 0.014, 0.008)
_LATE_DAYS: Final = np.array([[0, 0], [1, 30], [31, 60], [61, 89]])
_WRITTEN_OFF_AFTER: Final = 450
"""Days after which a defaulted loan's balance has been written off."""


def loan_book(
    segments: Mapping[str, Mapping[str, Any]], borrowers: Sequence[Borrower], draws: Draws
) -> dict[date, LoanBook]:
    """
    The book at both quarter-ends.

    Balances add up to what *segments* says, but for rounding and written-off loans.
    """
    number = 1
    june_parts, september_parts = [], []
    for segment, name in enumerate(SEGMENTS):
        level = segments[name]
        june_total, september_total = (amount * 1e6 for amount in level["balance"])
        june = _june_loans(segment, level["rows"], number, june_total, borrowers, draws)
        number += len(june)
        kept = _one_quarter_on(june, draws)
        missing = september_total - int(kept.balance.sum())
        new = _fresh_loans(segment, level["new"], number, missing, borrowers, draws)
        number += len(new)
        june_parts.append(june)
        september_parts.append(kept.joined(new))
    return {JUNE: _joined(june_parts), SEPTEMBER: _joined(september_parts)}


def _joined(parts: Sequence[LoanBook]) -> LoanBook:
    book = parts[0]
    for part in parts[1:]:
        book = book.joined(part)
    return book


def _fresh_loans(
    segment: int,
    count: int,
    number: int,
    total: float,
    borrowers: Sequence[Borrower],
    draws: Draws,
) -> LoanBook:
    """Performing loans of one segment, just granted."""
    is_revolving = draws.chance(count, float(_REVOLVING[segment]))
    balance = shares(draws.skewed(count, _SPREAD[segment]), total, 1_000)
    unused = draws.uniform(count, 0.3, 1.0) * _UNDRAWN[segment] * is_revolving
    grade = draws.choice(count, _NEW_GRADE_WEIGHTS)
    return LoanBook(
        number=np.arange(number, number + count, dtype=np.int64),
        segment=np.full(count, segment, dtype=np.int64),
        borrower=_borrowers(segment, count, borrowers, draws),
        country=draws.choice(count, _COUNTRY_WEIGHTS),
        sector=_sectors(segment, count, draws),
        is_revolving=is_revolving,
        grade=grade,
        first_grade=grade,
        balance=balance,
        undrawn=np.rint(balance * unused / 1_000).astype(np.int64) * 1_000,
        days_past_due=np.zeros(count, dtype=np.int64),
        pd_factor=draws.uniform(count, 0.85, 1.18),
        lgd=np.round(draws.uniform(count, *_LGD[segment].tolist()), 3),
        eir=np.round(_RATE[segment] + 0.003 * grade + draws.uniform(count, -0.004, 0.006), 4),
        remaining_years=np.round(draws.uniform(count, *_TERM[segment].tolist()), 2),
        age_days=draws.whole(count, 1, _QUARTER_DAYS - 1),
        borrowers=borrowers,
    )


def _borrowers(segment: int, count: int, borrowers: Sequence[Borrower], draws: Draws) -> Ints:
    """Named borrowers, by weight, of corporate loans; -1 for a pool of small loans."""
    if SEGMENTS[segment] != "Corporate":
        return np.full(count, -1, dtype=np.int64)
    return draws.choice(count, [who.weight for who in borrowers])


def _sectors(segment: int, count: int, draws: Draws) -> Ints:
    """Index into `SECTORS`: households borrow as retail, small firms of every sector as SME."""
    if SEGMENTS[segment] != "SME":
        return np.zeros(count, dtype=np.int64)
    return 1 + draws.choice(count, _SECTOR_WEIGHTS)


def _june_loans(
    segment: int,
    count: int,
    number: int,
    total: float,
    borrowers: Sequence[Borrower],
    draws: Draws,
) -> LoanBook:
    """Loans of one segment as years of business left them."""
    book = _fresh_loans(segment, count, number, total, borrowers, draws)
    drift = draws.choice(count, (0.20, 0.55, 0.17, 0.08)) - 1
    is_defaulted = draws.chance(count, float(_DEFAULTED[segment]))
    late = _LATE_DAYS[draws.choice(count, _LATE_WEIGHTS)]
    days = _days_between(late, draws)
    # One default in six is called on other grounds than arrears.
    overdue = np.where(draws.chance(count, 1 / 6), days, draws.whole(count, 90, 540))
    seasoned = replace(
        book,
        first_grade=draws.choice(count, _GRADE_WEIGHTS),
        age_days=draws.whole(count, _QUARTER_DAYS, 3_200),
        days_past_due=np.where(is_defaulted, overdue, days),
    )
    grade = np.clip(seasoned.first_grade + drift, 0, DEFAULT_GRADE - 1)
    graded = replace(seasoned, grade=np.where(is_defaulted, DEFAULT_GRADE, grade))
    return _idle_lines(_written_off(graded), draws)


def _days_between(bands: Ints, draws: Draws) -> Ints:
    spans = bands[:, 1] - bands[:, 0] + 1
    return bands[:, 0] + (draws.uniform(len(bands)) * spans).astype(np.int64)


def _written_off(book: LoanBook) -> LoanBook:
    is_gone = book.is_defaulted & (book.days_past_due > _WRITTEN_OFF_AFTER)
    return replace(
        book,
        balance=np.where(is_gone, 0, book.balance),
        undrawn=np.where(book.is_defaulted, 0, book.undrawn),
    )


def _idle_lines(book: LoanBook, draws: Draws) -> LoanBook:
    """A few facilities stand wholly undrawn."""
    is_idle = book.is_revolving & ~book.is_defaulted & draws.chance(len(book), 0.02)
    is_idle &= book.undrawn > 0
    return replace(
        book,
        balance=np.where(is_idle, 0, book.balance),
        undrawn=np.where(is_idle, book.undrawn + book.balance, book.undrawn),
    )


def _one_quarter_on(book: LoanBook, draws: Draws) -> LoanBook:
    """The loans that are still there after a quarter: paid down, aged, migrated."""
    is_repaid = ~book.is_defaulted & (
        draws.chance(len(book), 0.045) | (book.remaining_years <= 0.25)
    )
    book = book.where(~is_repaid)
    count = len(book)
    days = _days_after(book, draws)
    defaults = book.is_defaulted | (days >= 90) | ((days > 30) & draws.chance(count, 0.03))
    drift = draws.choice(count, (0.05, 0.86, 0.07, 0.02)) - 1
    grade = np.clip(book.grade + drift, 0, DEFAULT_GRADE - 1)
    paid = np.where(defaults, 0.0, draws.uniform(count, 0.002, 0.022))
    return _written_off(
        replace(
            book,
            grade=np.where(defaults, DEFAULT_GRADE, grade),
            days_past_due=days,
            balance=np.rint(book.balance * (1.0 - paid) / 1_000).astype(np.int64) * 1_000,
            remaining_years=np.round((book.remaining_years - 0.25).clip(0.05), 2),
            age_days=book.age_days + _QUARTER_DAYS,
        )
    )


def _days_after(book: LoanBook, draws: Draws) -> Ints:
    """Days past due a quarter later: most late loans are cured, some fall further behind."""
    count = len(book)
    was = book.days_past_due
    worsens = draws.chance(count, np.where(was == 0, 0.0, np.where(was <= 30, 0.06, 0.28)))
    newly_late = draws.chance(count, 0.045)
    fresh = _days_between(_LATE_DAYS[1 + draws.choice(count, (0.72, 0.20, 0.08))], draws)
    performing = np.where(worsens, was + _QUARTER_DAYS, np.where(newly_late, fresh, 0))
    return np.where(book.is_defaulted, was + _QUARTER_DAYS * (was > 0), performing)
