"""
Market risk of the foreign-exchange book, from net exposures and reference rates.

Positions are held constant over the window and moved by each day's rates: the hypothetical P&L
from which every measure here follows. P&L is profit positive; VaR and shortfall are positive losses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np

from services.analysis.context import Computation
from services.evidence import Column, Scalar, Table
from services.measures import (
    MeasureError,
    christoffersen,
    component_var,
    ewma_volatility,
    expected_shortfall,
    historical_var,
    kupiec_pof,
    parametric_var,
    rolling_var,
    traffic_light,
    var_exceptions,
)

from ._fx import (
    Floats,
    exposure_by_currency,
    foreign_exposures,
    number,
    read_rates,
    rounded,
    vector,
)

TOTAL = "total"


def fx_currencies(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    Net exposure of each foreign currency, and whether its rates cover the window.

    `observations` counts the latest daily returns without a gap; `covered` says whether they fill
    the window of `days`, or all of a shorter history.
    """
    as_of = date.fromisoformat(parameters["as_of"])
    panel = read_rates(inputs["rates"], as_of)
    history = panel.history()
    needed = min(int(parameters["days"]) + 1, len(panel.dates))
    rows: list[list[Scalar]] = []
    for ccy, exposure in exposure_by_currency(inputs["positions"], parameters["home"]).items():
        quoted = history.get(ccy, 0)
        rows.append(
            [
                ccy,
                as_of,
                rounded(exposure),
                rounded(abs(exposure)),
                max(quoted - 1, 0),
                quoted >= max(needed, 2),
            ]
        )
    columns = [
        Column(name="ccy", type="string", label="Currency"),
        Column(name="as_of", type="date", label="As of"),
        Column(name="exposure", type="double", unit="EUR", label="Net exposure"),
        Column(name="size", type="double", unit="EUR", label="Size of the net exposure"),
        Column(name="observations", type="integer", unit="count", label="Daily returns"),
        Column(name="covered", type="boolean", label="Rates cover the window"),
    ]
    return Table.from_rows(columns, rows, key=("ccy",))


