"""Computations on books made for the purpose: bounds, sums and edges."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analysis.computations import COMPUTATIONS
from services.analysis.computations.liquidity import eligible
from services.evidence import Column, Table

NOW, THEN = date(2026, 9, 30), date(2026, 6, 30)
EUR = "EUR"

amounts = st.decimals(min_value=0, max_value=10**10, places=2)


def run(name: str, inputs: dict[str, Table], **parameters: object) -> Table:
    return COMPUTATIONS[name].function(inputs, parameters)


def book(members: dict[str | None, Decimal]) -> Table:
    columns = [
        Column(name="as_of", type="date"),
        Column(name="sector", type="string"),
        Column(name="exposure", type="decimal", unit=EUR),
    ]
    rows = [[NOW, name, amount] for name, amount in members.items()]
    return Table.from_rows(columns, rows, ("as_of", "sector"))


@given(st.tuples(amounts, amounts, amounts))
@settings(max_examples=60, deadline=None)
def test_caps_hold_for_the_stock_that_results(levels: tuple[Decimal, ...]) -> None:
    """Level 2B holds at most 15 % and level 2 at most 40 % of what counts; nothing is added."""
    values = dict(zip(("L1", "L2A", "L2B"), levels, strict=True))
    counted = eligible(values)
    stock = sum(counted.values())
    cent = Decimal("0.02")

    assert counted["L2B"] <= Decimal("0.15") * stock + cent
    assert counted["L2A"] + counted["L2B"] <= Decimal("0.40") * stock + cent
    assert all(0 <= counted[level] <= values[level] for level in values)


def test_a_stock_inside_the_caps_counts_whole() -> None:
    """Without too much of level 2 nothing is cut."""
    values = {"L1": Decimal(850), "L2A": Decimal(100), "L2B": Decimal(50)}

    assert values == eligible(values)


def test_a_stock_of_level_two_alone_counts_for_nothing() -> None:
    """Caps are shares of the stock that results, so level 2 needs level 1 beside it."""
    assert 0 == sum(eligible({"L2A": Decimal(100), "L2B": Decimal(100)}).values())


@given(st.lists(st.decimals(min_value=1, max_value=10**9, places=2), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_concentration_lies_between_even_and_single(sizes: list[Decimal]) -> None:
    """The index lies from 1/n to 1, and its inverse counts members."""
    members = {f"m{index}": size for index, size in enumerate(sizes)}
    found = run("concentration", {"book": book(dict(members))}, by="sector", measure="exposure")
    index, effective = found.value(str(NOW), "index"), found.value(str(NOW), "effective")

    assert isinstance(index, float)
    assert 1 / len(sizes) - 1e-9 <= index <= 1 + 1e-9
    assert effective == pytest.approx(1 / index)


@pytest.mark.parametrize(
    ("shares", "band"), [([1] * 12, "low"), ([1] * 8, "moderate"), ([1] * 5, "high")]
)
def test_bands_of_concentration(shares: list[int], band: str) -> None:
    """A twelfth each is low, an eighth moderate, a fifth high."""
    members = {f"m{index}": Decimal(size) for index, size in enumerate(shares)}
    found = run("concentration", {"book": book(dict(members))}, by="sector", measure="exposure")

    assert band == found.value(str(NOW), "band")


def test_what_has_no_member_stands_among_the_others() -> None:
    """Shares of the largest members are of the whole, the unnamed included."""
    members = {"a": Decimal(60), "b": Decimal(20), None: Decimal(120)}
    found = run("largest_members", {"book": book(members)}, by="sector", measure="exposure", top=1)

    assert 0.3 == found.value(f"{NOW}|1", "share")
    assert Decimal(140) == found.value(f"{NOW}|Others", "amount")
    assert Decimal(200) == found.value(f"{NOW}|Total", "amount")


loans = st.dictionaries(
    st.integers(1, 30).map(str),
    st.tuples(st.integers(1, 3), st.decimals(min_value=0, max_value=10**6, places=2)),
    max_size=15,
)
LOAN_COLUMNS = [
    Column(name="as_of", type="date"),
    Column(name="loan_id", type="string"),
    Column(name="stage", type="integer"),
    Column(name="loan_balance", type="decimal", unit=EUR),
]


@given(loans, loans)
@settings(max_examples=60, deadline=None)
def test_stage_flow_reconciles_to_zero(then: dict, now: dict) -> None:
    """Opening balance and moves explain the closing balance of every stage, whatever moves."""
    single = [
        [day, loan, stage, balance]
        for day, held in ((THEN, then), (NOW, now))
        for loan, (stage, balance) in held.items()
    ]
    sums: dict[tuple[date, int], Decimal] = {}
    for day, _, stage, balance in single:
        sums[day, stage] = sums.get((day, stage), Decimal(0)) + balance
    stages = [[day, str(stage), stage, total] for (day, stage), total in sums.items()]
    inputs = {
        "loans": Table.from_rows(LOAN_COLUMNS, single, ("as_of", "loan_id")),
        "stages": Table.from_rows(LOAN_COLUMNS, stages, ("as_of", "loan_id")),
    }
    dates = {"as_of": str(NOW), "previous": str(THEN)}

    assert all(left == 0 for left in run("stage_flow", inputs, **dates).values("difference"))
    matrix = run("stage_migration", inputs, **dates)
    assert len({*then, *now}) == sum(int(str(n)) for n in matrix.values("loans"))


def test_a_zero_balance_loan_has_nothing_to_lose() -> None:
    """A charged-off loan without exposure has no parameters and no loss, and is not a gap."""
    columns = [
        *LOAN_COLUMNS,
        Column(name="segment", type="string"),
        Column(name="exposure_at_default", type="decimal", unit=EUR),
        Column(name="loan_allowance", type="decimal", unit=EUR),
        *(
            Column(name=name, type="double")
            for name in ("average_pd", "average_lgd", "average_remaining_years")
        ),
    ]
    zero = Decimal(0)
    rows = [
        [NOW, "gone", 3, zero, "SME", zero, zero, None, None, None],
        [NOW, "live", 2, Decimal(100), "SME", Decimal(100), Decimal(9), 0.1, 0.5, 2.0],
    ]
    found = run("expected_credit_loss", {"loans": Table.from_rows(columns, rows, ("loan_id",))})
    key = f"{NOW}|book|Total"

    assert Decimal("9.50") == found.value(key, "expected_loss")
    assert Decimal("-0.50") == found.value(key, "surplus")
    assert 0 == found.value(key, "unmeasured")
    assert found.value(f"{NOW}|stage|Stage 3", "loss_rate") is None


def test_use_of_a_minimum_is_limit_over_measure() -> None:
    """A limit that must not be undershot is used up as the measure comes down to it."""
    columns = [
        *(Column(name=n, type="string") for n in ("limit_id", "area", "metric", "scope", "unit")),
        *(Column(name=n, type="string") for n in ("direction", "owner", "owner_role")),
        Column(name="limit_amber", type="double"),
        Column(name="limit_red", type="double"),
    ]
    texts = ["liquidity", "LCR", "Entity", "ratio"]
    rows = [
        ["lcr", *texts, "min", "A", "B", 1.3, 1.1],
        ["npl", *texts, "max", "A", "B", 0.03, 0.05],
        ["var", *texts, "max", "A", "B", 1.0, 2.0],
    ]
    limits = Table.from_rows(columns, rows, ("limit_id",))
    measured = Table.from_rows(
        [
            Column(name="x", type="string"),
            Column(name="lcr", type="double"),
            Column(name="npl", type="double"),
        ],
        [["a", 1.2, 0.06]],
        ("x",),
    )
    places = {name: {"input": "measured", "row": "a", "column": name} for name in ("lcr", "npl")}
    found = run("limit_use", {"limits": limits, "measured": measured}, measures=places)

    assert ("npl", "lcr", "var") == found.row_keys
    assert ("red", "amber", "none") == found.values("status")
    assert found.value("lcr", "use") == pytest.approx(1.1 / 1.2)
    assert found.value("var", "use") is None


@pytest.mark.parametrize(
    ("exposure", "limit", "band"),
    [
        ("79.99", "100", "Inside"),
        ("80", "100", "Early warning"),
        ("100", "100", "Early warning"),
        ("100.01", "100", "Over the limit"),
        ("1", "0", "No limit"),
    ],
)
def test_bands_of_use(exposure: str, limit: str, band: str) -> None:
    """Early warning starts at its level; over is strictly above the limit."""
    columns = [
        Column(name="as_of", type="date"),
        Column(name="counterparty_id", type="string"),
        Column(name="counterparty_exposure", type="decimal", unit=EUR),
        Column(name="counterparty_limit", type="decimal", unit=EUR),
    ]
    names = Table.from_rows(
        columns, [[NOW, "c", Decimal(exposure), Decimal(limit)]], ("counterparty_id",)
    )
    found = run("utilisation_bands", {"names": names}, warning="0.80")

    assert 1 == found.value(f"{NOW}|{band}", "counterparties")


def test_negative_repayment_codes_are_not_late() -> None:
    """Accounts of the current bucket are no events of delinquency."""
    columns = [
        Column(name="month", type="date"),
        Column(name="bucket", type="string"),
        Column(name="next_bucket", type="string"),
        Column(name="card_month_count", type="integer"),
    ]
    rows = [[NOW, "current", None, 90], [NOW, "2 months", None, 10]]
    rolls = Table.from_rows(columns, rows, ("month", "bucket", "next_bucket"))
    found = run("delinquency", {"rolls": rolls}, confidence=0.95, few=50)

    assert 0.1 == found.value(str(NOW), "rate")
    assert 0 == len(run("roll_rates", {"rolls": rolls}, confidence=0.95, few=50))
