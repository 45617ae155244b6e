"""Upper estimates, made without data: of numbers and dates, of text sizes, of generated rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from sqlglot import exp

from ._names import fold
from ._scope import Fact, Scope, fact_of

UNKNOWN: Final = math.inf
_MOST: Final = 1e30
_DAYS: Final[dict[str, float]] = {
    **dict.fromkeys(("microsecond", "us"), 1 / 86_400e6),
    **dict.fromkeys(("millisecond", "ms"), 1 / 86_400e3),
    **dict.fromkeys(("second", "sec", "s"), 1 / 86_400),
    **dict.fromkeys(("minute", "min", "m"), 1 / 1_440),
    **dict.fromkeys(("hour", "hr", "h"), 1 / 24),
    **dict.fromkeys(("day", "d"), 1.0),
    **dict.fromkeys(("week", "w"), 7.0),
    **dict.fromkeys(("month", "mon"), 28.0),
    **dict.fromkeys(("quarter", "q"), 89.0),
    **dict.fromkeys(("year", "yr", "y"), 365.0),
    **dict.fromkeys(("decade",), 3_652.0),
}
# Dates in data are taken to lie within a working lifetime of each other.
_DATA_YEARS: Final = (date(1990, 1, 1).toordinal(), date(2040, 1, 1).toordinal())
_WRAPPERS: Final = (
    *(exp.Paren, exp.Cast, exp.TryCast, exp.Min, exp.Max, exp.AnyValue, exp.IgnoreNulls),
    *(exp.Floor, exp.Ceil, exp.Round, exp.Trunc, exp.TimestampTrunc, exp.LastDay, exp.First),
    *(exp.Last, exp.Alias, exp.Date),
)
_SMALL: Final[dict[type[exp.Expr], tuple[float, float]]] = {
    exp.Month: (1, 12),
    exp.Day: (1, 31),
    exp.Quarter: (1, 4),
    exp.Hour: (0, 23),
    exp.Minute: (0, 59),
    exp.DayOfWeek: (0, 6),
    exp.DayOfYear: (1, 366),
    exp.Year: (0, 9_999),
}


class Span(NamedTuple):
    """Bounds of a number, or of a date as a day number."""

    low: float
    high: float

    @property
    def known(self) -> bool:
        return abs(self.low) < _MOST and abs(self.high) < _MOST


_ANYTHING: Final = Span(-UNKNOWN, UNKNOWN)


class Estimator:
    """Estimates expressions in their scopes, with the values of the parameters given."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def span(self, node: exp.Expr | None, scope: Scope) -> Span:
        """Bounds of the value of *node*; unbounded when they cannot be told."""
        match node:
            case exp.Literal():
                found = _literal(node)
            case exp.Placeholder():
                found = _value(self._parameters.get(node.name))
            case exp.Column():
                found = _fact_span(fact_of(node, scope))
            case exp.CurrentDate() | exp.CurrentTimestamp():
                found = Span(*_DATA_YEARS)
            case exp.Subquery() | exp.Select():
                found = self._of_query(node, scope)
            case exp.Least():
                parts = [self.span(part, scope) for part in (node.this, *node.expressions)]
                found = Span(min(p.low for p in parts), min(p.high for p in parts))
            case exp.Expr() if isinstance(node, _WRAPPERS):
                found = self.span(node.this, scope)
            case exp.Expr():
                small = _SMALL.get(type(node))
                found = Span(*small) if small else self._of_operator(node, scope)
            case _:
                found = _ANYTHING
        return found

    def days(self, node: exp.Expr | None, scope: Scope) -> Span:
        """The length of the interval *node* in days."""
        if isinstance(node, exp.Neg | exp.Paren):
            inner = self.days(node.this, scope)
            return inner if isinstance(node, exp.Paren) else Span(-inner.high, -inner.low)
        if not isinstance(node, exp.Interval) or node.args.get("unit") is None:
            return _ANYTHING
        unit = fold(node.args["unit"].name)
        day = _DAYS.get(unit) or _DAYS.get(unit.removesuffix("s"))
        count = self.span(node.this, scope)
        if day is None or not count.known:
            return _ANYTHING
        return Span(count.low * day, count.high * day)

    def generated(self, node: exp.Expr, scope: Scope) -> float:
        """How many items `range` or `generate_series` makes at most."""
        start = self.span(node.args.get("start"), scope)
        end = self.span(node.args.get("end"), scope)
        step_node = node.args.get("step")
        step = Span(1, 1)
        if step_node is not None:
            step = self.days(step_node, scope)
            step = step if step.known else self.span(step_node, scope)
        if not step.known or step.low * step.high <= 0:
            return UNKNOWN
        width = end.high - start.low if step.low > 0 else start.high - end.low
        steps = max(0.0, width) / min(abs(step.low), abs(step.high))
        return steps if node.args.get("is_end_exclusive") else steps + 1

    def made_by(self, node: exp.GenerateSeries, scope: Scope) -> Fact:
        """What is known about the values of the generator *node*."""
        ends = [self.span(node.args.get(key), scope) for key in ("start", "end")]
        if not all(end.known for end in ends):
            return Fact()
        return Fact(span=(min(end.low for end in ends), max(end.high for end in ends)))

    def size(self, node: exp.Expr | None, scope: Scope) -> float:
        """How many characters or items the value of *node* has at most, about."""
        match node:
            case None:
                size = 1.0
            case exp.Literal():
                size = float(max(1, len(node.name)))
            case exp.Placeholder():
                value = self._parameters.get(node.name)
                size = float(len(value)) if isinstance(value, str | bytes) else 32.0
            case exp.Column():
                size = fact_of(node, scope).size
            case exp.Repeat():
                times = self.span(node.args.get("times"), scope).high
                size = self.size(node.this, scope) * max(1.0, times)
            case exp.Pad():
                size = max(self.size(node.this, scope), self.span(node.expression, scope).high)
            case exp.Replace():
                made = self.size(node.args.get("replacement"), scope)
                size = self.size(node.this, scope) * max(1.0, made)
            case exp.Subquery() | exp.Select():
                size = Fact().size
            case _:
                size = max(1.0, sum(self.size(part, scope) for part in node.iter_expressions()))
        return size

    def _of_query(self, node: exp.Expr, scope: Scope) -> Span:
        """A scalar sub-select: its only projection, over the one table that it reads."""
        query = node.unnest()
        if not isinstance(query, exp.Select) or len(query.expressions) != 1:
            return _ANYTHING
        inner = scope.inner.get(id(query))
        return self.span(query.expressions[0], inner) if inner else _ANYTHING

    def _of_operator(self, node: exp.Expr, scope: Scope) -> Span:
        if isinstance(node, exp.Neg):
            inner = self.span(node.this, scope)
            return Span(-inner.high, -inner.low)
        if not isinstance(node, exp.Binary):
            return _ANYTHING
        left = self.span(node.this, scope)
        right = self.span(node.expression, scope)
        if isinstance(node.expression, exp.Interval):
            right = self.days(node.expression, scope)
        if isinstance(node, exp.Mod) and right.known:
            most = max(abs(right.low), abs(right.high))
            return Span(-most, most)
        if not (left.known and right.known):
            return _ANYTHING
        return _calculate(node, left, right)


