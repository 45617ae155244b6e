"""
Stress of today's positions: moves of the past replayed, moves assumed, and the move that costs a given amount.

Each scenario is `{"scenario", "start", "end"}` for a replay and `{"scenario", "shock", "currencies"}`
for an assumed move. P&L is profit positive; a loss column holds its negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from services.analysis.context import Computation
from services.evidence import Column, Scalar, Table

from ._fx import exposure_by_currency, number, read_rates, rounded

_SCENARIO = Column(name="scenario", type="string", label="Scenario")
_START = Column(name="start", type="date", label="From")
_END = Column(name="end", type="date", label="To")


def fx_replay(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    P&L of each currency's net exposure when its value in euro moves as from `start` to `end`.

    A currency without a rate on either date has neither shock nor P&L.
    """
    quotes = {
        (day, ccy): number(rate)
        for day, ccy, rate in zip(
            *(inputs["rates"].values(name) for name in ("rate_date", "ccy", "fx_rate")), strict=True
        )
        if rate is not None
    }
    exposures = exposure_by_currency(inputs["positions"], parameters["home"])
    rows: list[Sequence[Scalar]] = []
    for scenario in parameters["scenarios"]:
        start, end = _window(scenario)
        for ccy, exposure in exposures.items():
            before, after = quotes.get((start, ccy)), quotes.get((end, ccy))
            shock = before / after - 1 if before and after else None
            rows.append([scenario["scenario"], ccy, *_shocked(exposure, shock)])
    return _currency_table(rows)


