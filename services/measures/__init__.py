"""
Risk measures: pure functions from numbers to numbers.

One convention throughout. Returns are simple and decimal (0.01 is one per cent); profit is
positive, loss negative. VaR, expected shortfall and credit losses come out as positive losses,
drawdowns as numbers that are at most 0. `confidence` is the level of the VaR, 0.99 for one day in a hundred.
Sample standard deviations divide by n-1. What a measure cannot be computed from raises `MeasureError`.
"""

from ._backtest import (
    ChristoffersenTest,
    KupiecTest,
    TrafficLight,
    christoffersen,
    kupiec_pof,
    rolling_var,
    traffic_light,
    var_exceptions,
)
from ._checks import MeasureError
from ._concentration import herfindahl
from ._credit import Interval, expected_credit_loss, wilson_interval
from ._market import (
    Drawdown,
    component_var,
    ewma_volatility,
    expected_shortfall,
    historical_var,
    max_drawdown,
    parametric_var,
)

__all__ = [
    "ChristoffersenTest",
    "Drawdown",
    "Interval",
    "KupiecTest",
    "MeasureError",
    "TrafficLight",
    "christoffersen",
    "component_var",
    "ewma_volatility",
    "expected_credit_loss",
    "expected_shortfall",
    "herfindahl",
    "historical_var",
    "kupiec_pof",
    "max_drawdown",
    "parametric_var",
    "rolling_var",
    "traffic_light",
    "var_exceptions",
    "wilson_interval",
]
