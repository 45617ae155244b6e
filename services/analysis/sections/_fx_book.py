"""
The foreign-exchange book, measured once in one way for every section that speaks of it.

The same inputs and parameters give the same evidence, so two sections cite one VaR.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final

from services.analysis.build import How, number_at
from services.analysis.computations.market import TOTAL
from services.analysis.context import Exhibit, SectionContext

HOME: Final = "EUR"
WINDOW: Final = 500
"""Daily P&Ls that VaR and shortfall are taken from."""
BACKTEST_DAYS: Final = 250
CONFIDENCE: Final = 0.99
_MINIMUM: Final = 250
"""Fewest daily P&Ls that a tail is read from."""
_RISK: Final[Mapping[str, Any]] = {
    "var_confidence": CONFIDENCE,
    "es_confidence": 0.975,
    "decay": 0.94,
    "short_window": 250,
    "long_horizon": 10,
    "regime": 1.5,
    "minimum": _MINIMUM,
}


@dataclass(frozen=True)
class FxBook:
    """Positions of one date with the rates up to another, and the measures of the P&L they give."""

    context: SectionContext
    positions: Exhibit
    rates: Exhibit
    as_of: date
    """Last date of rates that may be used."""
    pnl: Exhibit
    """Daily P&L by desk."""
    risk: Exhibit

    @classmethod
    def measured(cls, context: SectionContext, positions: Exhibit, as_of: date) -> FxBook:
        rates = context["rates"]
        inputs = {"positions": positions, "rates": rates}
        pnl = context.compute("fx_pnl", inputs, _window(as_of, WINDOW, by="desk"))
        risk = context.compute("fx_risk", {"pnl": pnl}, _RISK)
        return cls(context, positions, rates, as_of, pnl, risk)

    @property
    def is_measured(self) -> bool:
        """Whether the total has a VaR."""
        return number_at((self.risk, TOTAL, "var")) is not None

    @property
    def observations(self) -> int:
        return len(self.pnl.table)

    @cached_property
    def currencies(self) -> Exhibit:
        inputs = {"positions": self.positions, "rates": self.rates}
        return self.context.compute("fx_currencies", inputs, _window(self.as_of, WINDOW))

    @cached_property
    def desks(self) -> Exhibit:
        parameters = {"as_of": self.as_of.isoformat(), "home": HOME}
        return self.context.compute("fx_desks", {"positions": self.positions}, parameters)

    @cached_property
    def calendar(self) -> Exhibit:
        parameters = {"as_of": self.as_of.isoformat()}
        return self.context.compute("fx_calendar", {"rates": self.rates}, parameters)

    def components(self, by: str) -> Exhibit:
        """Component VaR by `desk` or `ccy`."""
        pnl = self.pnl
        if by != "desk":
            inputs = {"positions": self.positions, "rates": self.rates}
            pnl = self.context.compute("fx_pnl", inputs, _window(self.as_of, WINDOW, by=by))
        parameters = {"confidence": CONFIDENCE, "minimum": _MINIMUM}
        return self.context.compute("fx_components", {"pnl": pnl}, parameters)

    def backtest(self) -> tuple[Exhibit, Exhibit]:
        """The days tested, and the tests on them."""
        inputs = {"positions": self.positions, "rates": self.rates}
        days = _window(self.as_of, WINDOW + BACKTEST_DAYS, by="desk")
        pnl = self.context.compute("fx_pnl", inputs, days)
        settings = {"window": WINDOW, "days": BACKTEST_DAYS, "confidence": CONFIDENCE}
        backtest = self.context.compute("fx_backtest", {"pnl": pnl}, settings)
        tests = {"confidence": CONFIDENCE, "significance": 0.05, "minimum": _MINIMUM}
        return backtest, self.context.compute("fx_backtest_tests", {"backtest": backtest}, tests)


HISTORICAL: Final = "historical simulation, linear quantile"
TAIL_MEAN: Final = "historical simulation, mean of the tail at or below the linear quantile"
NORMAL: Final = "normal distribution, zero mean, sample standard deviation"
SOURCE: Final = "Rates are European Central Bank reference rates; positions are synthetic."


def said(book: FxBook, method: str, confidence: str = "0.99", horizon: str = "1 day") -> How:
    """How a loss at a confidence is printed, and what it says of its method."""
    return moment(book, method, confidence=confidence, horizon=horizon)


def moment(book: FxBook, method: str, **parameters: str) -> How:
    """How an amount taken from the P&L of *book* is printed, and what it says of its method."""
    window = {"window": f"{book.observations} days", "positions": "fixed"}
    return {"digits": 2, "method": method, "parameters": window | parameters}


def _window(as_of: date, days: int, *, by: str = "") -> dict[str, Any]:
    parameters = {"as_of": as_of.isoformat(), "days": days, "home": HOME}
    return parameters | {"by": by} if by else parameters
