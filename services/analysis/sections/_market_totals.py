"""The whole book: its measures now and before, against their limits, and the shape of its P&L."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from services.analysis.build import ClaimId, Draft, How
from services.analysis.computations.market import TOTAL
from services.analysis.context import Exhibit
from services.analysis.findings import StatusCell

from ._fx_book import HISTORICAL, NORMAL, SOURCE, TAIL_MEAN, FxBook, moment, said

_Row: TypeAlias = tuple[ClaimId | str | StatusCell, ...]

NO_LIMIT: Final = "no limit"


class _Measure(NamedTuple):
    key: str
    label: str
    column: str
    method: str
    parameters: Mapping[str, str]


_VAR: Final = {"confidence": "0.99", "horizon": "1 day"}
_SCALED: Final = f"{HISTORICAL}, scaled by the square root of time"
_RATIO: Final = "EWMA volatility over the sample standard deviation"
_MOMENTS: Final = "moments of the population of daily P&L"
_WITHOUT_LIMIT: Final = (
    _Measure("parametric_var_99_1d", "Parametric VaR", "parametric_var", NORMAL, _VAR),
    _Measure(
        "var_99_10d",
        "VaR, scaled to the long horizon",
        "scaled_var",
        _SCALED,
        {**_VAR, "horizon": "10 days"},
    ),
    _Measure("standalone_sum", "Sum of the desks' VaR", "standalone_sum", HISTORICAL, _VAR),
    _Measure("diversification", "Diversification benefit", "diversification", HISTORICAL, _VAR),
    _Measure(
        "ewma_volatility", "EWMA volatility", "ewma_volatility", "RiskMetrics", {"decay": "0.94"}
    ),
    _Measure(
        "volatility_250d",
        "Standard deviation",
        "short_volatility",
        "sample standard deviation",
        {"window": "250 days"},
    ),
    _Measure("worst_day", "Worst day", "worst_pnl", "minimum of the daily P&L", {}),
    _Measure(
        "drawdown",
        "Deepest fall of cumulative P&L",
        "drawdown",
        "cumulative P&L less its running maximum",
        {},
    ),
)
_SHAPE: Final = (
    _Measure("skewness", "Skewness", "skewness", _MOMENTS, {}),
    _Measure("excess_kurtosis", "Excess kurtosis", "excess_kurtosis", _MOMENTS, {}),
    _Measure("volatility_ratio", "Volatility ratio", "volatility_ratio", _RATIO, {}),
)


@dataclass(frozen=True)
class Totals:
    """Writes what is said of all desks together."""

    draft: Draft
    book: FxBook
    before: FxBook | None
    limits: Exhibit

    def write(self) -> None:
        self._measures()
        self._shape()
        self._histogram()

    def _measures(self) -> None:
        var = self._limited("var_99_1d", "VaR, all desks", "var", said(self.book, HISTORICAL))
        tail = said(self.book, TAIL_MEAN, confidence="0.975")
        shortfall = self._limited("es_975_1d", "Expected shortfall, all desks", "es", tail)
        none = StatusCell(status="none")
        rows = [(*self._free(measure), NO_LIMIT, none) for measure in _WITHOUT_LIMIT]
        day = self.draft.value(
            "worst_day.date", "Date of the worst day", self.book.risk, TOTAL, "worst_date"
        )
        one, mean, scaled = (
            ClaimId(f"market.{key}") for key in ("var_99_1d.total", "es_975_1d.total", "var_99_10d")
        )
        self.draft.table(
            "measures",
            "Measures of the whole book",
            ["Measure", "Now", *self._compared(), "Limit", "Status"],
            [var, shortfall, *rows],
            note=f"P&L of fixed positions. VaR at {one.at('confidence')} over {one.at('horizon')}, "
            f"shortfall at {mean.at('confidence')}; the long horizon is {scaled.at('horizon')}. The "
            f"worst day was {day.slot}. VaR and shortfall are positive losses, P&L is signed.",
            evidence=(self.book.risk, self.book.pnl),
        )

    def _shape(self) -> None:
        """What a normal distribution misses."""
        self.draft.table(
            "shape",
            "Shape of the P&L",
            ["Measure", "Now", *self._compared()],
            [self._free(measure) for measure in _SHAPE],
            note="Under a normal distribution skewness and excess kurtosis vanish; the volatility "
            "ratio is EWMA volatility over the standard deviation.",
            evidence=(self.book.risk,),
        )

    def _histogram(self) -> None:
        risk, var = self.book.risk, ClaimId("market.var_99_1d.total")
        label, how = "P&L at the quantile of VaR", said(self.book, HISTORICAL)
        tail = self.draft.value("var_99_1d.quantile", label, risk, TOTAL, "quantile", **how)
        self.draft.chart(
            "pnl_histogram",
            "histogram",
            f"The tail of the P&L begins at {tail.slot}",
            f"Hypothetical P&L of fixed positions over {var.at('window')} to {var.at('as_of')}; the "
            f"mark is the quantile of VaR. {SOURCE}",
            self.book.pnl,
            x=TOTAL,
            tail=tail,
            x_label="P&L of the day",
            y_label="Days",
            unit="EUR",
        )

    def _limited(self, key: str, label: str, column: str, how: How) -> _Row:
        """A measure under a limit: label, value, previous and change, limit, status."""
        previous = (self.before.risk, TOTAL, column) if self.before else None
        claim = self.draft.limit(
            f"{key}.total",
            label,
            (self.book.risk, TOTAL, column),
            self.limits,
            LIMIT_IDS[key],
            previous=previous,
            **how,
        )
        compared: _Row = ()
        if previous:
            earlier = self.draft.value(
                f"{key}.total.previous", f"{label}, previous", *previous, **how
            )
            compared = (earlier, ClaimId(f"{claim}.change"))
        status = StatusCell(status=self.draft.status(claim))
        return (label, claim, *compared, red_of(self.draft, claim), status)

    def _free(self, measure: _Measure) -> _Row:
        """A measure without limit: label, value, previous and change."""
        key, label, column, method, parameters = measure
        how = moment(self.book, method, **parameters)
        place = (self.book.risk, TOTAL, column)
        claim = self.draft.value(key, label, *place, **how)
        if not self.before:
            return (label, claim)
        previous = (self.before.risk, TOTAL, column)
        earlier = self.draft.value(f"{key}.previous", f"{label}, previous", *previous, **how)
        change = self.draft.change(f"{key}.change", f"{label}: change", place, previous, **how)
        return (label, claim, earlier, change)

    def _compared(self) -> tuple[str, ...]:
        return ("Previous", "Change") if self.before else ()


LIMIT_IDS: Final = {"var_99_1d": "var_99_1d_total", "es_975_1d": "es_975_total"}


def red_of(draft: Draft, measure: ClaimId) -> ClaimId | str:
    """The limit that was claimed for *measure*."""
    red = ClaimId(f"{measure}.red")
    return red if red in draft.claims else NO_LIMIT
