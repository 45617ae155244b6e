"""The statement of a plan, built as a syntax tree; no value is ever pasted into text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlglot import exp

from ._compile import Group, Plan
from ._expressions import DIALECT, aggregates, dataset_of, parse, with_safe_division
from ._joins import Place
from ._literals import condition
from ._model import Metric, Relationship, SemanticModel


def build_statement(plan: Plan) -> tuple[str, frozenset[str]]:
    """The statement in DuckDB's dialect, and the datasets it reads."""
    select = _one_dataset(plan) if len(plan.bases) == 1 else _several_datasets(plan)
    order = _total_order(plan)
    if order:
        select = select.order_by(*order)
    if plan.query.limit is not None:
        select = select.limit(plan.query.limit)
    used = {step.target for base in plan.bases for step in _steps(plan, base)}
    return select.sql(dialect=DIALECT, pretty=True, copy=False), frozenset((*plan.bases, *used))


def build_distinct(model: SemanticModel, place: Place, limit: int | None) -> str:
    """The first values that occur at *place*, each once, in order."""
    value = _row_value(place)
    missing = exp.Is(this=value.copy(), expression=exp.Null())
    select = exp.select(exp.alias_(value, _name(place.field.name)))
    select = select.from_(_source(model, place.dataset)).where(exp.not_(missing)).distinct()
    select = select.order_by(exp.Column(this=_name(place.field.name)))
    if limit is not None:
        select = select.limit(limit)
    return select.sql(dialect=DIALECT, pretty=True, copy=False)


def _one_dataset(plan: Plan) -> exp.Select:
    """Aggregate one dataset, with its filters on metrics in HAVING."""
    (base,) = plan.bases
    measures = {metric.name: _in_columns(plan.model, _tree(metric)) for metric in plan.metrics}
    select = _grouped(plan, base).select(
        *(exp.alias_(tree, _name(name)) for name, tree in measures.items())
    )
    conditions = _metric_conditions(plan, measures)
    return select.having(*conditions) if conditions else select


def _several_datasets(plan: Plan) -> exp.Select:
    """Aggregate each dataset on its own to the shared dimensions, then join the groups."""
    totals = {base: f"{base}_totals" for base in plan.bases}
    leaves: dict[str, dict[str, exp.Expr]] = {base: {} for base in plan.bases}
    measures = {metric.name: _from_totals(metric, totals, leaves) for metric in plan.metrics}
    first, *others = plan.bases
    joined = [first]
    select = exp.select(
        *(exp.alias_(_coalesced(g, totals.values()), _name(g.column)) for g in plan.groups),
        *(exp.alias_(tree, _name(name)) for name, tree in measures.items()),
    ).from_(_table(totals[first]))
    for base in others:
        matches = [
            exp.NullSafeEQ(
                this=_coalesced(group, (totals[name] for name in joined)),
                expression=_column(totals[base], group.column),
            )
            for group in plan.groups
        ]
        on = exp.and_(*matches) if matches else None
        select = select.join(_table(totals[base]), on=on, join_type="FULL" if matches else "CROSS")
        joined.append(base)
    conditions = _metric_conditions(plan, measures)
    if conditions:
        select = select.where(*conditions)
    for base in plan.bases:
        part = _grouped(plan, base).select(
            *(
                exp.alias_(_in_columns(plan.model, leaf), _name(name))
                for name, leaf in leaves[base].items()
            )
        )
        select = select.with_(_name(totals[base]), as_=part)
    return select


def _metric_conditions(plan: Plan, measures: dict[str, exp.Expr]) -> list[exp.Expr]:
    return [condition(measures[m.name], m.type, wanted) for m, wanted in plan.metric_filters]


def _from_totals(
    metric: Metric, totals: dict[str, str], leaves: dict[str, dict[str, exp.Expr]]
) -> exp.Expr:
    """The metric over the columns of the totals; each aggregate it needs is added to *leaves*."""
    tree = _tree(metric)
    for number, aggregate in enumerate(aggregates(tree), start=1):
        base = dataset_of(aggregate) or metric.datasets[0]
        name = next(
            (known for known, leaf in leaves[base].items() if leaf == aggregate),
            metric.name if aggregate is tree else f"{metric.name}_{number}",
        )
        leaves[base].setdefault(name, aggregate.copy())
        column = _column(totals[base], name)
        if aggregate is tree:
            return column
        aggregate.replace(column)
    return tree


