"""How many steps a condition leaves: a counter that nears its bound by a known amount each time."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from sqlglot import exp

from ._estimate import UNKNOWN, Estimator, Span
from ._names import fold
from ._scope import Scope, fact_of

_BELOW: Final = (exp.LT, exp.LTE)
_ABOVE: Final = (exp.GT, exp.GTE)
_MOVES: Final = (exp.Add, exp.Sub, exp.DateAdd)
_NOWHERE: Final = Span(0, 0)
# Beyond this ratio a step is lost in the rounding of the number that it is added to.
_MAX_RATIO: Final = 1e15
_SECOND: Final = 1 / 86_400

_Kind = exp.DType
# The least step that a type can hold, in units or days. A type that is missing rounds, wraps or
# orders in other ways, so that a counter of it may never arrive.
_GRAINS: Final[dict[exp.DType, float]] = {
    **dict.fromkeys(exp.DataType.INTEGER_TYPES - {_Kind.BIT}, 1.0),
    _Kind.DATE: 1.0,
    _Kind.DOUBLE: 0.0,
    _Kind.TIMESTAMP_S: _SECOND,
    _Kind.TIMESTAMP_MS: _SECOND / 1e3,
    **dict.fromkeys(
        (_Kind.TIMESTAMP, _Kind.TIMESTAMPTZ, _Kind.TIMESTAMPNTZ, _Kind.DATETIME), _SECOND / 1e6
    ),
}


class Recurring(NamedTuple):
    """The two arms of a recursive CTE, its columns, and the scope around both."""

    start: exp.Expr
    arm: exp.Select
    own: str
    """What the recursive arm calls the CTE."""
    columns: list[str]
    scope: Scope
    estimator: Estimator

    def column(self, node: exp.Expr | None) -> str:
        """The name of the CTE's column that *node* is; empty when it is none."""
        if not isinstance(node, exp.Column) or fold(node.text("table")) not in ("", self.own):
            return ""
        return fold(node.name) if fold(node.name) in self.columns and not node.text("db") else ""


class _Counter(NamedTuple):
    column: exp.Column
    moved: Span
    """What the condition adds to the column before it compares."""


def counted(condition: exp.Expr, recurring: Recurring) -> float:
    """How many steps *condition* leaves, when it compares a counter with a constant."""
    start_query, arm, scope = recurring.start, recurring.arm, recurring.scope
    estimator = recurring.estimator
    counter, bound, upward = _comparison(condition, scope, estimator)
    name = recurring.column(counter.column) if counter is not None else ""
    if counter is None or not name:
        return UNKNOWN
    index = recurring.columns.index(name)
    firsts = first_values(start_query, index)
    if index >= len(arm.expressions) or not firsts:
        return UNKNOWN
    inner = scope.inner.get(id(start_query), scope)
    spans = [estimator.span(first, inner) for first in firsts]
    start = Span(min(span.low for span in spans), max(span.high for span in spans))
    first = _first_bound(bound, recurring)
    end = estimator.span(first, inner if first is not bound else scope.inner.get(id(arm), scope))
    if not (start.known and end.known):
        return UNKNOWN
    end = Span(end.low - counter.moved.high, end.high - counter.moved.low)
    grain = max(_grain(first, inner) for first in firsts)
    item = arm.expressions[index].unalias()
    if upward and (steps := _doubled(item, name, start, end, grain, recurring)) is not None:
        return steps
    least = _least_step(item, name, start, grain, recurring, upward=upward)
    if least <= 0 or max(map(abs, (*start, *end))) / least > _MAX_RATIO:
        return UNKNOWN
    width = end.high - start.low if upward else start.high - end.low
    return max(0.0, width) / least + 1


def first_values(query: exp.Expr, index: int) -> list[exp.Expr]:
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


def _first_bound(bound: exp.Expr | None, recurring: Recurring) -> exp.Expr | None:
    """*bound*, or what it began as where it is a column that each step hands on unchanged."""
    name = recurring.column(bound)
    if not name:
        return bound
    items = recurring.arm.expressions
    index = recurring.columns.index(name)
    item = items[index].unalias() if index < len(items) else None
    firsts = first_values(recurring.start, index)
    if recurring.column(item) != name or len(firsts) != 1:
        return bound
    return firsts[0]


def _comparison(
    node: exp.Expr, scope: Scope, estimator: Estimator
) -> tuple[_Counter | None, exp.Expr | None, bool]:
    """The counter, what it is compared with, and whether it counts upward."""
    if isinstance(node, exp.Between):
        return _counter(node.this, scope, estimator), node.args.get("high"), True
    if not isinstance(node, (*_BELOW, *_ABOVE)):
        return None, None, True
    below = isinstance(node, _BELOW)
    if (counter := _counter(node.this, scope, estimator)) is not None:
        return counter, node.expression, below
    return _counter(node.expression, scope, estimator), node.this, not below


