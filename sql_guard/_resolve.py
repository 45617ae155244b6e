"""Walks a query scope by scope: tables by exact name, CTEs lexically, every expression in its scope."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sqlglot import exp

from ._columns import Columns
from ._estimate import UNKNOWN, Estimator
from ._expressions import Expressions
from ._names import fold
from ._output import output_of
from ._recursion import Course, course
from ._report import Report
from ._scope import Fact, Relation, Scope, Shape
from ._sources import Sources
from ._work import Work, join_rows

_CLAUSES: Final = (
    *("distinct", "where", "group", "having", "qualify", "windows"),
    *("order", "limit", "offset", "sample"),
)
_TAIL: Final = ("order", "limit", "offset")
_ANY_NAME: Final = Relation("", Shape({}, open=True))

Ctes = Mapping[str, Shape]


class Resolver:
    """Resolves one statement and reports what it reads."""

    def __init__(self, report: Report, estimator: Estimator) -> None:
        self._report = report
        self.work = Work(report, estimator)
        self.columns = Columns(report)
        self.expressions = Expressions(report, self.columns, self.work, self)
        self._sources = Sources(report, self)

    def query(self, node: exp.Expr, ctes: Ctes, outer: Scope | None) -> Shape:
        """The shape of the query *node*; its parts are checked on the way."""
        self._report.check_time()
        self._report.seen.add(id(node))
        with_ = node.args.get("with_")
        if with_ is not None:
            ctes = self._with(with_, ctes, outer)
        match node:
            case exp.Select():
                return self._select(node, ctes, outer)
            case exp.SetOperation():
                return self._set_operation(node, ctes, outer)
            case exp.Subquery():
                return self._parenthesised(node, ctes, outer)
            case exp.Values():
                return self._values(node, ctes, outer)
            case exp.Pivot():
                return self._sources.pivot_statement(node, Scope(ctes, outer))
        self._report.refuse(
            "syntax",
            "A query stands here in a form that is not allowed.",
            "Write a plain SELECT.",
            node,
        )
        return Shape({}, open=True)

    def _with(self, with_: exp.Expr, ctes: Ctes, outer: Scope | None) -> Ctes:
        """*ctes* and those of *with_*, each of which sees only the ones before it."""
        known = dict(ctes)
        for cte in with_.expressions:
            body = cte.this
            if with_.args.get("recursive") and isinstance(body, exp.SetOperation):
                shape = self._recursive(cte, body, known, outer)
            else:
                shape = _renamed(self.query(body, known, outer), cte)
            known[fold(cte.alias)] = shape
        return known

    def _recursive(
        self, cte: exp.Expr, body: exp.SetOperation, ctes: Ctes, outer: Scope | None
    ) -> Shape:
        """A CTE that may read itself, but in the second arm only."""
        name = fold(cte.alias)
        self._report.seen.add(id(body))
        if (own := body.args.get("with_")) is not None:
            ctes = self._with(own, ctes, outer)
        holder = Scope(ctes, outer)
        start = _first_only(_renamed(self.query(body.this, ctes, holder), cte))
        recurring = replace(start, rows=1.0, scans=0)
        again = self.query(body.expression, {**ctes, name: recurring}, holder)
        self._tail(body, Scope(ctes, outer, [Relation("", start)]))
        found = Course(1.0)
        if _mentions(body.expression, name):
            found = self._course(name, body, start, holder)
        fanout = self._fanout(body.expression, holder, name)
        growth = found.steps * (1.0 if found.linked else again.rows) + 1
        if fanout > 1 and not found.linked:
            growth = fanout ** min(found.steps, 1_000)
        rows = start.rows * growth
        self.work.check_rows(rows, cte)
        return replace(start, rows=rows, scans=start.scans + again.scans)

    def _fanout(self, arm: exp.Expr, holder: Scope, name: str) -> float:
        """How many rows one row becomes in a step: what the arm joins and no equality ties."""
        scope = holder.inner.get(id(arm.unnest()))
        if scope is None:
            return 1.0
        own = [relation for relation in scope.relations if relation.source == name]
        others = [r for r in scope.relations if r.source != name and not r.ties]
        # An equality counts for the later of its two sides; where that is the CTE, another is tied.
        others = others[1:] if own and own[0].ties else others
        return math.prod(max(1.0, relation.shape.rows) for relation in others) if own else 1.0

    def _course(self, name: str, body: exp.SetOperation, start: Shape, holder: Scope) -> Course:
        limits = self._report.policy.limits
        found = Course(UNKNOWN)
        if limits.recursion and (start.placed or not start.open):
            found = course(name, body, list(start.columns), holder, self.work.estimator)
        if found.steps > limits.max_generated_rows:
            self._report.refuse(
                "recursion",
                "A recursive table expression is not shown to end after few steps.",
                "Count a column up by a constant and compare it with a constant in WHERE, "
                "or use generate_series.",
                body,
            )
            return Course(1.0)
        return found

    def _select(self, node: exp.Select, ctes: Ctes, outer: Scope | None) -> Shape:
        scope = Scope(ctes, outer)
        if outer is not None:
            outer.inner[id(node)] = scope
        if not node.expressions:
            self._report.refuse("syntax", "A SELECT selects nothing.", "Name its columns.", node)
        self._sources.fill(node, scope)
        rows = join_rows(node, scope.relations, scope)
        scope.rows = self.work.joined(rows, scope.relations, node)
        scope.aliases = frozenset(
            fold(item.alias) for item in node.expressions if isinstance(item, exp.Alias)
        )
        for item in node.expressions:
            self.expressions.resolve(item, scope)
        for clause in _CLAUSES:
            value = node.args.get(clause)
            for part in value if isinstance(value, list) else [value] if value else ():
                self.expressions.resolve(part, scope)
        return output_of(node, scope, self.work)

    def _set_operation(self, node: exp.SetOperation, ctes: Ctes, outer: Scope | None) -> Shape:
        shapes = [self.query(arm, ctes, outer) for arm in self._arms(node, ctes, outer)]
        columns, is_open = dict(shapes[0].columns), shapes[0].open
        if node.args.get("by_name"):
            columns = {name: fact for shape in shapes for name, fact in shape.columns.items()}
            is_open = any(shape.open for shape in shapes)
        rows = sum(shape.rows for shape in shapes)
        scans = sum(shape.scans for shape in shapes)
        self.work.check_rows(rows, node)
        self.work.check_scans(scans, node)
        # A column is as large as the largest that any arm puts in its place.
        largest = max((fact.size for shape in shapes for fact in shape.columns.values()), default=0)
        columns = {name: Fact(fact.type, largest) for name, fact in columns.items()}
        result = Shape(columns, is_open, rows, scans, placed=shapes[0].placed)
        self._tail(node, Scope(ctes, outer, [Relation("", result)]))
        return result

    def _arms(self, node: exp.SetOperation, ctes: Ctes, outer: Scope | None) -> list[exp.Expr]:
        """The arms of a chain of set operations, found without recursion."""
        arms: list[exp.Expr] = []
        current: exp.Expr = node
        while isinstance(current, exp.SetOperation):
            if current is not node:
                if current.args.get("with_"):
                    break
                self._report.seen.add(id(current))
                self._tail(current, Scope(ctes, outer, [_ANY_NAME]))
            arms.append(current.expression)
            current = current.this
        return [current, *reversed(arms)]

    def _parenthesised(self, node: exp.Subquery, ctes: Ctes, outer: Scope | None) -> Shape:
        if node.args.get("pivots") or isinstance(node.this, exp.Table):
            relations = self._sources.relations(node, Scope(ctes, outer))
            columns = {name: fact for r in relations for name, fact in r.shape.columns.items()}
            return Shape(columns, open=True, rows=relations[0].shape.rows if relations else 1.0)
        shape = self.query(node.this, ctes, outer)
        self._tail(node, Scope(ctes, outer, [Relation("", shape)]))
        return shape

    def _values(self, node: exp.Values, ctes: Ctes, outer: Scope | None) -> Shape:
        scope = Scope(ctes, outer)
        for row in node.expressions:
            self.expressions.resolve(row, scope)
        width = len(node.expressions[0].expressions) if node.expressions else 0
        rows = [row.expressions for row in node.expressions]
        columns = {
            f"col{index}": Fact(values=tuple(row[index] for row in rows if index < len(row)))
            for index in range(width)
        }
        return Shape(columns, rows=float(len(node.expressions)))

    def _tail(self, node: exp.Expr, scope: Scope) -> None:
        for clause in _TAIL:
            if (part := node.args.get(clause)) is not None:
                self.expressions.resolve(part, scope)


def _renamed(shape: Shape, cte: exp.Expr) -> Shape:
    alias = cte.args.get("alias")
    names = [fold(name.name) for name in alias.args.get("columns") or ()] if alias else []
    return shape.renamed(names) if names else shape


def _first_only(shape: Shape) -> Shape:
    """*shape*, whose values are those of a first step and not all that come."""
    columns = {name: Fact(fact.type, fact.size) for name, fact in shape.columns.items()}
    return replace(shape, columns=columns)


def _mentions(node: exp.Expr, name: str) -> bool:
    return any(fold(t.name) == name and not t.args.get("db") for t in node.find_all(exp.Table))
