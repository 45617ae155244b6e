"""Metric expressions as syntax trees: aggregates of one dataset each, joined by arithmetic."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from services.errors import FileUnreadable

DIALECT = "duckdb"


@lru_cache(maxsize=2048)
def _parsed(expression: str) -> exp.Expr:
    return sqlglot.parse_one(expression, read=DIALECT)


def parse(expression: str) -> exp.Expr:
    """A fresh tree of *expression*, which the caller may change."""
    return _parsed(expression).copy()


def aggregates(tree: exp.Expr) -> tuple[exp.Expr, ...]:
    """The aggregate calls in *tree*, outermost only, in order of appearance."""
    return tuple(
        cast("exp.Expr", node)
        for node in tree.find_all(exp.AggFunc, bfs=False)
        if not node.find_ancestor(exp.AggFunc)
    )


def fields_of(expression: str) -> tuple[tuple[str, str], ...]:
    """The `(dataset, field)` pairs that *expression* reads."""
    return tuple((column.table, column.name) for column in _parsed(expression).find_all(exp.Column))


def dataset_of(aggregate: exp.Expr) -> str:
    """The one dataset that *aggregate* reads; empty for a count of rows, which names no field."""
    return next((column.table for column in aggregate.find_all(exp.Column)), "")


def datasets_of(expression: str, *, metric: str) -> tuple[str, ...]:
    """
    The datasets that the aggregates of *expression* read, in order of appearance.

    Raises `FileUnreadable` for an expression that the compiler could not place: broken SQL, a
    column outside an aggregate, or an aggregate over several datasets.
    """
    try:
        tree = parse(expression)
    except SqlglotError as error:
        raise FileUnreadable(f"The expression of metric {metric!r} is no valid SQL.") from error
    found: list[str] = []
    for aggregate in aggregates(tree):
        names = {column.table for column in aggregate.find_all(exp.Column)}
        if len(names) != 1 or "" in names:
            raise FileUnreadable(
                f"Each aggregate of metric {metric!r} reads fields of exactly one dataset.",
                hint="Write fields as dataset.field.",
            )
        found.extend(names)
    outside = [c for c in tree.find_all(exp.Column) if not c.find_ancestor(exp.AggFunc)]
    if not found or outside:
        raise FileUnreadable(f"Metric {metric!r} reads a field outside an aggregate.")
    return tuple(dict.fromkeys(found))


def with_safe_division(tree: exp.Expr) -> exp.Expr:
    """*tree*, changed so that each quotient is a DOUBLE, and NULL where the denominator is 0."""
    for quotient in reversed(list(tree.find_all(exp.Div))):
        numerator = exp.cast(quotient.this.unnest(), exp.DType.DOUBLE)
        denominator = exp.func("NULLIF", quotient.expression.unnest(), exp.Literal.number(0))
        quotient.set("this", numerator)
        quotient.set("expression", denominator)
    return tree