def _grouped(plan: Plan, base: str) -> exp.Select:
    """SELECT the dimensions FROM *base* and its joins WHERE the filters hold, one row a group."""
    model = plan.model
    places = [(group.column, _row_value(group.places[base])) for group in plan.groups]
    select = exp.select(*(exp.alias_(tree, _name(column)) for column, tree in places))
    select = select.from_(_source(model, base))
    for step in _steps(plan, base):
        select = select.join(
            _source(model, step.target), on=_keys_match(model, step), join_type="LEFT"
        )
    conditions = [
        condition(_row_value(place), place.field.type, wanted)
        for place, wanted in plan.conditions[base]
    ]
    if conditions:
        select = select.where(*conditions)
    return select.group_by(*(tree.copy() for _, tree in places)) if places else select


def _steps(plan: Plan, base: str) -> Sequence[Relationship]:
    """The joins that the dimensions and filters of *base* need, nearest first, each once."""
    places: Iterable[Place] = (
        *(group.places[base] for group in plan.groups),
        *(place for place, _ in plan.conditions[base]),
    )
    return tuple(dict.fromkeys(step for place in places for step in place.path))


def _keys_match(model: SemanticModel, step: Relationship) -> exp.Expr:
    pairs = zip(step.source_columns, step.target_columns, strict=True)
    return exp.and_(
        *(
            exp.EQ(
                this=_row_value(Place(step.source, model.dataset(step.source).field(left))),
                expression=_row_value(Place(step.target, model.dataset(step.target).field(right))),
            )
            for left, right in pairs
        )
    )


def _tree(metric: Metric) -> exp.Expr:
    return with_safe_division(parse(metric.expression))


def _in_columns(model: SemanticModel, tree: exp.Expr) -> exp.Expr:
    """*tree* with each `dataset.field` replaced by the expression of the field."""

    def resolve(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column):
            field = model.dataset(node.table).field(node.name)
            return _row_value(Place(node.table, field))
        return node

    return _transformed(tree, resolve)


def _row_value(place: Place) -> exp.Expr:
    """The expression of a field, its columns qualified with the dataset."""

    def qualify(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and not node.table:
            return exp.Column(this=node.this.copy(), table=_name(place.dataset))
        return node

    tree = _transformed(parse(place.field.expression), qualify)
    return tree if isinstance(tree, (exp.Column, exp.Func)) else exp.paren(tree)


def _transformed(tree: exp.Expr, change: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    changed = tree.transform(change)
    assert isinstance(changed, exp.Expr)
    return changed


def _coalesced(group: Group, tables: Iterable[str]) -> exp.Expr:
    columns = [_column(table, group.column) for table in tables]
    return columns[0] if len(columns) == 1 else exp.func("COALESCE", *columns)


def _total_order(plan: Plan) -> list[exp.Expr]:
    """The wanted order, then every dimension, so that the same rows always come the same way."""
    groups = {group.column: group for group in plan.groups}
    columns = {group.name: group.column for group in plan.groups}
    wanted = {columns.get(o.by, o.by): o.descending for o in plan.query.order}
    for column in groups:
        wanted.setdefault(column, False)
    return [
        exp.Ordered(this=key, desc=descending, nulls_first=False)
        for name, descending in wanted.items()
        for key in (*_sort_keys(plan, groups.get(name)), exp.Column(this=_name(name)))
    ]


def _sort_keys(plan: Plan, group: Group | None) -> tuple[exp.Expr, ...]:
    """What puts the values of a dimension in order; several datasets keep to the values."""
    if group is None or len(plan.bases) > 1:
        return ()
    place = group.places[plan.bases[0]]
    if place.field.sort_by is None:
        return ()
    rank = plan.model.dataset(place.dataset).field(place.field.sort_by)
    return (exp.Min(this=_row_value(Place(place.dataset, rank))),)


def _source(model: SemanticModel, dataset: str) -> exp.Table:
    table = model.dataset(dataset).table
    parts = [_name(part) for part in table.split(".")]
    names = dict(zip(("this", "db", "catalog"), reversed(parts), strict=False))
    source = exp.Table(**names)
    if table != dataset:
        source.set("alias", exp.TableAlias(this=_name(dataset)))
    return source


def _table(name: str) -> exp.Table:
    return exp.Table(this=_name(name))


def _column(table: str, name: str) -> exp.Column:
    return exp.Column(this=_name(name), table=_name(table))


def _name(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)
