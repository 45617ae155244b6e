"""
Market risk: what the foreign-exchange book may lose in a day, against which limit, and why it moved.

Every measure comes from the P&L that today's positions would have made on the days of the window.
"""

from __future__ import annotations

from typing import Final

from services.analysis.build import ClaimId, Draft, number_at, rows_where, slug
from services.analysis.computations.market import TOTAL
from services.analysis.context import SectionContext
from services.analysis.findings import SectionAnalysis

from ._fx_book import HISTORICAL, FxBook, said
from ._market_backtest import write_backtest
from ._market_parts import Parts
from ._market_totals import Totals

_MOST_DAYS_LATE: Final = 1
"""Business days that rates may lag before they are called stale."""
_LARGE_MOVE: Final = 0.2
"""Relative change of VaR from which it is more than an observation."""


def analyse(context: SectionContext) -> SectionAnalysis:
    draft = Draft(context)
    book = FxBook.measured(context, context["positions"], context.as_of)
    before = _previous(context)
    _timeliness(draft, book)
    if book.is_measured:
        _coverage(draft, book)
        Totals(draft, book, before, context["limits"]).write()
        Parts(draft, book, before, context["limits"]).write()
        write_backtest(draft, book, before)
        if before:
            _movement(draft, book, before)
        _regime(draft, book)
        _methods(draft, book)
    else:
        _not_measured(draft, book)
    _gaps(draft)
    return draft.finish()


def _previous(context: SectionContext) -> FxBook | None:
    """The book of the previous quarter-end on its own window, where it has a VaR."""
    if context.previous is None or "positions_previous" not in context.exhibits:
        return None
    book = FxBook.measured(context, context["positions_previous"], context.previous)
    return book if book.is_measured else None


def _movement(draft: Draft, book: FxBook, before: FxBook) -> None:
    """How much of the change of VaR came from positions, and how much from the window's rates."""
    change = ClaimId("market.var_99_1d.total.change")
    var, earlier = (book.risk, TOTAL, "var"), (before.risk, TOTAL, "var")
    moved = FxBook.measured(book.context, book.positions, before.as_of)
    between = (moved.risk, TOTAL, "var")
    if number_at(between) is None:
        return
    how = said(book, HISTORICAL)
    positions = draft.change(
        "var_99_1d.total.from_positions", "Change of VaR from positions", between, earlier, **how
    )
    rates = draft.change(
        "var_99_1d.total.from_rates", "Change of VaR from rates", var, between, **how
    )
    now, then = number_at(var) or 0, number_at(earlier) or 0
    large = then and abs(float(now) / float(then) - 1) > _LARGE_MOVE
    total = ClaimId("market.var_99_1d.total")
    draft.finding(
        "trend.var",
        "trend",
        "medium" if large else "info",
        "Change of VaR",
        f"{total.at('label')} {draft.moved(change)} since {change.at('since')}, to {total.slot}. "
        f"New positions, on the earlier window, account for {positions.slot} of it, and the later window of "
        f"rates for {rates.slot}.",
    )


def _regime(draft: Draft, book: FxBook) -> None:
    """Volatility that has left the level of the last year."""
    place, bound = (book.risk, TOTAL, "volatility_ratio"), (book.risk, TOTAL, "volatility_regime")
    ratio, threshold = number_at(place), number_at(bound)
    if ratio is None or threshold is None or ratio <= threshold:
        return
    passed = draft.compare("volatility_ratio.vs_regime", "Volatility ratio", place, bound, digits=2)
    regime = draft.value("volatility_regime", "Ratio that marks a new regime", *bound, digits=2)
    draft.finding(
        "volatility.regime",
        "observation",
        "medium",
        "Volatility regime",
        f"The EWMA volatility of the P&L over its standard deviation is {passed.slot}, which is "
        f"{passed.word('above')} the {regime.slot} that marks a new regime; the VaR of a long window follows with a delay.",
    )


