"""Resolves every name in an expression, whatever node carries it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from ._columns import Columns
from ._names import fold
from ._report import Report
from ._scope import Scope
from ._work import SIZED_NODES, Work

if TYPE_CHECKING:
    from ._resolve import Resolver

Handler = Callable[[exp.Expr, Scope], Iterator[exp.Expr]]
"""Resolves one node, and gives the parts of it that are still to be resolved."""

# Identifiers under these keys give a name, or use one that is no column.
_NAME_KEYS: Final = frozenset({"alias", "columns", "using", "db", "catalog"})


class Expressions:
    """Walks expressions, each in the scope that it stands in."""

    def __init__(self, report: Report, columns: Columns, work: Work, resolver: Resolver) -> None:
        self._report = report
        self._columns = columns
        self._work = work
        self._resolver = resolver
        self._handlers: dict[type[exp.Expr], Handler] = {
            exp.Column: self._column,
            exp.Columns: self._pattern,
            exp.Comprehension: self._comprehension,
            exp.DataType: _nothing,
            exp.Dot: self._dot,
            exp.Identifier: self._identifier,
            exp.Lambda: self._lambda,
            exp.Literal: _nothing,
            exp.PositionalColumn: self._position,
            exp.PropertyEQ: _value_of_pair,
            exp.Kwarg: _value_of_pair,
            exp.Star: self._star,
            exp.TableAlias: _nothing,
            exp.Window: _all_but_names,
            **dict.fromkeys(_COLLECTIONS, self._collection),
            **dict.fromkeys(SIZED_NODES, self._sized),
            **dict.fromkeys(_QUERY_NODES, self._query),
        }

    def resolve(self, node: exp.Expr, scope: Scope) -> None:
        """Resolves every name below *node*, those of queries inside it included."""
        stack = [node]
        while stack:
            current = stack.pop()
            self._report.seen.add(id(current))
            handler = self._handlers.get(type(current))
            stack.extend(current.iter_expressions() if handler is None else handler(current, scope))

    def _column(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        assert isinstance(node, exp.Column)
        parts = node.parts
        last = parts[-1]
        if isinstance(last, exp.Star):
            names = tuple(fold(part.name) for part in parts[:-1])
            self._qualified_star(last, names, scope, node)
            yield from last.args.get("replace") or ()
        elif len(parts) == 1:
            self._columns.bare(fold(last.name), scope, node)
        else:
            self._columns.dotted(tuple(fold(part.name) for part in parts), scope, node)

    def _qualified_star(
        self, star: exp.Star, names: tuple[str, ...], scope: Scope, node: exp.Expr
    ) -> None:
        for level in scope.levels():
            for relation in level.visible:
                if relation.answers_to((*names, "*")) == len(names):
                    self._columns.star(star, [relation], node)
                    return
        self._columns.bare(names[0], scope, node)

    def _star(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        assert isinstance(node, exp.Star)
        if not isinstance(node.parent, exp.Count):
            self._columns.star(node, scope.nearest_relations(), node)
        yield from node.args.get("replace") or ()

    def _pattern(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        if isinstance(node.this, exp.Column) and isinstance(node.this.this, exp.Star):
            yield node.this
            return
        self._columns.pattern(node, scope.nearest_relations())
        if isinstance(node.this, exp.Star):
            yield from node.this.args.get("replace") or ()
        elif not isinstance(node.this, exp.Literal | exp.Array):
            yield node.this

    def _position(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        for relation in scope.nearest_relations():
            self._columns.row_of(relation, node)
        yield from ()

    def _lambda(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        names = [fold(parameter.name) for parameter in node.expressions]
        self.resolve(node.this, self._with_parameters(names, scope, node))
        yield from ()

    def _comprehension(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        variables = (node.expression, node.args.get("position"))
        names = [fold(variable.name) for variable in variables if variable is not None]
        inner = self._with_parameters(names, scope, node)
        self.resolve(node.this, inner)
        if (condition := node.args.get("condition")) is not None:
            self.resolve(condition, inner)
        yield node.args["iterator"]

    def _with_parameters(self, names: list[str], scope: Scope, node: exp.Expr) -> Scope:
        denied = {name for level in scope.levels() for r in level.relations for name in r.denied}
        if denied.intersection(names):
            self._report.denied(node)
        return Scope(scope.ctes, scope, parameters=frozenset(names))

    def _dot(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        """A chain `a.b.c` or `a.b.f(x)`: its leading identifiers are one name."""
        links: list[exp.Expr] = []
        current: exp.Expr = node
        while isinstance(current, exp.Dot):
            self._report.seen.add(id(current))
            links.append(current.expression)
            current = current.this
            self._report.seen.add(id(current))
        links.reverse()
        names: list[exp.Expr] = []
        if isinstance(current, exp.Identifier):
            names.append(current)
        elif isinstance(current, exp.Column) and isinstance(current.this, exp.Identifier):
            names += current.parts
        else:
            yield current
        if names:
            self._leading_names(node, current, names, links, scope)
        yield from (link for link in links if not isinstance(link, exp.Identifier))

    def _leading_names(
        self,
        node: exp.Expr,
        first: exp.Expr,
        names: list[exp.Expr],
        links: list[exp.Expr],
        scope: Scope,
    ) -> None:
        for link in links:
            if not isinstance(link, exp.Identifier):
                break
            names.append(link)
        parts = tuple(fold(name.name) for name in names)
        origin = first if isinstance(first, exp.Column) else node
        if len(parts) == 1:
            self._columns.bare(parts[0], scope, origin)
        else:
            self._columns.dotted(parts, scope, origin)

    def _identifier(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        if node.arg_key not in _NAME_KEYS:
            self._columns.bare(fold(node.name), scope, node)
        yield from ()

    def _sized(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        # The arguments come first, so that sub-selects among them have been seen when sizes are told.
        for child in node.iter_expressions():
            self.resolve(child, scope)
        self._work.value(node, scope)
        yield from ()

    def _collection(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        self._work.aggregate(node, scope)
        yield from node.iter_expressions()

    def _query(self, node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
        self._resolver.query(node, scope.ctes, scope)
        yield from ()


_COLLECTIONS: Final = (
    *(exp.ArrayAgg, exp.GroupConcat, exp.JSONArrayAgg, exp.JSONObjectAgg, exp.JSONBObjectAgg),
)
_QUERY_NODES: Final = (
    *(exp.Select, exp.Union, exp.Except, exp.Intersect, exp.Subquery, exp.Values, exp.Pivot),
)


def _value_of_pair(node: exp.Expr, _scope: Scope) -> Iterator[exp.Expr]:
    if not isinstance(node.this, exp.Identifier | exp.Var):
        yield node.this
    yield node.expression


def _all_but_names(node: exp.Expr, _scope: Scope) -> Iterator[exp.Expr]:
    for child in node.iter_expressions():
        if not isinstance(child, exp.Identifier):
            yield child


def _nothing(_node: exp.Expr, _scope: Scope) -> Iterator[exp.Expr]:
    yield from ()