def fx_shock(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """P&L of each currency's net exposure under an assumed change of its value in euro; others stay."""
    exposures = exposure_by_currency(inputs["positions"], parameters["home"])
    rows: list[Sequence[Scalar]] = [
        [scenario["scenario"], ccy, *_shocked(exposure, _assumed(scenario, ccy))]
        for scenario in parameters["scenarios"]
        for ccy, exposure in exposures.items()
    ]
    return _currency_table(rows)


def curve_replay(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    P&L in US dollars of each tenor's sensitivity, minus DV01 times the shift in basis points.

    A tenor without a yield on either date has neither shift nor P&L. First order: no convexity.
    """
    yields = {
        (day, tenor): number(level)
        for day, tenor, level in zip(
            *(inputs["curve"].values(name) for name in ("curve_date", "tenor", "par_yield")),
            strict=True,
        )
        if level is not None
    }
    sensitivities: dict[str, float] = {}
    for row in inputs["sensitivities"].rows():
        tenor = str(row["tenor"])
        sensitivities[tenor] = sensitivities.get(tenor, 0.0) + number(row["dv01"])
    rows: list[Sequence[Scalar]] = []
    for scenario in parameters["scenarios"]:
        start, end = _window(scenario)
        for tenor, dv01 in sorted(sensitivities.items()):
            before, after = yields.get((start, tenor)), yields.get((end, tenor))
            known = before is not None and after is not None
            shift = rounded((after - before) * 10_000) if known else None  # type: ignore[operator]
            pnl = None if shift is None else rounded(-dv01 * shift)
            rows.append([scenario["scenario"], tenor, rounded(dv01), shift, pnl])
    columns = [
        _SCENARIO,
        Column(name="tenor", type="string", label="Tenor"),
        Column(name="dv01", type="double", unit="USD", label="Loss for one basis point up"),
        Column(name="shift", type="double", unit="bp", label="Shift of the yield"),
        Column(name="pnl", type="double", unit="USD", label="P&L"),
    ]
    return Table.from_rows(columns, rows, key=("scenario", "tenor"))


def stress_losses(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    One row a scenario, in euro, the deepest loss first; dollars converted at the as-of date's rate.

    `covered` is the share of the gross exposure (or DV01) that the scenario moves or could move;
    `left_out` names what had no data. A scenario without any data is left without P&L, last.
    """
    usd = _last_rate(inputs["rates"], date.fromisoformat(parameters["as_of"]), "USD")
    rows: list[dict[str, Scalar]] = []
    for scenario in parameters["scenarios"]:
        kind = scenario["kind"]
        part, size = ("tenor", "dv01") if kind == "curve" else ("ccy", "exposure")
        lines = [row for row in inputs[kind].rows() if row["scenario"] == scenario["scenario"]]
        to_euro = usd if kind == "curve" else 1.0
        dates = _window(scenario) if "start" in scenario else (None, None)
        rows.append(
            {
                "scenario": scenario["scenario"],
                "kind": _KINDS[kind],
                "start": dates[0],
                "end": dates[1],
            }
            | {
                "shock": scenario.get("shock"),
                "applies_to": _applies_to(scenario, lines),
            }
            | _sums(lines, part, size, to_euro)
        )
    rows.sort(key=_depth)
    return Table.from_rows(
        _LOSS_COLUMNS, [[row[c.name] for c in _LOSS_COLUMNS] for row in rows], key=("scenario",)
    )


_KINDS = {
    "replay": "Exchange rates, replayed",
    "shock": "Exchange rates, assumed",
    "curve": "US Treasury curve, replayed",
}

_LOSS_COLUMNS = (
    _SCENARIO,
    Column(name="kind", type="string", label="Kind"),
    _START,
    _END,
    Column(name="shock", type="double", unit="ratio", label="Assumed change of value"),
    Column(name="applies_to", type="string", label="Applies to"),
    Column(name="pnl", type="double", unit="EUR", label="P&L"),
    Column(name="loss", type="double", unit="EUR", label="Loss"),
    Column(name="worst_part", type="string", label="Largest loss from"),
    Column(name="worst_part_pnl", type="double", unit="EUR", label="P&L of it"),
    Column(name="covered", type="double", unit="ratio", label="Exposure covered"),
    Column(name="left_out", type="string", label="Left out"),
)


def reverse_stress(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    The same relative move of all foreign currencies against the euro that loses each VaR limit.

    Solves net * move = -loss, so a net long book loses when currencies fall. Empty where the book
    nets to zero, or where the move would take more than all of their value.
    """
    net = sum(exposure_by_currency(inputs["positions"], parameters["home"]).values())
    limits = {str(row["limit_id"]): row["limit_red"] for row in inputs["limits"].rows()}
    loss = limits.get(parameters["limit_id"])
    rows: list[Sequence[Scalar]] = []
    if loss is not None:
        move = -number(loss) / net if net else None
        possible = move is not None and move > -1
        rows.append(
            [
                parameters["limit_id"],
                rounded(net),
                rounded(number(loss)),
                rounded(move) if move is not None and possible else None,
            ]
        )
    columns = [
        Column(name="limit_id", type="string", label="Limit"),
        Column(name="net", type="double", unit="EUR", label="Net foreign exposure"),
        Column(name="loss", type="double", unit="EUR", label="Loss to reach"),
        Column(name="move", type="double", unit="ratio", label="Move of all currencies"),
    ]
    return Table.from_rows(columns, rows, key=("limit_id",))


def _applies_to(scenario: Mapping[str, Any], lines: Iterable[Mapping[str, Scalar]]) -> str | None:
    """The currencies held among those that an assumed move names; nothing when it names none."""
    named = scenario.get("currencies", ())
    return ", ".join(str(row["ccy"]) for row in lines if row["ccy"] in named) if named else None


def _sums(
    lines: Iterable[Mapping[str, Scalar]], part: str, size: str, to_euro: float | None
) -> dict[str, Scalar]:
    """P&L of a scenario's lines, its deepest line, and how much of the exposure has data."""
    moved = {str(row[part]): number(row["pnl"]) for row in lines if row["pnl"] is not None}
    gross = {str(row[part]): abs(number(row[size])) for row in lines}
    left_out = ", ".join(name for name in gross if name not in moved)
    total = sum(gross.values())
    covered = rounded(sum(gross[name] for name in moved) / total) if total else None
    empty: dict[str, Scalar] = dict.fromkeys(("pnl", "loss", "worst_part", "worst_part_pnl"))
    if not moved or to_euro is None:
        return empty | {"covered": covered, "left_out": left_out or None}
    pnl = rounded(sum(moved.values()) * to_euro)
    worst = min(moved, key=lambda name: moved[name])
    losing = moved[worst] < 0
    return {
        "pnl": pnl,
        "loss": -pnl,
        "worst_part": worst if losing else None,
        "worst_part_pnl": rounded(moved[worst] * to_euro) if losing else None,
        "covered": covered,
        "left_out": left_out or None,
    }


def _depth(row: Mapping[str, Scalar]) -> tuple[bool, float, str]:
    pnl = row["pnl"]
    return pnl is None, 0.0 if pnl is None else number(pnl), str(row["scenario"])


def _shocked(exposure: float, shock: float | None) -> tuple[float, float | None, float | None]:
    if shock is None:
        return rounded(exposure), None, None
    return rounded(exposure), rounded(shock), rounded(exposure * shock)


def _assumed(scenario: Mapping[str, Any], ccy: str) -> float:
    """The scenario's move for a currency: all are moved when it names none."""
    named = scenario.get("currencies", ())
    return float(scenario["shock"]) if not named or ccy in named else 0.0


def _currency_table(rows: Sequence[Sequence[Scalar]]) -> Table:
    columns = [
        _SCENARIO,
        Column(name="ccy", type="string", label="Currency"),
        Column(name="exposure", type="double", unit="EUR", label="Net exposure"),
        Column(name="shock", type="double", unit="ratio", label="Change of its value in euro"),
        Column(name="pnl", type="double", unit="EUR", label="P&L"),
    ]
    return Table.from_rows(columns, rows, key=("scenario", "ccy"))


def _last_rate(rates: Table, until: date, ccy: str) -> float | None:
    """Value in euro of one unit of *ccy* at its last rate up to *until*."""
    panel = read_rates(rates, until)
    if ccy not in panel.currencies:
        return None
    quoted = panel.rates[:, panel.currencies.index(ccy)]
    known = quoted[quoted > 0]
    return 1 / float(known[-1]) if len(known) else None


def _window(scenario: Mapping[str, Any]) -> tuple[date, date]:
    return date.fromisoformat(scenario["start"]), date.fromisoformat(scenario["end"])


COMPUTATIONS: tuple[Computation, ...] = tuple(
    Computation(name=function.__name__, version=1, function=function)
    for function in (fx_replay, fx_shock, curve_replay, stress_losses, reverse_stress)
)
