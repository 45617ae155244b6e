"""A retriever for a role: its rows, its columns, its tables, and nothing told of the rest."""

from __future__ import annotations

from datetime import date

import pytest

from services.errors import QueryInvalid, QueryRefused
from services.retrieval import Retriever
from services.semantics import MetricQuery, TimeRange
from services.warehouse import Warehouse, policy_tables
from sql_guard import GuardPolicy

JUNE = date(2026, 6, 30)
SEPTEMBER = date(2026, 9, 30)
BY_DESK = MetricQuery(
    metrics=("net_exposure",), dimensions=("desk",), time_range=TimeRange(as_of=JUNE)
)
LOANS = MetricQuery(metrics=("loan_balance",), time_range=TimeRange(as_of=JUNE))


@pytest.fixture(scope="module")
def policy(sample_warehouse: Warehouse) -> GuardPolicy:
    """The role of a trader, who sees one desk and no loans."""
    own = {"filter": "desk = :desk"}
    return GuardPolicy.load(
        {
            "tables": policy_tables(sample_warehouse.catalog()),
            "roles": {
                "trader": {"tables": {"main.syn_positions": own, "main.syn_desks": own}},
            },
        }
    ).for_role("trader")


@pytest.fixture(scope="module")
def trader(sample_warehouse: Warehouse, policy: GuardPolicy) -> Retriever:
    return Retriever.on(sample_warehouse, policy, {"desk": "EM FX"})


def test_metrics_and_statements_see_the_rows_of_the_role(
    trader: Retriever, retriever: Retriever
) -> None:
    """Each figure is the whole warehouse's figure for the role's own desk."""
    _, everything = retriever.retrieve(BY_DESK, as_of=SEPTEMBER)
    evidence, own = trader.retrieve(BY_DESK, as_of=SEPTEMBER)
    _, counted = trader.retrieve("SELECT DISTINCT desk FROM syn_positions", as_of=SEPTEMBER)

    assert len(everything) > 1
    assert own.data[0] == ("EM FX",) == counted.data[0]
    assert everything.value("EM FX", "net_exposure") == own.value("EM FX", "net_exposure")
    assert {"desk": "EM FX"} == evidence.parameters


def test_evidence_of_two_roles_differs(sample_warehouse: Warehouse, policy: GuardPolicy) -> None:
    """The same text with another value is other evidence, even where the rows are the same."""
    sql = "SELECT 1 AS x FROM syn_desks"
    ids = {
        Retriever.on(sample_warehouse, policy, {"desk": desk}).retrieve(sql, as_of=JUNE)[0].id
        for desk in ("EM FX", "Treasury")
    }

    assert len(ids) == 2


def test_a_role_is_told_of_nothing_else(trader: Retriever, retriever: Retriever) -> None:
    """Other tables are not in the model, other values are not known, and asking is refused."""
    assert {"syn_positions", "syn_desks"} == {d.table for d in trader.model.datasets}
    assert {("EM FX",)} == {v for k, v in trader.known_values.items() if k.endswith(".desk")}
    assert retriever.retrieve(LOANS, as_of=SEPTEMBER)
    with pytest.raises(QueryInvalid):
        trader.retrieve(LOANS, as_of=SEPTEMBER)
    with pytest.raises(QueryRefused):
        trader.retrieve("SELECT balance FROM syn_loans", as_of=SEPTEMBER)


def test_a_statement_cannot_give_the_value(trader: Retriever) -> None:
    """`$desk` in a statement is the role's own value, and no other name is bound."""
    _, table = trader.retrieve("SELECT $desk AS mine FROM syn_desks", as_of=SEPTEMBER)

    assert (("EM FX",),) == table.data
    with pytest.raises(QueryRefused):
        trader.retrieve("SELECT $other AS x FROM syn_desks", as_of=SEPTEMBER)


def test_a_role_without_its_value_reads_nothing(
    sample_warehouse: Warehouse, policy: GuardPolicy
) -> None:
    """A forgotten value is a refusal, not the whole table."""
    with pytest.raises(QueryRefused):
        Retriever.on(sample_warehouse, policy).retrieve(BY_DESK, as_of=SEPTEMBER)


@pytest.mark.parametrize("value", ["EM FX' OR '1'='1", "%", None, "em fx"])
def test_a_value_is_bound_and_never_text(
    sample_warehouse: Warehouse, policy: GuardPolicy, value: object
) -> None:
    """Whatever a value holds, it is compared, not read as SQL; nothing equals a null."""
    own = Retriever.on(sample_warehouse, policy, {"desk": value})
    _, table = own.retrieve("SELECT count(*) AS n FROM syn_positions", as_of=SEPTEMBER)

    assert ((0,),) == table.data
