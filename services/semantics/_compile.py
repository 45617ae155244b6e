"""Check a metric query against the model and compile it to one SQL statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from services.errors import QueryInvalid
from services.evidence import Column, Frozen, Sensitivity

from ._joins import Place, find_field
from ._model import Metric, SemanticModel
from ._query import Filter, MetricQuery

_RANK: dict[Sensitivity, int] = {"public": 0, "internal": 1, "confidential": 2}


class CompiledQuery(Frozen):
    """One SELECT in DuckDB's dialect, and what its columns mean."""

    sql: str
    columns: tuple[Column, ...]
    """Dimensions, then metrics, in the order of the query."""
    key: tuple[str, ...]
    """The dimension columns: their values name a row."""
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A dimension of the query: its output column, and where each dataset finds it."""

    column: str
    name: str
    places: dict[str, Place]


@dataclass(frozen=True, slots=True)
class Plan:
    """A metric query with every name resolved and every rule checked."""

    model: SemanticModel
    query: MetricQuery
    metrics: tuple[Metric, ...]
    bases: tuple[str, ...]
    """The datasets that the metrics read, each aggregated on its own."""
    groups: tuple[Group, ...]
    conditions: dict[str, tuple[tuple[Place, Filter], ...]] = field(default_factory=dict)
    """For each base, the filters on its rows."""
    metric_filters: tuple[tuple[Metric, Filter], ...] = ()


def compile_query(model: SemanticModel, query: MetricQuery) -> CompiledQuery:
    """
    One statement that answers *query*, its rows in a total order.

    Raises `QueryInvalid` when a name is unknown or ambiguous, a join would multiply a measure, a
    value that is stored at a grain would be combined, or a stock would be summed across dates: a
    metric of a snapshot dataset needs one date (`time_range.as_of`, or a filter on the time field
    that leaves one) or the time field among the dimensions.
    """
    from ._sql import build_statement

    plan = _plan(model, query)
    for metric in plan.metrics:
        _check_aggregation(plan, metric)
    sql, datasets = build_statement(plan)
    return CompiledQuery(
        sql=sql,
        columns=(*(_group_column(g) for g in plan.groups), *map(_metric_column, plan.metrics)),
        key=tuple(group.column for group in plan.groups),
        tables=tuple(sorted({model.dataset(name).table for name in datasets})),
    )


def _plan(model: SemanticModel, query: MetricQuery) -> Plan:
    metrics = tuple(model.metric(name) for name in query.metrics)
    bases = tuple(dict.fromkeys(name for metric in metrics for name in metric.datasets))
    names = {metric.name: metric for metric in metrics}
    row_filters = [f for f in query.filters if f.field not in names]
    groups = _groups(model, query, bases)
    _check_columns(query, groups)
    return Plan(
        model=model,
        query=query,
        metrics=metrics,
        bases=bases,
        groups=groups,
        conditions={
            base: tuple(
                (find_field(model, base, f.field), f)
                for f in (*row_filters, *_time_filters(model, query, base))
            )
            for base in bases
        },
        metric_filters=tuple((names[f.field], f) for f in query.filters if f.field in names),
    )


def _groups(model: SemanticModel, query: MetricQuery, bases: tuple[str, ...]) -> tuple[Group, ...]:
    short = [name.rpartition(".")[2] for name in query.dimensions]
    groups = []
    for name, column in zip(query.dimensions, short, strict=True):
        places = {base: find_field(model, base, name) for base in bases}
        for place in places.values():
            if not place.field.is_dimension:
                raise QueryInvalid(
                    f"{place.field.label} ({place.dataset}.{place.field.name}) is a measure, "
                    "which rows cannot be grouped by.",
                    hint="Use it in a filter, or group by a dimension.",
                )
        _check_same_meaning(places)
        unique = column if short.count(column) == 1 else name.replace(".", "_")
        groups.append(Group(unique, name, places))
    return tuple(groups)


def _check_same_meaning(places: dict[str, Place]) -> None:
    """Datasets are joined on a dimension only where it is the same thing in each."""
    if len({(place.field.type, place.field.label) for place in places.values()}) > 1:
        named = ", ".join(f"{place.dataset}.{place.field.name}" for place in places.values())
        raise QueryInvalid(
            "The figures cannot be grouped together: the dimension means another thing in each.",
            hint=f"Ask for them one at a time. The fields are: {named}.",
        )


def _check_columns(query: MetricQuery, groups: tuple[Group, ...]) -> None:
    columns = [*(group.column for group in groups), *query.metrics]
    if len(set(columns)) != len(columns):
        raise QueryInvalid("Two columns of the query would have the same name.")
    known = {*columns, *(group.name for group in groups)}
    if any(order.by not in known for order in query.order):
        raise QueryInvalid(
            "The query is ordered by something that it does not ask for.",
            hint=f"Order by one of: {', '.join(columns)}.",
        )


def _time_filters(model: SemanticModel, query: MetricQuery, base: str) -> tuple[Filter, ...]:
    period = query.time_range
    if period is None:
        return ()
    dataset = model.dataset(base)
    if dataset.time_field is None:
        raise QueryInvalid(
            f"{dataset.label} ({base}) has no time field, so it cannot be limited to a date.",
            hint="Leave the time range out.",
        )
    limits: tuple[tuple[str, date | None], ...] = (
        ("eq", period.as_of),
        ("ge", period.start),
        ("le", period.end),
    )
    name = f"{base}.{dataset.time_field}"
    return tuple(
        Filter.model_validate({"field": name, "op": op, "values": (value,)})
        for op, value in limits
        if value is not None
    )


def _check_aggregation(plan: Plan, metric: Metric) -> None:
    """Refuse to combine what does not add up: stocks of several dates, values below their grain."""
    for base in metric.datasets:
        dataset = plan.model.dataset(base)
        time = dataset.time_field
        if time and dataset.time_is_snapshot and not _is_fixed(plan, base, time):
            raise QueryInvalid(
                f"{metric.label} ({metric.name}) is a stock: it cannot be summed across dates.",
                hint=f"Give one date, or put {time} among the dimensions.",
            )
        missing = [name for name in metric.grain if not _is_fixed(plan, base, name)]
        if missing:
            raise QueryInvalid(
                f"{metric.label} ({metric.name}) has one value for each "
                f"{' and '.join(metric.grain)}; these cannot be combined.",
                hint=f"Group by {' and '.join(missing)}, or fix it with an equality filter.",
            )


def _is_fixed(plan: Plan, base: str, name: str) -> bool:
    """Whether each row of the result stands for one value of the base's field *name*."""
    grouped = any(
        (place := group.places[base]).dataset == base and place.field.name == name
        for group in plan.groups
    )
    pinned = any(
        place.dataset == base
        and place.field.name == name
        and condition.op in ("eq", "in")
        and len(set(condition.values)) == 1
        for place, condition in plan.conditions[base]
    )
    return grouped or pinned


def _group_column(group: Group) -> Column:
    fields = [place.field for place in group.places.values()]
    first = fields[0]
    return Column(
        name=group.column,
        type=first.type,
        unit=first.unit,
        label=first.label,
        sensitivity=max((f.sensitivity for f in fields), key=_RANK.__getitem__),
    )


def _metric_column(metric: Metric) -> Column:
    return Column(
        name=metric.name,
        type=metric.type,
        unit=metric.unit,
        label=metric.label,
        sensitivity=metric.sensitivity,
    )
