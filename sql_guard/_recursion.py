"""Shows that a recursive CTE ends, and that no step makes more than the one before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from ._estimate import UNKNOWN, Estimator, Span
from ._names import fold
from ._scope import Scope

_MAX_STEPS: Final = 10_000
_MAX_STEPS_WITH_JOIN: Final = 20
_GROWING: Final = (exp.DPipe, exp.Concat, exp.ConcatWs, exp.ArrayConcat, exp.Array, exp.Struct)
_MULTIPLYING: Final = (exp.Repeat, exp.Pad, exp.Replace, exp.GenerateSeries, exp.Explode)
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
    if own is None or any(_grows(item, columns) for item in arm.expressions):
        return UNKNOWN
    alone = len(list(_sources(arm))) == 1
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
    return found if found <= (_MAX_STEPS if alone else _MAX_STEPS_WITH_JOIN) else UNKNOWN


def _counted(
    condition: exp.Expr,
    arm: exp.Select,
    body: exp.SetOperation,
    columns: list[str],
    scope: Scope,
    estimator: Estimator,
) -> float:
    """How many steps *condition* leaves, when it compares a counter with a constant."""
    column, bound, upward = _comparison(condition)
    if column is None or fold(column.name) not in columns:
        return UNKNOWN
    index = columns.index(fold(column.name))
    if index >= len(arm.expressions):
        return UNKNOWN
    step = _step(arm.expressions[index], fold(column.name), scope, estimator)
    least = step.low if upward else -step.high
    start_query = body.this.unnest() if isinstance(body.this, exp.Subquery) else body.this
    if least <= 0 or not isinstance(start_query, exp.Select):
        return UNKNOWN
    if index >= len(start_query.expressions):
        return UNKNOWN
    inner = scope.inner.get(id(start_query), scope)
    start = estimator.span(start_query.expressions[index], inner)
    end = estimator.span(bound, scope)
    if not (start.known and end.known):
        return UNKNOWN
    width = end.high - start.low if upward else start.high - end.low
    return max(0.0, width) / least + 1


def _comparison(node: exp.Expr) -> tuple[exp.Column | None, exp.Expr | None, bool]:
    """The counter, what it is compared with, and whether it counts upward."""
    if isinstance(node, exp.Between):
        counter = _counter(node.this)
        return counter, node.args.get("high"), True
    if not isinstance(node, (*_BELOW, *_ABOVE)):
        return None, None, True
    below = isinstance(node, _BELOW)
    if (counter := _counter(node.this)) is not None:
        return counter, node.expression, below
    return _counter(node.expression), node.this, not below


def _counter(node: exp.Expr) -> exp.Column | None:
    """The column in `n`, `n + 1` or a cast of these."""
    while isinstance(node, exp.Paren | exp.Cast | exp.Add | exp.Sub):
        node = node.this
    return node if isinstance(node, exp.Column) else None


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
    move = estimator.days(right, scope) if isinstance(right, exp.Interval) else None
    move = move or estimator.span(right, scope)
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
    yield from arm.args.get("joins") or ()


def _grows(item: exp.Expr, columns: list[str]) -> bool:
    if item.find(*_MULTIPLYING) is not None:
        return True
    for node in item.find_all(*_GROWING):
        uses = [column for column in node.find_all(exp.Column) if fold(column.name) in columns]
        if len(uses) > 1:
            return True
    return False


def _only_columns(arm: exp.Select) -> bool:
    return all(isinstance(item.unalias(), exp.Column | exp.Literal) for item in arm.expressions)
