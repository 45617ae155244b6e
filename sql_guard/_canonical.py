"""Writes the canonical text: from the tree, identifiers quoted, comments dropped."""

from __future__ import annotations

from typing import Final

from sqlglot import ErrorLevel, exp

from ._dialects import in_engine_case
from ._names import fold
from ._report import Report
from ._scope import Base

# The generator has no text for these in the dialect, or one that gives another type.
_AS_WRITTEN: Final = (exp.ApproxTopK, exp.DateAdd)


def canonical_sql(tree: exp.Expr, report: Report) -> str:
    """The text of *tree* that may run; *tree* is changed on the way."""
    narrowed = report.narrowed
    for column, bases in report.paths:
        if any(id(base.node) in narrowed for base in bases):
            column.set("db", None)
        column.set("catalog", None)
    for star, names in report.exclusions:
        kept = [item for item in star.args["except_"] if fold(item.name) not in names]
        star.set("except_", kept)
    for table in list(tree.find_all(exp.Table)):
        if table.args.get("catalog"):
            table.set("catalog", None)
        if id(table) in narrowed:
            tree = _narrow(tree, narrowed[id(table)], report)
    for node in list(tree.find_all(*_AS_WRITTEN)):
        if node.args.get("unit") is None:
            parts = [part for part in (node.this, node.args.get("expression")) if part is not None]
            node.replace(exp.Anonymous(this=node.sql_name().lower(), expressions=parts))
    limit = report.policy.limits.add_row_limit
    if limit is not None:
        tree = _limited(tree, limit)
    return tree.sql(
        report.policy.dialect,
        identify=True,
        comments=False,
        copy=False,
        unsupported_level=ErrorLevel.RAISE,
    )


def _narrow(tree: exp.Expr, base: Base, report: Report) -> exp.Expr:
    """Replaces a table by a sub-select of its listed columns, under the same name."""
    node = base.node
    schema, name = base.name
    columns: list[exp.Expr] = [exp.column(column) for column in report.listed(base.name)]
    source = exp.Table(this=exp.to_identifier(name), db=exp.to_identifier(schema))
    alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name))
    inner: exp.Expr = exp.Select(expressions=columns, from_=exp.From(this=source))
    condition = report.policy.filter_of(base.name)
    if condition is not None:
        inner.set("where", exp.Where(this=condition.copy()))
    inner = in_engine_case(inner, report.policy.dialect)
    kept = {key: node.args.get(key) for key in ("pivots", "sample", "joins")}
    node.replace(exp.Subquery(this=inner, alias=alias, **kept))
    return tree


def _limited(tree: exp.Expr, limit: int) -> exp.Expr:
    own = tree.args.get("limit")
    if isinstance(own, exp.Limit) and not own.args.get("limit_options"):
        expression = own.expression
        if (
            isinstance(expression, exp.Literal)
            and expression.is_int
            and int(expression.name) <= limit
        ):
            return tree
    if own is None and isinstance(tree, exp.Select | exp.SetOperation):
        return tree.limit(limit, copy=False)
    inner = exp.Subquery(this=tree, alias=exp.TableAlias(this=exp.to_identifier("limited")))
    return exp.Select(expressions=[exp.Star()], from_=exp.From(this=inner)).limit(limit, copy=False)