def _calculate(node: exp.Expr, left: Span, right: Span) -> Span:
    operation = _OPERATIONS.get(type(node))
    if operation is None:
        return _ANYTHING
    try:
        results = [operation(a, b) for a in left for b in right]
    except (ArithmeticError, ValueError):
        return _ANYTHING
    if any(isinstance(result, complex) for result in results):
        return _ANYTHING
    return Span(min(results), max(results))


_OPERATIONS: Final[dict[type[exp.Expr], Any]] = {
    exp.Add: lambda a, b: a + b,
    exp.Sub: lambda a, b: a - b,
    exp.Mul: lambda a, b: a * b,
    exp.Div: lambda a, b: a / b,
    exp.IntDiv: lambda a, b: a // b,
    exp.Pow: lambda a, b: a**b,
    exp.BitwiseLeftShift: lambda a, b: a * 2.0**b,
}


def _literal(node: exp.Literal) -> Span:
    try:
        return _value(float(node.name))
    except ValueError:
        return _value(_as_date(node.name))


def _as_date(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text.strip()).date()
    except ValueError:
        return None


def _value(value: object) -> Span:
    match value:
        case bool():
            return Span(0, 1)
        case int() | float() if math.isfinite(value):
            return Span(float(value), float(value))
        case date():
            return Span(value.toordinal(), value.toordinal() + 1)
        case str():
            return _value(_as_date(value))
    return _ANYTHING


def _fact_span(fact: Fact) -> Span:
    if fact.span is not None:
        return Span(*fact.span)
    if fact.type.upper().startswith(("DATE", "TIMESTAMP")):
        return Span(*_DATA_YEARS)
    return _ANYTHING
