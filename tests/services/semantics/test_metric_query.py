"""A metric query refuses nonsense when it is built."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from pydantic import ValidationError

from services.semantics import Filter, MetricQuery, Order, TimeRange


def test_a_query_survives_a_journey_through_json():
    """A query written to JSON and read back compiles to the same thing."""
    query = MetricQuery(
        metrics=("loan_balance",),
        dimensions=("sector",),
        filters=(Filter(field="stage", op="in", values=(2, 3)),),
        time_range=TimeRange(as_of=date(2026, 9, 30)),
        order=(Order(by="loan_balance", descending=True),),
        limit=5,
    )

    assert query == MetricQuery.model_validate_json(query.model_dump_json())


@pytest.mark.parametrize("value", [True, 3, Decimal("0.1"), 0.5, "BBB", date(2026, 9, 30)])
def test_a_filter_keeps_the_type_of_its_value(value):
    """No value of a filter is turned into another type."""
    (kept,) = Filter(field="x", values=(value,)).values

    assert (type(value), value) == (type(kept), kept)


@pytest.mark.parametrize(
    "query",
    [
        {"metrics": []},
        {"metrics": ["a", "a"]},
        {"metrics": ["a"], "dimensions": ["b", "b"]},
        {"metrics": ["a"], "limit": 0},
        {"metrics": ["a"], "filters": [{"field": "b", "op": "like", "values": ["c"]}]},
        {"metrics": ["a"], "filters": [{"field": "b", "op": "eq", "values": []}]},
        {"metrics": ["a"], "filters": [{"field": "b", "op": "in", "values": []}]},
        {"metrics": ["a"], "filters": [{"field": "b", "op": "between", "values": [1]}]},
        {"metrics": ["a"], "filters": [{"field": "b", "op": "is_null", "values": [1]}]},
        {"metrics": ["a"], "time_range": {}},
        {"metrics": ["a"], "time_range": {"as_of": "2026-09-30", "start": "2026-01-01"}},
        {"metrics": ["a"], "time_range": {"start": "2026-09-30", "end": "2026-01-01"}},
        {"metrics": ["a"], "sql": "DROP TABLE x"},
    ],
)
def test_nonsense_is_refused(query):
    """Empty, doubled, unknown and contradictory parts are refused."""
    with pytest.raises(ValidationError):
        MetricQuery.model_validate(query)
