"""A compiled query gives the rows of the statement an analyst would write by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from services.errors import QueryInvalid
from services.semantics import MetricQuery, compile_query, load_model, sample_model

from .conftest import JUNE, SEPTEMBER, Ask, Rows

AT = {"as_of": SEPTEMBER}

BY_HAND = yaml.safe_load(
    (Path(__file__).parent / "fixtures" / "by_hand.yaml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", BY_HAND, ids=lambda case: case["name"])
def test_a_compiled_query_equals_the_statement_by_hand(ask: Ask, rows: Rows, case):
    """Rows, values and order are those of the statement by hand."""
    assert rows(case["sql"]) == list(zip(*ask(case["query"]).data, strict=True))


REFUSED = {
    "an unknown metric": ({"metrics": ["net_exposures"]}, "net_exposure"),
    "an unknown field": (
        {"metrics": ["loan_balance"], "dimensions": ["colour"], "time_range": AT},
        "field or dataset.field",
    ),
    "an unknown dataset": (
        {"metrics": ["loan_balance"], "dimensions": ["syn_loan.sector"], "time_range": AT},
        "syn_loans",
    ),
    "a join that multiplies rows": (
        {"metrics": ["card_credit_limit"], "dimensions": ["month"]},
        "metric of card_history",
    ),
    "a filter that multiplies rows": (
        {"metrics": ["card_credit_limit"], "filters": [{"field": "bucket", "values": ["current"]}]},
        "metric of card_history",
    ),
    "no relationship": (
        {"metrics": ["loan_balance"], "dimensions": ["desk"], "time_range": AT},
        "It belongs to",
    ),
    "a filter that reaches only one side": (
        {
            "metrics": ["cet1_ratio"],
            "dimensions": ["as_of"],
            "filters": [{"field": "item", "values": ["CET1"]}],
        },
        "It belongs to",
    ),
    "a stock summed across dates": ({"metrics": ["loan_balance"]}, "Give one date"),
    "a stock summed over a range": (
        {"metrics": ["loan_balance"], "time_range": {"start": JUNE, "end": SEPTEMBER}},
        "Give one date",
    ),
    "rates combined across currencies": (
        {"metrics": ["fx_rate"], "dimensions": ["rate_date"]},
        "Group by ccy",
    ),
    "amounts summed across currencies": (
        {"metrics": ["local_market_value"], "dimensions": ["desk"], "time_range": AT},
        "Group by ccy",
    ),
    "a date on what has none": (
        {"metrics": ["card_account_count"], "time_range": AT},
        "Leave the time range out",
    ),
    "one name for two things": (
        {"metrics": ["loan_count", "small_loan_count"], "dimensions": ["loan_id"]},
        "one at a time",
    ),
    "grouping by a measure": (
        {"metrics": ["loan_balance"], "dimensions": ["balance"], "time_range": AT},
        "filter",
    ),
    "an order by something else": (
        {"metrics": ["loan_balance"], "time_range": AT, "order": [{"by": "sector"}]},
        "Order by one of",
    ),
    "a text compared with a number": (
        {
            "metrics": ["loan_balance"],
            "time_range": AT,
            "filters": [{"field": "sector", "values": [3]}],
        },
        "YYYY-MM-DD",
    ),
    "a date that is none": (
        {
            "metrics": ["loan_balance"],
            "filters": [{"field": "as_of", "values": ["last quarter"]}],
        },
        "YYYY-MM-DD",
    ),
    "an infinite number": (
        {
            "metrics": ["loan_balance"],
            "time_range": AT,
            "filters": [{"field": "balance", "op": "gt", "values": [float("inf")]}],
        },
        "YYYY-MM-DD",
    ),
}


@pytest.mark.parametrize(("query", "hint"), REFUSED.values(), ids=REFUSED)
def test_a_query_that_would_mislead_is_refused_with_a_hint(query, hint: str):
    """What would multiply, average or mix figures never reaches the engine."""
    with pytest.raises(QueryInvalid) as refusal:
        compile_query(sample_model(), MetricQuery.model_validate(query))

    assert hint in refusal.value.hint


def test_a_ratio_without_denominator_is_missing(ask: Ask):
    """Coverage is empty where nothing is in stage 3, never zero or infinite."""
    query = {
        "metrics": ["coverage_ratio"],
        "time_range": AT,
        "filters": [{"field": "stage", "values": [1]}],
    }

    assert ((None,),) == ask(query).data


def test_money_stays_decimal_and_ratios_are_doubles(ask: Ask):
    """Sums of money are exact; a quotient is a double."""
    query = {"metrics": ["loan_balance", "npl_ratio", "expected_loss"], "time_range": AT}
    (balance,), (ratio,), (loss,) = ask(query).data

    assert (Decimal, float, Decimal) == (type(balance), type(ratio), type(loss))


def test_columns_carry_label_unit_and_sensitivity():
    """What a column means comes from the model; the key is its dimensions."""
    query = {"metrics": ["counterparty_exposure"], "dimensions": ["name"], "time_range": AT}
    compiled = compile_query(sample_model(), MetricQuery.model_validate(query))

    assert [
        ("name", "string", "", "Counterparty", "confidential"),
        ("counterparty_exposure", "decimal", "EUR", "Counterparty exposure", "internal"),
    ] == [(c.name, c.type, c.unit, c.label, c.sensitivity) for c in compiled.columns]
    assert ("name",) == compiled.key
    assert ("syn_counterparties", "syn_counterparty_exposures") == compiled.tables


def test_a_text_value_is_never_more_than_a_value(ask: Ask):
    """A quote in a value ends no string: the query finds no such sector."""
    query = {
        "metrics": ["loan_count"],
        "time_range": AT,
        "filters": [{"field": "sector", "values": ["x' OR '1' = '1"]}],
    }

    assert ((0,),) == ask(query).data


def test_values_come_in_their_own_order(ask: Ask):
    """Maturity buckets run from the nearest to the farthest, not by the alphabet."""
    query = {"metrics": ["liquidity_gap"], "dimensions": ["bucket"], "time_range": AT}

    assert (
        "overnight",
        "2-7 days",
        "8-30 days",
        "1-3 months",
        "3-6 months",
        "6-12 months",
        "over 1 year",
    ) == ask(query).values("bucket")


def test_ne_and_not_in_keep_rows_whose_value_is_missing(ask: Ask, rows: Rows):
    """A loan without a borrower is none of a rated borrower's loans."""
    by_hand = (
        "SELECT COUNT(*) FROM syn_loans LEFT JOIN syn_counterparties USING (counterparty_id) "
        "WHERE as_of = DATE '2026-09-30' AND rating IS DISTINCT FROM 'BBB'"
    )
    query = {
        "metrics": ["loan_count"],
        "time_range": AT,
        "filters": [{"field": "rating", "op": "ne", "values": ["BBB"]}],
    }

    assert rows(by_hand)[0] == ask(query).data[0]


