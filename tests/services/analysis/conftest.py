"""A small bank: two dates of desks with amounts, ratios and limits, and one computation."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from services.analysis.build import Draft
from services.analysis.context import Computation, Exhibit, SectionContext
from services.evidence import Column, MetricSource, Table, make_evidence

AS_OF = date(2026, 9, 30)
PREVIOUS = date(2026, 6, 30)


def exhibit(table: Table, *, sql: str = "SELECT 1", as_of: date = AS_OF, **fields) -> Exhibit:
    source = MetricSource(query={})
    evidence = make_evidence(table, source=source, snapshot="snap", as_of=as_of, sql=sql, **fields)
    return Exhibit(evidence, table)


DESKS = Table.from_rows(
    [
        Column(name="as_of", type="date"),
        Column(name="desk", type="string"),
        Column(name="exposure", type="decimal", unit="EUR"),
        Column(name="npl", type="double", unit="ratio"),
        Column(name="trades", type="integer", unit="count"),
    ],
    [
        [AS_OF, "Spot", Decimal("12345678.90"), 0.0521, 10],
        [AS_OF, "Metals", Decimal("-4000000.00"), 0.02, 4],
        [AS_OF, "Empty", None, float("nan"), 0],
        [PREVIOUS, "Spot", Decimal("10000000.00"), 0.05, 12],
        [PREVIOUS, "Metals", Decimal("-5000000.00"), 0.02, 4],
    ],
    key=("as_of", "desk"),
)

LIMITS = Table.from_rows(
    [
        Column(name="limit_id", type="string"),
        Column(name="unit", type="string"),
        Column(name="direction", type="string"),
        Column(name="owner", type="string"),
        Column(name="owner_role", type="string"),
        Column(name="limit_red", type="double"),
        Column(name="limit_amber", type="double"),
    ],
    [
        ["npl", "ratio", "max", "Ana Ruiz", "Head of Credit", 0.05, 0.04],
        ["npl_floor", "ratio", "min", "Ana Ruiz", "Head of Credit", 0.03, 0.06],
        ["exposure", "EUR", "max", "Bo Lind", "Head of Trading", 20000000.0, 15000000.0],
    ],
    key=("limit_id",),
)


def total_exposure(inputs, parameters):
    """Exposure of all desks at each date, times a factor."""
    factor = Decimal(parameters.get("factor", "1"))
    sums: dict[date, Decimal] = {}
    for row in inputs["desks"].rows():
        sums[row["as_of"]] = sums.get(row["as_of"], Decimal(0)) + (row["exposure"] or 0) * factor
    columns = [
        Column(name="as_of", type="date"),
        Column(name="total", type="decimal", unit="EUR"),
    ]
    return Table.from_rows(columns, [[d, t] for d, t in sums.items()], key=("as_of",))


TOTAL = Computation("total_exposure", 1, total_exposure)


@pytest.fixture
def context() -> SectionContext:
    return SectionContext(
        section="market",
        title="Market risk",
        as_of=AS_OF,
        previous=PREVIOUS,
        snapshot="snap",
        exhibits={
            "desks": exhibit(DESKS, tables=["syn_desks"]),
            "limits": exhibit(LIMITS, sql="SELECT 2", tables=["syn_limits"]),
        },
        computations={TOTAL.name: TOTAL},
    )


@pytest.fixture
def draft(context: SectionContext) -> Draft:
    return Draft(context)


@pytest.fixture
def exhibits(context: SectionContext) -> Callable[[], dict[str, Exhibit]]:
    """Every exhibit of the context so far, by evidence id."""

    def collected() -> dict[str, Exhibit]:
        known = [*context.exhibits.values(), *context.computed]
        return {exhibit.evidence.id: exhibit for exhibit in known}

    return collected