def _counter(node: exp.Expr, scope: Scope, estimator: Estimator) -> _Counter | None:
    """The column in `n`, `n + 1` or a cast of these that keeps their order."""
    moved = _NOWHERE
    while not isinstance(node, exp.Column):
        if isinstance(node, _MOVES):
            more = _move(node, node.expression, scope, estimator)
            moved = Span(moved.low + more.low, moved.high + more.high)
        elif not isinstance(node, exp.Paren) and _cast_grain(node) is None:
            return None
        node = node.this
    return _Counter(node, moved) if moved.known else None


def _least_step(
    item: exp.Expr, name: str, start: Span, grain: float, recurring: Recurring, *, upward: bool
) -> float:
    """By how much *item* moves the counter *name* towards its bound at least; 0 when not known."""
    node = item
    while isinstance(node, exp.Paren | exp.Cast | exp.TryCast | exp.LastDay):
        if isinstance(node, exp.LastDay):
            # The end of the month lies after the day, so going back may lead nowhere.
            grain = max(grain, 1.0) if upward else UNKNOWN
        elif not isinstance(node, exp.Paren):
            cast = _cast_grain(node)
            grain = UNKNOWN if cast is None else max(grain, cast)
        node = node.this
    if not isinstance(node, _MOVES):
        return 0.0
    left, right = node.this, node.expression
    if isinstance(node, exp.Add) and isinstance(right, exp.Column):
        left, right = right, left
    if recurring.column(left.unnest()) != name:
        return 0.0
    move = _move(node, right, recurring.scope, recurring.estimator)
    least = move.low if upward else -move.high
    if upward and start.low >= 0 and 0 < grain < 1 and not isinstance(right, exp.Interval):
        # Half of what a decimal can hold is rounded up to all of it, away from zero.
        least = grain if grain / 2 <= least < grain else least
    if not move.known or least < grain:
        return 0.0
    return grain * (least // grain) if grain else least


def _move(node: exp.Expr, by: exp.Expr, scope: Scope, estimator: Estimator) -> Span:
    """What *node*, a sum or a difference, adds with its operand *by*; unknown when it may be none."""
    move = estimator.days(by, scope) if isinstance(by, exp.Interval) else estimator.span(by, scope)
    if isinstance(by, exp.Interval) and not _is_whole(by):
        return Span(-UNKNOWN, UNKNOWN)
    return Span(-move.high, -move.low) if isinstance(node, exp.Sub) else move


def _is_whole(interval: exp.Interval) -> bool:
    """Whether *interval* counts whole units; of most units the engine drops the rest."""
    return not isinstance(interval.this, exp.Literal) or "." not in interval.this.name


def _doubled(
    item: exp.Expr, name: str, start: Span, end: Span, grain: float, recurring: Recurring
) -> float | None:
    """How many steps there are to the end where *item* multiplies a whole number by two or more."""
    node = item.unnest()
    if not isinstance(node, exp.Mul) or grain != 1 or start.low < 1:
        return None
    column, factor = node.this, node.expression
    if not isinstance(column, exp.Column):
        column, factor = factor, column
    if recurring.column(column) != name or not isinstance(factor, exp.Literal):
        return None
    if not factor.is_int or int(factor.name) < 2:
        return None
    return math.log2(max(2.0, end.high)) + 1


def _grain(first: exp.Expr, scope: Scope) -> float:
    """The least step that the type of *first*, the first value of a counter, can hold."""
    node = first.unalias().unnest()
    if isinstance(node, exp.Neg | exp.Min | exp.Max):
        return _grain(node.this, scope)
    if isinstance(node, exp.Literal):
        return UNKNOWN if node.is_string else _grain_of_number(node.name)
    if isinstance(node, exp.Column):
        return _SECOND / 1e6 if fact_of(node, scope).type.upper() == "TIMESTAMP" else 1.0
    casts = [_cast_grain(cast) for cast in node.find_all(exp.Cast, exp.TryCast)]
    if None in casts:
        return UNKNOWN
    outer = _cast_grain(node)
    return 1.0 if outer is None else outer


def _grain_of_number(text: str) -> float:
    if "e" in text.lower():
        return 0.0
    return 10.0 ** -len(text.partition(".")[2])


def _cast_grain(node: exp.Expr) -> float | None:
    """The grain of the type that *node* casts to; None when it is no cast, or to no such type."""
    if not isinstance(node, exp.Cast | exp.TryCast) or not isinstance(node.to, exp.DataType):
        return None
    return _type_grain(node.to)


def _type_grain(kind: exp.DataType) -> float | None:
    if kind.this is _Kind.DECIMAL:
        scale = kind.expressions[1].name if len(kind.expressions) > 1 else "0"
        return 10.0 ** -int(scale) if scale.isdigit() else None
    grain = _GRAINS.get(kind.this)
    return grain if not kind.expressions else None
