"""About how many rows FROM and its joins make, by how many different values their keys can have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlglot import exp

from ._estimate import UNKNOWN
from ._names import fold
from ._scope import Relation, Scope

# A value that is calculated or cut off is taken to differ this often, in tables and among generated rows.
_CUT_VARIETY: Final = 50.0
_CALCULATED_VARIETY: Final = 1_000.0
_TRUTHS: Final = 3.0
FEW_VALUES: Final = 10.0
"""How many different values are taken to be in a list, which may hold the same ones over and over."""
_SAME_VARIETY: Final = (exp.Paren, exp.Cast, exp.TryCast, exp.Lower, exp.Upper, exp.Coalesce)
_CUTTING: Final = (exp.Trim, exp.TimestampTrunc, exp.LastDay, exp.Substring, exp.Left)
_VARYING: Final = (exp.PositionalColumn, exp.Star, exp.Window)
_SHIFTING: Final = (exp.Add, exp.Sub, exp.DPipe)


def join_rows(node: exp.Expr, relations: Sequence[Relation], scope: Scope) -> float:
    """
    About how many rows FROM and the joins of *node* make.

    A relation that equality ties to what stands before it adds no rows where the equal values are
    all different, and any other multiplies them.
    """
    where = node.args.get("where")
    _tie_by_where(where.this if where is not None else None, scope)
    rows = 1.0
    for relation in relations:
        own = max(1.0, relation.shape.rows)
        rows = max(rows, own, rows * own / relation.keys) if relation.ties else rows * own
    return rows


def tie(condition: exp.Expr | None, right: Iterable[Relation], scope: Scope) -> None:
    """Counts for *right* the conjuncts of *condition* that equate a column of it with one of elsewhere."""
    own = {id(relation) for relation in right}
    for one, other in equalities(condition):
        sides = (relation_of(one, scope), relation_of(other, scope))
        if None not in sides and sum(id(side) in own for side in sides) == 1:
            values = _equated(one, other, scope)
            for relation in right:
                relation.tie(values)


def tie_by_name(names: Iterable[str], left: list[Relation], right: list[Relation]) -> None:
    """Counts for *right* that it has the same values as *left* in the columns *names*."""
    for name in names:
        ours, theirs = (
            min((_values(r, name) for r in side if name in r.shape.columns), default=UNKNOWN)
            for side in (left, right)
        )
        for relation in right:
            relation.tie(max(ours, theirs))
            relation.varieties[name] = min(ours, theirs)


def variety(node: exp.Expr, scope: Scope) -> float:
    """How many different values a column made by *node* has; unknown where all may differ."""
    while isinstance(node, exp.Alias | exp.Paren) or (
        isinstance(node, exp.Add | exp.Sub) and isinstance(node.expression, exp.Literal)
    ):
        node = node.this
    match node:
        case exp.Column():
            found = _variety(node, scope)
        case exp.Mod() if node.expression.is_number:
            found = max(1.0, abs(float(node.expression.name)))
        case exp.Predicate() | exp.Not() | exp.And() | exp.Or():
            found = _TRUTHS
        case exp.Explode(this=exp.Array() as listed):
            found = different(listed.expressions)
        case exp.Explode(this=exp.GenerateSeries()):
            found = UNKNOWN
        case exp.Explode():
            varied = list(_varied(node.this, scope))
            found = _CALCULATED_VARIETY if varied else FEW_VALUES
        case _:
            found = min(_CALCULATED_VARIETY, math.prod(_varied(node, scope)))
    return found


def _varied(node: exp.Expr, scope: Scope) -> Iterator[float]:
    """How many different values each part of *node* has that is not the same in all rows."""
    stack = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, _VARYING):
            yield UNKNOWN
        elif isinstance(part, exp.Column | exp.Explode):
            yield variety(part, scope)
        elif isinstance(part, exp.Subquery | exp.Select):
            inner = scope.inner.get(id(part.unnest()))
            if inner is None or inner.correlated:
                yield UNKNOWN
        else:
            stack.extend(part.iter_expressions())


def different(values: Iterable[exp.Expr]) -> float:
    """How many of *values* differ in how they are written."""
    return float(len({_as_written(value) for value in values}))


def _as_written(value: exp.Expr) -> str | tuple[str, bool]:
    if isinstance(value, exp.Literal):
        return value.name, bool(value.is_string)
    return value.sql()


def _variety(node: exp.Expr, scope: Scope) -> float:
    """How many different values the side *node* of an equality has; unknown where all may differ."""
    most = UNKNOWN
    while not isinstance(node, exp.Column):
        if isinstance(node, exp.Cast) and node.is_type(exp.DataType.Type.BOOLEAN):
            most = min(most, _TRUTHS)
        elif isinstance(node, _CUTTING) or (
            isinstance(node, _SHIFTING) and node.expression.find(exp.Column) is not None
        ):
            most = min(most, _CUT_VARIETY)
        elif not isinstance(node, _SAME_VARIETY):
            most = min(most, _CALCULATED_VARIETY)
        node = node.this
    relation = relation_of(node, scope)
    return most if relation is None else min(most, _values(relation, fold(node.name)))


def _values(relation: Relation, name: str) -> float:
    fact = relation.shape.columns.get(name)
    return min(relation.varieties.get(name, UNKNOWN), fact.variety if fact else UNKNOWN)


def _equated(one: exp.Expr, other: exp.Expr, scope: Scope) -> float:
    """How many different values an equality compares; no more than the fewer are left after it."""
    left, right = _variety(one, scope), _variety(other, scope)
    for side in (one, other):
        if isinstance(side, exp.Column) and (relation := relation_of(side, scope)) is not None:
            relation.varieties[fold(side.name)] = min(left, right)
    return max(left, right)


def _tie_by_where(condition: exp.Expr | None, scope: Scope) -> None:
    """Counts each equality of columns of two relations for the later of the two."""
    order = {id(relation): index for index, relation in enumerate(scope.relations)}
    for one, other in equalities(condition):
        sides = [side for side in (relation_of(one, scope), relation_of(other, scope)) if side]
        if len(sides) == 2 and sides[0] is not sides[1]:
            later = max(sides, key=lambda side: order.get(id(side), -1))
            values = _equated(one, other, scope)
            later.tie(values)
            if any(id(side) not in order for side in sides):
                scope.outer_keys *= min(values, _CALCULATED_VARIETY)


def equalities(condition: exp.Expr | None) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    """The two sides of each conjunct of *condition* that is an equality."""
    stack = [condition] if condition is not None else []
    while stack:
        current = stack.pop()
        if isinstance(current, exp.And):
            stack += [current.this, current.expression]
        elif isinstance(current, exp.Paren):
            stack.append(current.this)
        elif isinstance(current, exp.EQ | exp.NullSafeEQ):
            if isinstance(current.this, exp.Tuple) and isinstance(current.expression, exp.Tuple):
                yield from zip(
                    current.this.expressions, current.expression.expressions, strict=False
                )
            else:
                yield current.this, current.expression


def relation_of(node: exp.Expr, scope: Scope) -> Relation | None:
    """The relation of the column that *node* is, or is calculated from without losing much."""
    while isinstance(node, (*_SAME_VARIETY, *_CUTTING, *_SHIFTING)):
        node = node.this
    if not isinstance(node, exp.Column):
        return None
    name, table = fold(node.name), fold(node.text("table"))
    for level in scope.levels():
        for relation in level.relations:
            if table == relation.alias if table else name in relation.shape.columns:
                return relation
        if not table:
            for relation in level.relations:
                if relation.shape.open:
                    return relation
    return None


def grouping_sets(group: exp.Expr) -> float:
    """How many groupings CUBE, ROLLUP and GROUPING SETS in *group* stand for."""
    return math.prod(_groupings(item) for item in group.expressions)


def _groupings(item: exp.Expr) -> float:
    match item:
        case exp.Cube():
            return 2.0 ** len(item.expressions)
        case exp.Rollup():
            return len(item.expressions) + 1.0
        case exp.GroupingSets():
            return sum(_groupings(part) for part in item.expressions)
    return 1.0
