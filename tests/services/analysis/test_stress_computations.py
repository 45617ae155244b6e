"""Stress computations by hand and against SQL on the real rates and yields."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analysis.computations.stress import (
    curve_replay,
    fx_replay,
    fx_shock,
    reverse_stress,
    stress_losses,
)
from services.evidence import Column, Table

START, END, AS_OF = date(2020, 2, 20), date(2020, 3, 19), date(2026, 9, 30)
WINDOW = {"scenario": "Move", "start": START.isoformat(), "end": END.isoformat()}


def table(columns: str, rows: Sequence[Sequence[Any]], key: str) -> Table:
    """A table from `name:type` words."""
    named = [Column(name=c.split(":")[0], type=c.split(":")[1]) for c in columns.split()]
    return Table.from_rows(named, rows, key=key.split())


def positions(amounts: dict[str, float]) -> Table:
    rows = [["Desk", ccy, Decimal(str(amount))] for ccy, amount in amounts.items()]
    return table("desk:string ccy:string net_exposure:decimal", rows, "desk ccy")


def rates(quotes: Sequence[tuple[date, str, float]]) -> Table:
    return table("rate_date:date ccy:string fx_rate:double", quotes, "rate_date ccy")


def curve(points: Sequence[tuple[date, str, float]]) -> Table:
    return table("curve_date:date tenor:string par_yield:double", points, "curve_date tenor")


def sensitivities(dv01: Sequence[tuple[str, str, float]]) -> Table:
    rows = [[desk, tenor, Decimal(str(amount))] for desk, tenor, amount in dv01]
    return table("desk:string tenor:string dv01:decimal", rows, "desk tenor")


def test_replay_moves_each_exposure_by_its_own_currency() -> None:
    """A currency that costs a quarter more units for one euro has lost a fifth of its value."""
    replay = fx_replay(
        {
            "positions": positions({"USD": 100.0, "GBP": -50.0, "EUR": 1000.0}),
            "rates": rates(
                [(START, "USD", 1.0), (END, "USD", 1.25), (START, "GBP", 0.8), (END, "GBP", 0.64)]
            ),
        },
        {"home": "EUR", "scenarios": [WINDOW]},
    )

    assert ("Move|GBP", "Move|USD") == replay.row_keys
    assert (0.25, -0.2) == replay.values("shock")
    assert (-12.5, -20.0) == replay.values("pnl")


def test_currency_without_either_rate_has_no_pnl() -> None:
    """A missing rate at the start or the end leaves shock and P&L empty, and nothing is guessed."""
    replay = fx_replay(
        {
            "positions": positions({"INR": 10.0, "USD": 10.0, "XAU": 5.0}),
            "rates": rates([(START, "USD", 1.0), (END, "USD", 1.1), (END, "INR", 80.0)]),
        },
        {"home": "EUR", "scenarios": [WINDOW]},
    )

    assert [None, True, None] == [None if pnl is None else True for pnl in replay.values("pnl")]


def test_assumed_move_applies_to_named_currencies_only() -> None:
    """A scenario that names currencies moves those; one that names none moves all."""
    shock = fx_shock(
        {"positions": positions({"TRY": 10.0, "USD": 20.0, "EUR": 7.0})},
        {
            "home": "EUR",
            "scenarios": [
                {"scenario": "All", "shock": -0.1},
                {"scenario": "Some", "shock": -0.2, "currencies": ["TRY"]},
            ],
        },
    )

    assert (-1.0, -2.0, -2.0, 0.0) == shock.values("pnl")


def test_curve_replay_is_minus_dv01_times_the_shift() -> None:
    """P&L in dollars is minus the sensitivity of all desks times the shift in basis points."""
    replay = curve_replay(
        {
            "sensitivities": sensitivities([("A", "5Y", 1000), ("B", "5Y", 500), ("A", "30Y", 70)]),
            "curve": curve([(START, "5Y", 0.0125), (END, "5Y", 0.0075), (END, "30Y", 0.02)]),
        },
        {"scenarios": [WINDOW]},
    )

    assert (None, -50.0) == replay.values("shift")
    assert (None, 75000.0) == replay.values("pnl")
    assert (70.0, 1500.0) == replay.values("dv01")


def losses_of(amounts: dict[str, float], quotes: Any, dollar: Any = None) -> Table:
    held, moves = positions(amounts), rates(quotes)
    shocks = [{"scenario": "Some", "shock": -0.2, "currencies": ["TRY", "ZAR"]}]
    yields = [(START, "5Y", 0.01), (END, "5Y", 0.02)]
    curve_scenario = {**WINDOW, "scenario": "Yields"}
    inputs = {
        "replay": fx_replay(
            {"positions": held, "rates": moves}, {"home": "EUR", "scenarios": [WINDOW]}
        ),
        "shock": fx_shock({"positions": held}, {"home": "EUR", "scenarios": shocks}),
        "curve": curve_replay(
            {"sensitivities": sensitivities([("A", "5Y", 10)]), "curve": curve(yields)},
            {"scenarios": [curve_scenario]},
        ),
        "rates": rates(dollar if dollar is not None else [(AS_OF, "USD", 1.25)]),
    }
    scenarios = [
        {**WINDOW, "kind": "replay"},
        {**shocks[0], "kind": "shock"},
        {**curve_scenario, "kind": "curve"},
    ]
    return stress_losses(inputs, {"as_of": AS_OF.isoformat(), "scenarios": scenarios})


def test_scenarios_are_summed_in_euro_and_sorted_by_loss() -> None:
    """The deepest loss leads; dollars become euro at the as-of rate; the worst part is named."""
    losses = losses_of(
        {"USD": 100.0, "TRY": 30.0}, [(START, "USD", 1.0), (END, "USD", 1.25), (START, "TRY", 5.0)]
    )

    assert ("Yields", "Move", "Some") == losses.values("scenario")
    assert (-800.0, -20.0, -6.0) == losses.values("pnl")
    assert (800.0, 20.0, 6.0) == losses.values("loss")
    assert ("5Y", "USD", "TRY") == losses.values("worst_part")
    assert (None, "TRY", None) == losses.values("left_out")
    assert losses.value("Move", "covered") == pytest.approx(100 / 130)
    assert "TRY" == losses.value("Some", "applies_to")


def test_scenario_without_data_has_no_pnl_and_comes_last() -> None:
    """Nothing is known of a window without rates, nor of dollars without a rate to convert at."""
    losses = losses_of({"TRY": 30.0}, [], dollar=[])

    assert ("Some", "Move", "Yields") == losses.values("scenario")
    assert (-6.0, None, None) == losses.values("pnl")
    assert 0 == losses.value("Move", "covered")


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["USD", "GBP", "TRY", "EUR"]), st.integers(-(10**9), 10**9), min_size=1
    ),
    st.integers(1, 10**7),
)
def test_reverse_stress_loses_the_limit(amounts: dict[str, float], limit: int) -> None:
    """Applied as a shock, the move of the reverse stress loses exactly the limit."""
    held = positions(amounts)
    limits = table("limit_id:string limit_red:double", [["var", float(limit)]], "limit_id")
    reverse = reverse_stress(
        {"positions": held, "limits": limits}, {"home": "EUR", "limit_id": "var"}
    )
    move = reverse.value("var", "move")
    net = sum(amount for ccy, amount in amounts.items() if ccy != "EUR")

    if net == 0 or -limit / net <= -1:
        assert move is None
    else:
        scenario = {"scenario": "All", "shock": move}
        pnl = fx_shock({"positions": held}, {"home": "EUR", "scenarios": [scenario]}).values("pnl")
        assert sum(float(p) for p in pnl) == pytest.approx(-limit, rel=1e-6)


def test_reverse_stress_needs_the_limit() -> None:
    """Without the limit there is no row."""
    limits = table("limit_id:string limit_red:double", [], "limit_id")
    inputs = {"positions": positions({"USD": 1.0}), "limits": limits}

    assert 0 == len(reverse_stress(inputs, {"home": "EUR", "limit_id": "var"}))
