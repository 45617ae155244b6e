"""What holds for every query that compiles."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.errors import QueryInvalid
from services.semantics import MetricQuery, TimeRange, compile_query, sample_model
from services.warehouse import Warehouse, policy_tables
from sql_guard import Guard, GuardPolicy

from .conftest import SEPTEMBER, Ask

MODEL = sample_model()
ADDITIVE = [metric for metric in MODEL.metrics if metric.is_additive]
DIMENSIONS = sorted({field.name for _, field in MODEL.dimensions()})
MODEST = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _query(metrics: list[str], dimensions: list[str]) -> MetricQuery:
    is_stock = any(
        MODEL.dataset(base).time_is_snapshot
        for metric in metrics
        for base in MODEL.metric(metric).datasets
    )
    period = TimeRange.model_validate({"as_of": SEPTEMBER}) if is_stock else None
    return MetricQuery(metrics=tuple(metrics), dimensions=tuple(dimensions), time_range=period)


@st.composite
def compiling_queries(draw: st.DrawFn) -> MetricQuery:
    """A metric with dimensions that it can be grouped by."""
    metric = draw(st.sampled_from(ADDITIVE)).name
    dimensions = []
    for name in draw(st.lists(st.sampled_from(DIMENSIONS), max_size=6, unique=True)):
        try:
            compile_query(MODEL, _query([metric], [*dimensions, name]))
        except QueryInvalid:
            continue
        dimensions.append(name)
    return _query([metric], dimensions)


@MODEST
@given(query=compiling_queries())
def test_the_groups_of_an_additive_metric_add_up_to_the_whole(ask: Ask, query: MetricQuery):
    """Whatever the dimensions, nothing is lost and nothing counted twice."""
    (metric,) = query.metrics
    groups = ask(query.model_dump()).values(metric)
    (whole,) = ask(query.model_copy(update={"dimensions": ()}).model_dump()).values(metric)

    assert whole == sum((Decimal(str(value)) for value in groups if value is not None), Decimal(0))


@MODEST
@given(query=compiling_queries())
def test_a_row_is_named_by_its_dimensions(ask: Ask, query: MetricQuery):
    """No two rows share a key, and the rows come in one order only."""
    table = ask(query.model_dump())

    assert len(table) == len(set(table.row_keys))
    assert table.data == ask(query.model_dump()).data


@pytest.fixture(scope="session")
def guard(sample_warehouse: Warehouse) -> Guard:
    return Guard(GuardPolicy(tables=policy_tables(sample_warehouse.catalog())))


@MODEST
@given(
    metrics=st.lists(st.sampled_from([m.name for m in MODEL.metrics]), min_size=1, max_size=3),
    dimensions=st.lists(st.sampled_from(DIMENSIONS), max_size=3, unique=True),
)
def test_what_compiles_passes_the_guard_and_runs(
    sample_warehouse: Warehouse, guard: Guard, metrics: list[str], dimensions: list[str]
):
    """A query is refused by the compiler, or admitted by guard and engine alike."""
    query = _query(list(dict.fromkeys(metrics)), dimensions)
    try:
        compiled = compile_query(MODEL, query.model_copy(update={"limit": 3}))
    except QueryInvalid:
        return
    verdict = guard.check(compiled.sql)

    assert () == verdict.violations
    assert verdict.sql is not None
    names = [column.name for column in sample_warehouse.execute(verdict.sql).table.columns]
    assert [column.name for column in compiled.columns] == names