def _world(relationships: str) -> str:
    expression = "expression: {dialects: [{dialect: ANSI_SQL, expression: %s}]}"
    fields = "\n".join(
        f"    - {{name: {name}, dimension: {{is_time: false}}, {expression % name}}}"
        for name in ("id", "owner", "agent", "town")
    )
    datasets = "\n".join(
        f"  - name: {name}\n    source: {name}\n    primary_key: [id]\n    fields:\n{fields}"
        for name in ("sales", "people", "towns")
    )
    return (
        f"version: 0.2.0.dev0\nsemantic_model:\n- name: world\n  datasets:\n{datasets}\n"
        f"  relationships:\n{relationships}\n"
        "  metrics:\n  - name: sale_count\n    expression: {dialects: [{dialect: ANSI_SQL, "
        "expression: COUNT(sales.id)}]}\n"
    )


def _relationship(name: str, source: str, target: str, column: str) -> str:
    return (
        f"  - {{name: {name}, from: {source}, to: {target}, "
        f"from_columns: [{column}], to_columns: [id]}}\n"
    )


def test_joins_go_over_several_relationships():
    """A field two steps away is joined over both."""
    model = load_model(
        _world(
            _relationship("sale_owner", "sales", "people", "owner")
            + _relationship("person_town", "people", "towns", "town")
        )
    )
    query = MetricQuery(metrics=("sale_count",), dimensions=("towns.agent",))

    assert ("people", "sales", "towns") == compile_query(model, query).tables


def test_a_field_on_two_paths_is_refused():
    """Owner or agent: the query does not say whose town is meant."""
    model = load_model(
        _world(
            _relationship("sale_owner", "sales", "people", "owner")
            + _relationship("sale_agent", "sales", "people", "agent")
        )
    )
    query = MetricQuery(metrics=("sale_count",), dimensions=("people.town",))

    with pytest.raises(QueryInvalid, match="more than one path"):
        compile_query(model, query)
