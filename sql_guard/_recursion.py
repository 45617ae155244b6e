"""Shows that a recursive CTE ends, and that no step makes more than the one before."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from sqlglot import exp

from ._estimate import UNKNOWN, Span
from ._growth import Own, grows, joins, own_uses
from ._joins import equalities
from ._names import fold
from ._scope import Relation, Scope
from ._sizes import Estimator

_MAX_STEPS: Final = 20_000
_MAX_STEPS_WITH_JOIN: Final = 20
_MAX_GROWTH: Final = 2e9
# Beyond this many steps from zero a floating-point counter may no longer move.
_EXACT: Final = 1e12
_FINE: Final = (
    *(
        exp.DataType.Type.DOUBLE,
        exp.DataType.Type.TIMESTAMP,
        exp.DataType.Type.TIMESTAMPNTZ,
        exp.DataType.Type.TIMESTAMPTZ,
    ),
    *(
        exp.DataType.Type.TIMESTAMP_S,
        exp.DataType.Type.TIMESTAMP_MS,
        exp.DataType.Type.TIMESTAMP_NS,
    ),
)
_COUNTED: Final = (
    *_FINE,
    *(exp.DataType.Type.INT, exp.DataType.Type.BIGINT, exp.DataType.Type.SMALLINT),
    *(exp.DataType.Type.TINYINT, exp.DataType.Type.INT128, exp.DataType.Type.UINT),
    *(exp.DataType.Type.UBIGINT, exp.DataType.Type.USMALLINT, exp.DataType.Type.UTINYINT),
    *(exp.DataType.Type.DECIMAL, exp.DataType.Type.DATE),
)
_BELOW: Final = (exp.LT, exp.LTE)
_ABOVE: Final = (exp.GT, exp.GTE)


def steps(
    name: str, body: exp.SetOperation, columns: list[str], scope: Scope, estimator: Estimator
) -> float:
    """
    How often the recursive arm of *body*, the CTE *name*, runs at most; unknown when not shown.

    *columns* are those of the CTE; *scope* is the one around both arms.
    """
    arm = body.expression.unnest() if isinstance(body.expression, exp.Subquery) else body.expression
    if not isinstance(arm, exp.Select) or _references(name, arm) != 1:
        return UNKNOWN
    own = next((t for t in _tables(arm) if _is_reference(t, name)), None)
    sources = list(_sources(arm))
    # Under another name, or inside a sub-select, its columns could not be told apart from others.
    if own is None or not any(own is source for source in sources) or _renames(own):
        return UNKNOWN
    is_own = _growing_values(arm, fold(own.alias_or_name), columns)
    if any(grows(item, is_own) for item in arm.expressions):
        return UNKNOWN
    alone = len(sources) == 1
    if body.args.get("distinct") and _only_columns(arm):
        # Nothing new can come of values that are only copied once all of them have been seen.
        return 1.0 if alone else _MAX_STEPS_WITH_JOIN
    found = min(
        (
            _counted(condition, arm, body, columns, scope, estimator)
            for condition in _conditions(arm)
        ),
        default=UNKNOWN,
    )
    if found > (_MAX_STEPS if alone else _MAX_STEPS_WITH_JOIN):
        return UNKNOWN
    longer = [estimator.size(i, scope) for i in arm.expressions if joins(i, is_own)]
    return found if found * found * max(longer, default=0) <= _MAX_GROWTH else UNKNOWN


def repeats(arm: exp.Expr, columns: list[str], own: Relation, other: Relation) -> bool:
    """
    Whether each step of the recursive *arm* joins *own*, the CTE, to *other* by the same value.

    Each step then multiplies the rows by as many as share the value. A table's first column is taken
    to be its key, which no two rows share.
    """
    if other.ties != 1 or not isinstance(arm, exp.Select):
        return False
    for mine, theirs in _compared(arm, own, other):
        item = arm.expressions[columns.index(mine)] if mine in columns else None
        if item is None or next(iter(other.shape.columns), None) == theirs:
            continue
        given = item.unalias()
        if isinstance(given, exp.Column) and fold(given.name) in (mine, theirs):
            return True
    return False


def _compared(arm: exp.Select, own: Relation, other: Relation) -> Iterator[tuple[str, str]]:
    """The columns of *own* and *other* that *arm* compares for equality."""
    where = arm.args.get("where")
    conditions = [where.this] if where is not None else []
    for join in arm.find_all(exp.Join):
        conditions += [join.args["on"]] if join.args.get("on") is not None else []
        yield from ((fold(name.name),) * 2 for name in join.args.get("using") or ())
    for condition in conditions:
        for sides in equalities(condition):
            named = [
                (fold(s.name), fold(s.text("table"))) for s in sides if isinstance(s, exp.Column)
            ]
            for (mine, left), (theirs, right) in (named, named[::-1]) if len(named) == 2 else ():
                ours = left == own.alias or (not left and mine in own.shape.columns)
                if ours and (right == other.alias or (not right and theirs in other.shape.columns)):
                    yield mine, theirs


def _renames(own: exp.Table) -> bool:
    alias = own.args.get("alias")
    return isinstance(alias, exp.TableAlias) and bool(alias.args.get("columns"))


def _growing_values(arm: exp.Select, table: str, columns: list[str]) -> Own:
    """Tells whether a node may be a value of the step before that is longer than the one before it."""
    growing: set[str] = set()
    while True:
        is_own = _own_values(table, growing)
        every = _own_values(table, {*columns, *_aliases(arm)})
        found = {
            name
            for item, column in zip_longest(arm.expressions, columns, fillvalue=None)
            if item is not None
            and (joins(item, every) or grows(item, every) or own_uses(item, is_own))
            for name in (column, fold(item.alias) if isinstance(item, exp.Alias) else None)
            if name is not None
        }
        if found <= growing:
            return _own_values(table, growing)
        growing |= found


def _aliases(arm: exp.Select) -> set[str]:
    return {fold(item.alias) for item in arm.expressions if isinstance(item, exp.Alias)}


def _own_values(table: str, columns: set[str]) -> Own:
    """Tells whether a node may be one of *columns* of *table*, or the whole row of it."""
    names = {*columns, table}

    def is_own(node: exp.Expr) -> bool:
        if not isinstance(node, exp.Column | exp.Identifier | exp.Star | exp.PositionalColumn):
            return False
        if isinstance(node, exp.Identifier):
            return not isinstance(node.parent, exp.Column | exp.Alias) and fold(node.name) in names
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            qualifier = fold(node.text("table"))
            return qualifier in ("", table) and fold(node.name) in names
        return True

    return is_own


def _counted(
    condition: exp.Expr,
    arm: exp.Select,
    body: exp.SetOperation,
    columns: list[str],
    scope: Scope,
    estimator: Estimator,
) -> float:
    """How many steps *condition* leaves, when it compares a counter with a constant."""
    side, bound, upward = _comparison(condition)
    column = _counter(side)
    if column is None or fold(column.name) not in columns:
        return UNKNOWN
    index = columns.index(fold(column.name))
    if index >= len(arm.expressions):
        return UNKNOWN
    start_query = body.this.unnest() if isinstance(body.this, exp.Subquery) else body.this
    firsts = _first_values(start_query, index)
    step = _step(arm.expressions[index], fold(column.name), scope, estimator)
    least = _whole(step.low if upward else -step.high, arm.expressions[index], firsts)
    if least <= 0 or not firsts:
        return UNKNOWN
    inner = scope.inner.get(id(start_query), scope)
    spans = [estimator.span(first, inner) for first in firsts]
    start = Span(min(span.low for span in spans), max(span.high for span in spans))
    first = _first_bound(bound, arm, start_query, columns)
    end = estimator.span(first, inner if first is not bound else scope.inner.get(id(arm), scope))
    end = _moved(side, end, scope.inner.get(id(arm), scope), estimator)
    if not (start.known and end.known):
        return UNKNOWN
    if max(map(abs, (*start, *end))) > _EXACT * least:
        return UNKNOWN
    width = end.high - start.low if upward else start.high - end.low
    return max(0.0, width) / least + 1


def _first_bound(
    bound: exp.Expr | None, arm: exp.Select, start: exp.Expr, columns: list[str]
) -> exp.Expr | None:
    """*bound*, or what it began as where it is a column that each step hands on unchanged."""
    if not isinstance(bound, exp.Column) or fold(bound.name) not in columns:
        return bound
    index = columns.index(fold(bound.name))
    item = arm.expressions[index].unalias() if index < len(arm.expressions) else None
    firsts = _first_values(start, index)
    if not isinstance(item, exp.Column) or fold(item.name) != fold(bound.name) or len(firsts) != 1:
        return bound
    return firsts[0]


def _first_values(query: exp.Expr, index: int) -> list[exp.Expr]:
    """What *query* gives in the column at *index*, in each of its rows; nothing when not known."""
    from_ = query.args.get("from_")
    if isinstance(from_, exp.From) and isinstance(from_.this, exp.Values) and query.is_star:
        query = from_.this
    rows = query.expressions if isinstance(query, exp.Values) else []
    if isinstance(query, exp.Select):
        rows = [query]
    if any(index >= len(row.expressions) for row in rows):
        return []
    return [row.expressions[index] for row in rows]


def _comparison(node: exp.Expr) -> tuple[exp.Expr | None, exp.Expr | None, bool]:
    """What holds the counter, what it is compared with, and whether it counts upward."""
    if isinstance(node, exp.Between):
        return node.this, node.args.get("high"), True
    if not isinstance(node, (*_BELOW, *_ABOVE)):
        return None, None, True
    below = isinstance(node, _BELOW)
    if _counter(node.this) is not None:
        return node.this, node.expression, below
    return node.expression, node.this, not below


def _counter(node: exp.Expr | None) -> exp.Column | None:
    """The column in `n`, `n + 1` or a cast of these."""
    while isinstance(node, exp.Paren | exp.Cast | exp.Add | exp.Sub):
        if isinstance(node, exp.Cast) and not node.is_type(*_COUNTED):
            return None
        node = node.this
    return node if isinstance(node, exp.Column) else None


def _moved(side: exp.Expr | None, end: Span, scope: Scope, estimator: Estimator) -> Span:
    """What the counter itself is compared with, where *side*, say `n + 1`, is compared with *end*."""
    while isinstance(side, exp.Paren | exp.Cast | exp.Add | exp.Sub):
        if isinstance(side, exp.Add | exp.Sub):
            move = _move(side.expression, scope, estimator)
            low, high = (-move.high, -move.low) if isinstance(side, exp.Add) else move
            end = Span(end.low + low, end.high + high)
        side = side.this
    return end


def _move(node: exp.Expr, scope: Scope, estimator: Estimator) -> Span:
    is_interval = isinstance(node, exp.Interval)
    return estimator.days(node, scope) if is_interval else estimator.span(node, scope)


def _whole(least: float, item: exp.Expr, firsts: list[exp.Expr]) -> float:
    """
    What is left of the step *least* of the counter *item* in the type that its *firsts* give it.

    The engine rounds each value to that type, so a step of less than one number or day may be none.
    """
    casts = [cast for part in (item, *firsts) for cast in part.find_all(exp.Cast)]
    if any(not cast.is_type(*_COUNTED) for cast in casts):
        return 0.0
    if least >= 1:
        return math.floor(least)
    own = list(item.find_all(exp.Cast))
    if any(not cast.is_type(*_FINE) for cast in own):
        return 0.0
    exact = all(any(c.is_type(*_FINE) for c in part.find_all(exp.Cast)) for part in firsts)
    places = min((_places(first) for first in firsts), default=0)
    return least if exact or (least >= 10.0**-places and places > 0) else 0.0


def _places(node: exp.Expr) -> int:
    """How many digits the literal *node* has after the point."""
    node = node.unalias()
    is_decimal = isinstance(node, exp.Literal) and node.is_number and "e" not in node.name.lower()
    return len(node.name.partition(".")[2]) if is_decimal else 0


def _step(node: exp.Expr, name: str, scope: Scope, estimator: Estimator) -> Span:
    """By how much the expression *node* moves the counter *name* in one step."""
    while isinstance(node, exp.Alias | exp.Paren | exp.Cast | exp.LastDay):
        node = node.this
    none = Span(0, 0)
    if not isinstance(node, exp.Add | exp.Sub):
        return none
    left, right = node.this, node.expression
    if isinstance(node, exp.Add) and isinstance(right, exp.Column):
        left, right = right, left
    left = left.unnest()
    if not isinstance(left, exp.Column) or fold(left.name) != name:
        return none
    move = _move(right, scope, estimator)
    if not move.known:
        return none
    return move if isinstance(node, exp.Add) else Span(-move.high, -move.low)


def _conditions(arm: exp.Select) -> Iterator[exp.Expr]:
    stack: list[exp.Expr] = []
    if (where := arm.args.get("where")) is not None:
        stack.append(where.this)
    while stack:
        node = stack.pop()
        if isinstance(node, exp.And | exp.Paren):
            stack += [part for part in (node.this, node.args.get("expression")) if part is not None]
        else:
            yield node


def _references(name: str, arm: exp.Expr) -> int:
    return sum(_is_reference(table, name) for table in _tables(arm))


def _tables(arm: exp.Expr) -> Iterator[exp.Table]:
    return arm.find_all(exp.Table)


def _is_reference(table: exp.Table, name: str) -> bool:
    return (
        isinstance(table.this, exp.Identifier)
        and not table.args.get("db")
        and (fold(table.name) == name)
    )


def _sources(arm: exp.Select) -> Iterator[exp.Expr]:
    if (from_ := arm.args.get("from_")) is not None:
        yield from_.this
        yield from from_.this.args.get("joins") or ()
    for join in arm.args.get("joins") or ():
        yield join.this
        yield from join.this.args.get("joins") or ()


def _only_columns(arm: exp.Select) -> bool:
    return all(isinstance(item.unalias(), exp.Column | exp.Literal) for item in arm.expressions)