def _timeliness(draft: Draft, book: FxBook) -> None:
    calendar = book.calendar
    if not len(calendar.table):
        return
    last = draft.value("rates.last_date", "Last rate date", calendar, "rates", "last_date")
    late = draft.value(
        "rates.days_late", "Business days late", calendar, "rates", "business_days_late"
    )
    if (number_at((calendar, "rates", "business_days_late")) or 0) > _MOST_DAYS_LATE:
        draft.finding(
            "rates.stale",
            "data_quality",
            "high",
            "Stale exchange rates",
            f"The last exchange rates are of {last.slot}, {late.slot} before the as-of date; every measure "
            "of this section is dated by them.",
            action="Market data should deliver the missing exchange rates before the figures are used.",
        )


def _coverage(draft: Draft, book: FxBook) -> None:
    """Currencies whose rates do not cover the window: they are in no measure, and it is said."""
    currencies = book.currencies
    for ccy in rows_where(currencies, covered=False):
        key = f"uncovered.{slug(ccy)}"
        name = draft.value(key, "Currency without rates", currencies, ccy, "ccy")
        exposure = draft.value(
            f"{key}.exposure", f"Net exposure in {ccy}", currencies, ccy, "exposure"
        )
        days = draft.value(
            f"{key}.observations", f"Daily returns of {ccy}", currencies, ccy, "observations"
        )
        draft.finding(
            f"{key}.left_out",
            "not_available",
            "medium",
            "Currency without rates",
            f"{name.slot}, with a net exposure of {exposure.slot}, has {days.slot} daily returns at the "
            "as-of date, which do not cover the window; it is left out of every measure of this section.",
        )


def _not_measured(draft: Draft, book: FxBook) -> None:
    reason = "the positions and rates give too few daily P&L"
    if not len(book.positions.table):
        reason = "there are no positions as of this date"
    missing = draft.absent("var_99_1d.total", "VaR, all desks", reason)
    draft.finding(
        "not_measured",
        "not_available",
        "high",
        "Market risk is not measured",
        f"{missing.at('label')} is {missing.slot}: {missing.at('reason')}.",
    )


def _methods(draft: Draft, book: FxBook) -> None:
    var, shortfall = ClaimId("market.var_99_1d.total"), ClaimId("market.es_975_1d.total")
    ewma, scaled = ClaimId("market.ewma_volatility"), ClaimId("market.var_99_10d")
    start = draft.value("window_start", "Start of the window", book.risk, TOTAL, "window_start")
    draft.method(
        f"The P&L is hypothetical: net positions as of the report's date, fixed, are moved by each day's "
        f"change of the currencies' euro value at European Central Bank reference rates, from {start.slot} to "
        f"{var.at('as_of')} ({var.at('window')}). The measures of the earlier date use its own positions and window."
    )
    draft.method(
        f"VaR is minus the quantile of the P&L at {var.at('confidence')}, by {var.at('method')}; expected shortfall "
        f"is minus the mean of the P&L at or below the quantile at {shortfall.at('confidence')}."
    )
    draft.method(
        "Parametric and component VaR assume normal P&L without drift and the window's sample covariance; "
        "components follow the Euler allocation, so that they sum to the parametric VaR."
    )
    draft.method(
        f"VaR over {scaled.at('horizon')} is the daily VaR scaled by the square root of time, which holds only for "
        f"independent, identically distributed P&L. EWMA volatility uses a decay of {ewma.at('decay')}."
    )
    draft.method(
        "The backtest sets each day's P&L against the VaR of the days before it, with the same fixed positions; "
        "Kupiec tests the number of exceptions, Christoffersen their independence."
    )


def _gaps(draft: Draft) -> None:
    draft.gap(
        "The warehouse holds no yield curve as of the report's date, so that interest-rate risk has no VaR; "
        "it enters the stress tests by replay only."
    )
    draft.gap(
        "Positions enter at market value, linear in exchange rates: the gamma and vega of options are not covered."
    )