def fx_desks(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """Net and gross foreign-currency exposure of each desk, and of all; gross sums sizes by currency."""
    home, as_of = parameters["home"], date.fromisoformat(parameters["as_of"])
    scopes = {TOTAL: exposure_by_currency(inputs["positions"], home)}
    scopes |= foreign_exposures(inputs["positions"], "desk", home)
    rows: list[list[Scalar]] = [
        [scope, as_of, rounded(sum(parts.values())), rounded(sum(map(abs, parts.values())))]
        for scope, parts in scopes.items()
    ]
    columns = [
        Column(name="scope", type="string", label="Desk"),
        Column(name="as_of", type="date", label="As of"),
        Column(name="net", type="double", unit="EUR", label="Net exposure"),
        Column(name="gross", type="double", unit="EUR", label="Gross exposure"),
    ]
    return Table.from_rows(columns, rows, key=("scope",))


def fx_calendar(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """The last day with rates up to the as-of date, and how many business days lie between."""
    as_of = date.fromisoformat(parameters["as_of"])
    dates = read_rates(inputs["rates"], as_of).dates
    rows: list[list[Scalar]] = []
    if dates:
        day = timedelta(days=1)
        late = int(np.busday_count(dates[-1] + day, as_of + day))
        rows.append(["rates", dates[0], dates[-1], len(dates), late])
    columns = [
        Column(name="series", type="string"),
        Column(name="first_date", type="date", label="First rate date"),
        Column(name="last_date", type="date", label="Last rate date"),
        Column(name="dates", type="integer", unit="count", label="Dates with rates"),
        Column(name="business_days_late", type="integer", unit="days", label="Business days late"),
    ]
    return Table.from_rows(columns, rows, key=("series",))


def fx_pnl(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    Daily P&L in euro of today's positions over the last `days` returns: a column each for the
    total and for every `by` (desk or ccy).

    Currencies that are not quoted on every date of the window are left out of all of them.
    """
    panel = read_rates(inputs["rates"], date.fromisoformat(parameters["as_of"]))
    panel = panel.last(int(parameters["days"]) + 1)
    home, dates = parameters["home"], len(panel.dates)
    held = exposure_by_currency(inputs["positions"], home)
    covered = [ccy for ccy, days in panel.history().items() if days == dates and ccy in held]
    parts = foreign_exposures(inputs["positions"], parameters["by"], home)
    columns = [Column(name="rate_date", type="date", label="Date")] + [
        Column(name=name, type="double", unit="EUR", label=label)
        for name, label in [(TOTAL, "P&L of the day"), *((part, part) for part in parts)]
    ]
    if dates < 2 or not covered:
        return Table.from_rows(columns, [], key=("rate_date",))
    returns = panel.returns(covered)
    pnls = [returns @ vector(amounts, covered) for amounts in parts.values()]
    series = [np.sum(pnls, axis=0), *pnls]
    data: list[tuple[Scalar, ...]] = [panel.dates[1:], *(_rounded(pnl) for pnl in series)]
    return Table(tuple(columns), tuple(data), ("rate_date",))


def fx_risk(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    The measures of each scope's P&L: the total's and every desk's.

    A measure that the P&L does not define (fewer days than `minimum`, or no movement) is empty.
    The total also holds the sum of the desks' VaR and what diversification takes off it.
    """
    pnl = inputs["pnl"]
    scopes = [column.name for column in pnl.columns[1:]]
    rows = {scope: _measures(pnl, scope, parameters) for scope in scopes}
    total = rows[TOTAL]
    if (var := total.get("var")) is not None:
        parts = [row.get("var") for scope, row in rows.items() if scope != TOTAL]
        standalone = sum(number(part) for part in parts if part is not None)
        total["standalone_sum"] = rounded(standalone)
        total["diversification"] = rounded(standalone - number(var))
    return Table.from_rows(
        _RISK_COLUMNS,
        [[scope, *(row.get(c.name) for c in _RISK_COLUMNS[1:])] for scope, row in rows.items()],
        key=("scope",),
    )


_RISK_COLUMNS = (
    Column(name="scope", type="string", label="Desk"),
    Column(name="observations", type="integer", unit="count", label="Daily P&L observations"),
    Column(name="window_start", type="date", label="First day of the window"),
    Column(name="as_of", type="date", label="Last day of the window"),
    Column(name="var", type="double", unit="EUR", label="Historical VaR, one day"),
    Column(name="quantile", type="double", unit="EUR", label="P&L at the quantile of VaR"),
    Column(name="es", type="double", unit="EUR", label="Expected shortfall, one day"),
    Column(name="parametric_var", type="double", unit="EUR", label="Parametric VaR, one day"),
    Column(name="scaled_var", type="double", unit="EUR", label="VaR over the longer horizon"),
    Column(name="ewma_volatility", type="double", unit="EUR", label="EWMA volatility, next day"),
    Column(name="short_volatility", type="double", unit="EUR", label="Standard deviation, recent"),
    Column(name="volatility_ratio", type="double", label="EWMA over recent deviation"),
    Column(name="volatility_regime", type="double", label="Ratio that marks a new regime"),
    Column(name="skewness", type="double", label="Skewness"),
    Column(name="excess_kurtosis", type="double", label="Excess kurtosis"),
    Column(name="worst_pnl", type="double", unit="EUR", label="Worst day"),
    Column(name="worst_date", type="date", label="Date of the worst day"),
    Column(name="drawdown", type="double", unit="EUR", label="Deepest fall of cumulative P&L"),
    Column(name="standalone_sum", type="double", unit="EUR", label="Sum of the desks' VaR"),
    Column(name="diversification", type="double", unit="EUR", label="Diversification benefit"),
)


def fx_limit_use(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """VaR beside its limit, for each scope of `limits` (scope to limit id) that has both; most VaR first."""
    reds = {row["limit_id"]: row["limit_red"] for row in inputs["limits"].rows()}
    pairs: list[tuple[float, str, float]] = []
    for row in inputs["risk"].rows():
        red = reds.get(parameters["limits"].get(row["scope"]))
        if row["var"] is not None and red is not None:
            pairs.append((number(row["var"]), str(row["scope"]), rounded(number(red))))
    pairs.sort(key=lambda pair: (-pair[0], pair[1]))
    rows: list[list[Scalar]] = []
    for var, scope, red in pairs:
        rows += [[scope, "VaR", var], [scope, "Limit", red]]
    columns = [
        Column(name="scope", type="string", label="Desk"),
        Column(name="series", type="string", label="Series"),
        Column(name="amount", type="double", unit="EUR", label="VaR and limit"),
    ]
    return Table.from_rows(columns, rows, key=("scope", "series"))


def fx_components(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    Each part's contribution to the parametric VaR of the total (zero mean); the parts add up to it.

    Parts are the columns of the P&L, held at weight one against the covariance of their P&L, which
    gives the same as exposures against the covariance of returns.
    """
    pnl, confidence = inputs["pnl"], float(parameters["confidence"])
    parts = [column.name for column in pnl.columns[1:] if column.name != TOTAL]
    columns = [
        Column(name="part", type="string", label="Part"),
        Column(name="as_of", type="date", label="Last day of the window"),
        Column(name="standalone_var", type="double", unit="EUR", label="Stand-alone VaR"),
        Column(name="component_var", type="double", unit="EUR", label="Component VaR"),
    ]
    if len(pnl) < int(parameters["minimum"]) or not parts:
        return Table.from_rows(columns, [], key=("part",))
    matrix = np.array([_floats(pnl, part) for part in parts])
    try:
        components = component_var(
            np.ones(len(parts)), np.atleast_2d(np.cov(matrix, ddof=1)), confidence
        )
    except MeasureError:
        return Table.from_rows(columns, [], key=("part",))
    zero_mean_var = partial(parametric_var, confidence=confidence, zero_mean=True)
    rows = [
        [
            part,
            pnl.values("rate_date")[-1],
            _defined(partial(zero_mean_var, row)),
            rounded(float(component)),
        ]
        for part, row, component in zip(parts, matrix, components, strict=True)
    ]
    return Table.from_rows(columns, rows, key=("part",))


def fx_backtest(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """Each of the last `days` P&Ls against the historical VaR of the `window` P&Ls before it."""
    pnl, window = inputs["pnl"], int(parameters["window"])
    columns = [
        Column(name="rate_date", type="date", label="Date"),
        Column(name="pnl", type="double", unit="EUR", label="Hypothetical P&L"),
        Column(name="var", type="double", unit="EUR", label="VaR on the eve"),
        Column(name="exception", type="boolean", label="Loss beyond VaR"),
    ]
    realised = _floats(pnl, TOTAL)[-(int(parameters["days"]) + window) :]
    try:
        var = rolling_var(realised, window, float(parameters["confidence"]))
    except MeasureError:
        return Table.from_rows(columns, [], key=("rate_date",))
    realised = realised[window:]
    hits = var_exceptions(realised, var)
    days = pnl.values("rate_date")[-len(realised) :]
    marks = tuple(bool(hit) for hit in hits)
    data = (days, _rounded(realised), _rounded(var), marks)
    return Table(tuple(columns), data, ("rate_date",))


def fx_backtest_tests(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """How many exceptions there were, the zone they put the model in, and the two likelihood-ratio tests."""
    hits = [bool(hit) for hit in inputs["backtest"].values("exception")]
    confidence, significance = float(parameters["confidence"]), float(parameters["significance"])
    rows: list[list[Scalar]] = []
    if len(hits) >= int(parameters["minimum"]):
        count = sum(hits)
        kupiec = kupiec_pof(count, len(hits), confidence)
        chain = christoffersen(hits, confidence)
        p_values = (kupiec.p_value, chain.independence_p_value, chain.conditional_p_value)
        rows.append(
            [
                TOTAL,
                inputs["backtest"].values("rate_date")[-1],
                len(hits),
                count,
                rounded(len(hits) * (1 - confidence)),
                traffic_light(count, len(hits)).zone,
                rounded(kupiec.statistic),
                *(rounded(p) for p in p_values),
                *("rejected" if p < significance else "not rejected" for p in p_values),
            ]
        )
    columns = [
        Column(name="scope", type="string"),
        Column(name="as_of", type="date", label="Last day tested"),
        Column(name="observations", type="integer", unit="count", label="Days tested"),
        Column(name="exceptions", type="integer", unit="count", label="Exceptions"),
        Column(name="expected", type="double", unit="count", label="Exceptions expected"),
        Column(name="zone", type="string", label="Traffic-light zone"),
        Column(name="kupiec_statistic", type="double", label="Kupiec statistic"),
        Column(name="kupiec_p", type="double", label="Kupiec p-value"),
        Column(name="independence_p", type="double", label="Independence p-value"),
        Column(name="conditional_p", type="double", label="Conditional p-value"),
        Column(name="kupiec_verdict", type="string", label="Number of exceptions"),
        Column(name="independence_verdict", type="string", label="Independence"),
        Column(name="conditional_verdict", type="string", label="Conditional coverage"),
    ]
    return Table.from_rows(columns, rows, key=("scope",))


def _measures(pnl: Table, scope: str, parameters: Mapping[str, Any]) -> dict[str, Scalar]:
    values, days = _floats(pnl, scope), pnl.values("rate_date")
    row: dict[str, Scalar] = {"observations": len(values), "as_of": days[-1] if days else None}
    if len(values) < int(parameters["minimum"]) or not np.any(values):
        return row
    level = float(parameters["var_confidence"])
    recent = values[-int(parameters["short_window"]) :]
    var = _defined(lambda: historical_var(values, level))
    ewma = _defined(lambda: ewma_volatility(values, float(parameters["decay"])))
    short = rounded(float(np.std(recent, ddof=1)))
    worst = int(np.argmin(values))
    return row | {
        "window_start": days[0],
        "var": var,
        "quantile": None if var is None else -var,
        "es": _defined(lambda: expected_shortfall(values, float(parameters["es_confidence"]))),
        "parametric_var": _defined(lambda: parametric_var(values, level, zero_mean=True)),
        "scaled_var": None
        if var is None
        else rounded(var * float(parameters["long_horizon"]) ** 0.5),
        "ewma_volatility": ewma,
        "short_volatility": short,
        "volatility_ratio": rounded(ewma / short) if ewma is not None and short else None,
        "volatility_regime": float(parameters["regime"]),
        **_shape(values),
        "worst_pnl": rounded(float(values[worst])),
        "worst_date": days[worst],
        "drawdown": rounded(_deepest_fall(values)),
    }


def _shape(values: Floats) -> dict[str, Scalar]:
    """Skewness and excess kurtosis from the population's moments."""
    centred = values - np.mean(values)
    variance = float(np.mean(centred**2))
    if not variance:
        return {}
    return {
        "skewness": rounded(float(np.mean(centred**3)) / variance**1.5),
        "excess_kurtosis": rounded(float(np.mean(centred**4)) / variance**2 - 3),
    }


def _deepest_fall(values: Floats) -> float:
    """The least of cumulative P&L less its running maximum, from a start at zero; at most zero."""
    path = np.concatenate(([0.0], np.cumsum(values)))
    return float(np.min(path - np.maximum.accumulate(path)))


def _defined(measure: Callable[[], float]) -> float | None:
    """The measure, or nothing where the numbers do not define it."""
    try:
        return rounded(measure())
    except MeasureError:
        return None


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(rounded(value) for value in values.tolist())


def _floats(table: Table, column: str) -> Floats:
    return np.array([number(value) for value in table.values(column)], dtype=np.float64)


COMPUTATIONS: tuple[Computation, ...] = tuple(
    Computation(name=function.__name__, version=1, function=function)
    for function in (
        fx_currencies,
        fx_desks,
        fx_calendar,
        fx_pnl,
        fx_risk,
        fx_limit_use,
        fx_components,
        fx_backtest,
        fx_backtest_tests,
    )
)
