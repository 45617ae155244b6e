"""Filters as conditions in a syntax tree; values enter as typed literals only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from services.errors import QueryInvalid
from services.evidence import ColumnType

from ._query import Filter, Value

_COMPARISONS: Mapping[str, type[exp.Binary]] = {
    "eq": exp.EQ,
    "gt": exp.GT,
    "ge": exp.GTE,
    "lt": exp.LT,
    "le": exp.LTE,
}


def condition(subject: exp.Expr, type_: ColumnType, wanted: Filter) -> exp.Expr:
    """*wanted* as a condition on *subject*, a value of the column type *type_*."""
    values = [_literal(value, type_) for value in wanted.values]
    subject = subject.copy()
    match wanted.op:
        case "ne" | "not_in":
            excluded = exp.not_(exp.In(this=subject, expressions=values))
            return exp.or_(excluded, _is_null(subject))
        case "in":
            return exp.In(this=subject, expressions=values)
        case "between":
            return exp.Between(this=subject, low=values[0], high=values[1])
        case "is_null":
            return _is_null(subject)
        case "not_null":
            return exp.not_(_is_null(subject))
        case _:
            return _COMPARISONS[wanted.op](this=subject, expression=values[0])


def _is_null(subject: exp.Expr) -> exp.Expr:
    return exp.Is(this=subject.copy(), expression=exp.Null())


def _literal(value: Value, type_: ColumnType) -> exp.Expr:
    try:
        return _WRITERS[type_](value)
    except (TypeError, ValueError, InvalidOperation) as error:
        raise QueryInvalid(
            f"A filter compares a field of type {type_} with a value that is none.",
            hint="Dates are written YYYY-MM-DD; ratios as decimals, such as 0.05.",
        ) from error


def _text(value: Value) -> exp.Expr:
    if not isinstance(value, str):
        raise TypeError
    return exp.Literal.string(value)


def _number(value: Value) -> exp.Expr:
    if isinstance(value, (bool, date)):
        raise TypeError
    number = Decimal(repr(value) if isinstance(value, float) else value)
    if not math.isfinite(number):
        raise ValueError
    literal = exp.Literal.number(format(abs(number), "f"))
    return exp.Neg(this=literal) if number < 0 else literal


def _date(value: Value) -> exp.Expr:
    if not isinstance(value, (date, str)):
        raise TypeError
    day = date.fromisoformat(str(value)[:10])
    return exp.cast(exp.Literal.string(day.isoformat()), exp.DType.DATE)


def _boolean(value: Value) -> exp.Expr:
    if not isinstance(value, bool):
        raise TypeError
    return exp.Boolean(this=value)


_WRITERS: Mapping[ColumnType, Callable[[Value], exp.Expr]] = {
    "string": _text,
    "integer": _number,
    "decimal": _number,
    "double": _number,
    "date": _date,
    "boolean": _boolean,
}
