"""What stands in FROM: tables on the list, CTEs in sight, sub-selects and a few table functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlglot import exp

from ._hints import for_table
from ._names import fold
from ._report import Report
from ._scope import Base, Fact, Relation, Scope, Shape
from ._work import ties

if TYPE_CHECKING:
    from ._resolve import Resolver

_ASSUMED_ROWS: Final = 1_000.0
_ASSUMED_ITEMS: Final = 10.0
_COMMANDS: Final = frozenset({"show", "describe", "desc", "summarize"})
_TYING: Final = frozenset({"NATURAL", "ASOF", "POSITIONAL", "SEMI", "ANTI"})
_OF_QUERIES: Final = ("with_", "order", "limit", "offset")
_LEFT_ONLY: Final = frozenset({"SEMI", "ANTI"})
_FUNCTION_COLUMNS: Final = {True: "range", False: "generate_series"}


class Sources:
    """Turns the items of FROM into relations."""

    def __init__(self, report: Report, resolver: Resolver) -> None:
        self._report = report
        self._resolver = resolver

    def fill(self, node: exp.Select, scope: Scope) -> None:
        """Adds the relations of FROM and of the joins of *node* to *scope*, left to right."""
        from_ = node.args.get("from_")
        if from_ is not None:
            scope.relations += self.relations(from_.this, scope)
        self._joins(node, scope)

    def relations(self, node: exp.Expr, scope: Scope) -> list[Relation]:
        """What the item *node* of FROM adds; it sees what stands to its left."""
        match node:
            case exp.Table():
                found = [self._table(node, scope)]
            case exp.Subquery():
                found = self._subquery(node, scope)
            case exp.Lateral():
                found = [self._lateral(node, scope)]
            case exp.Unnest():
                found = [self._function(node, node, scope)]
            case exp.Values():
                shape = self._resolver.query(node, scope.ctes, scope)
                found = [self._derived(node, shape)]
            case _:
                self._refuse(node)
                return []
        if (sample := node.args.get("sample")) is not None:
            self._resolver.expressions.resolve(sample, Scope(scope.ctes, None, found))
        for pivot in node.args.get("pivots") or ():
            found = [self._pivoted(pivot, found, scope)]
        if node.args.get("joins"):
            inner = Scope(scope.ctes, scope, found)
            self._joins(node, inner)
            found = inner.relations
        return found

    def pivot_statement(self, node: exp.Pivot, scope: Scope) -> Shape:
        """The shape of `PIVOT t ON ...` and `UNPIVOT t ON ...`, standing as queries."""
        found = self.relations(node.this, scope) if node.this is not None else []
        return self._pivoted(node, found, scope).shape

    def _joins(self, node: exp.Expr, scope: Scope) -> None:
        for join in node.args.get("joins") or ():
            left = list(scope.relations)
            right = self.relations(join.this, scope)
            scope.relations += right
            on, using = join.args.get("on"), join.args.get("using")
            kind = f"{join.args.get('method') or ''} {join.args.get('kind') or ''}".upper().split()
            if on is not None:
                self._resolver.expressions.resolve(on, scope)
            if using:
                self._resolver.columns.joined(using, left, right)
            if "NATURAL" in kind:
                self._resolver.columns.natural(left, right, join)
            count = ties(on, right, scope) + len(using or ())
            if _TYING.intersection(kind):
                count += 2
            for relation in right:
                relation.ties += count
                relation.gone = relation.gone or not _LEFT_ONLY.isdisjoint(kind)

    def _table(self, node: exp.Table, scope: Scope) -> Relation:
        self._report.seen.add(id(node))
        if not isinstance(node.this, exp.Identifier):
            if node.args.get("db") or node.args.get("catalog"):
                self._refuse(node)
            return self._function(node, node.this, scope)
        name = fold(node.name)
        schema = fold(node.text("db"))
        catalog = fold(node.text("catalog"))
        if not schema and not catalog and name in scope.ctes:
            return self._derived(node, scope.ctes[name])
        return self._base(node, (catalog, schema, name))

    def _base(self, node: exp.Table, full: tuple[str, str, str]) -> Relation:
        policy = self._report.policy
        catalog, schema, name = full
        key = (schema or fold(policy.default_schema), name)
        columns = policy.columns_of(key)
        if columns is None or (catalog and catalog != fold(policy.catalog or "")):
            self._unlisted(node)
            return Relation(_alias(node) or name, Shape({}, open=True))
        self._report.tables.add(key)
        base = Base(node, key)
        if (condition := policy.filter_of(key)) is not None:
            self._report.filtered(base, condition)
        facts = {column: Fact(kind) for column, kind in columns.items()}
        shape = Shape(facts, rows=_ASSUMED_ROWS, scans=1)
        alias = _alias(node)
        path = () if alias else (fold(policy.catalog or ""), *key)
        relation = Relation(alias or name, shape, policy.denied_of(key), (base,), path=path)
        names = _column_aliases(node)
        if names:
            if relation.denied:
                self._report.denied_star(node)
            self._resolver.columns.whole([relation])
            relation.shape = shape.renamed(names)
        return relation

    def _subquery(self, node: exp.Subquery, scope: Scope) -> list[Relation]:
        inner = node.this
        if not _is_group(node):
            shape = self._resolver.query(inner, scope.ctes, scope)
            for clause in ("order", "limit", "offset"):
                if (part := node.args.get(clause)) is not None:
                    inside = Scope(scope.ctes, scope, [Relation("", shape)])
                    self._resolver.expressions.resolve(part, inside)
            return [self._derived(node, shape)]
        if _may_be_a_command(inner) or any(node.args.get(key) for key in _OF_QUERIES):
            self._refuse(node)
        found = self.relations(inner, scope)
        if not _alias(node):
            return found
        columns = {name: kind for r in found for name, kind in r.shape.columns.items()}
        merged = Relation(
            _alias(node),
            Shape(columns, any(r.shape.open for r in found)),
            frozenset(name for r in found for name in r.denied),
            tuple(base for r in found for base in r.bases),
        )
        if _column_aliases(node):
            self._refuse(node)
        return [merged]

    def _lateral(self, node: exp.Lateral, scope: Scope) -> Relation:
        inner = node.this
        if isinstance(inner, exp.Subquery):
            return self._derived(node, self._resolver.query(inner, scope.ctes, scope))
        return self._function(node, inner, scope)

    def _function(self, node: exp.Expr, call: exp.Expr, scope: Scope) -> Relation:
        if not self._report.function_rule.in_from(call):
            self._report.add(self._report.function_rule.refusal(call), call)
        self._report.seen.add(id(call))
        arguments = Scope(scope.ctes, scope)
        for key, argument in call.args.items():
            for part in argument if isinstance(argument, list) else [argument]:
                if isinstance(part, exp.Expr) and key not in ("alias", "offset"):
                    self._resolver.expressions.resolve(part, arguments)
        names = _column_aliases(node)
        if isinstance(call, exp.GenerateSeries):
            own = _FUNCTION_COLUMNS[bool(call.args.get("is_end_exclusive"))]
            count = self._resolver.work.generator(call, arguments)
            fact = self._resolver.work.estimator.made_by(call, arguments)
            shape = Shape(dict.fromkeys(names or [own], fact), rows=count)
        else:
            rows = _ASSUMED_ITEMS * arguments.weight
            shape = Shape(dict.fromkeys(names, Fact()), open=True, rows=rows)
        return Relation(_alias(node) or own_name(call), shape)

    def _pivoted(self, node: exp.Pivot, found: list[Relation], scope: Scope) -> Relation:
        inside = Scope(scope.ctes, scope, found)
        takes_all = node.args.get("unpivot") or not node.args.get("group")
        if takes_all:
            for relation in found:
                self._resolver.columns.row_of(relation, node)
        else:
            self._report.needs_listed(found)
        unpivot = bool(node.args.get("unpivot"))
        if not (node.expressions or node.args.get("fields")):
            # The generator has no text for a pivot without columns: it would write another one.
            self._refuse(node)
        if isinstance(into := node.args.get("into"), exp.UnpivotColumns):
            self._report.sees_names((into.this, *into.expressions))
        for key in ("expressions", "fields", "using", "group"):
            value = node.args.get(key)
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, exp.Expr):
                    self._pivot_part(part, inside, unpivot=unpivot)
        return Relation(_alias(node), Shape({}, open=True))

    def _pivot_part(self, part: exp.Expr, inside: Scope, *, unpivot: bool) -> None:
        self._report.sees_names((part, part.this) if unpivot else ())
        if not unpivot:
            self._resolver.expressions.resolve(part, inside)
        elif isinstance(part, exp.In):
            for item in part.expressions:
                target = item.this if isinstance(item, exp.PivotAlias) else item
                self._resolver.expressions.resolve(target, inside)
        elif part.arg_key == "fields" or not _is_new_name(part):
            self._resolver.expressions.resolve(part, inside)

    def _derived(self, node: exp.Expr, shape: Shape) -> Relation:
        names = _column_aliases(node)
        if names:
            shape = shape.renamed(names)
        name = node.name if isinstance(node, exp.Table) else ""
        return Relation(_alias(node) or fold(name), shape, source=fold(name))

    def _unlisted(self, node: exp.Table) -> None:
        self._report.refuse(
            "tables",
            "A table is read that is not on the list.",
            for_table(fold(node.name), self._report.policy.tables),
            node,
        )

    def _refuse(self, node: exp.Expr) -> None:
        self._report.refuse(
            "syntax",
            "FROM holds something that is not allowed there.",
            "Read listed tables, common table expressions or sub-selects.",
            node,
        )


def _alias(node: exp.Expr) -> str:
    return fold(node.alias) if node.args.get("alias") else ""


def _column_aliases(node: exp.Expr) -> list[str]:
    alias = node.args.get("alias")
    names = alias.args.get("columns") or () if isinstance(alias, exp.TableAlias) else ()
    # What WITH ORDINALITY adds comes last.
    ordinality = node.args.get("offset") if isinstance(node, exp.Unnest) else None
    last = [ordinality] if isinstance(ordinality, exp.Identifier) else []
    return [fold(name.name) for name in (*names, *last)]


def _is_new_name(part: exp.Expr) -> bool:
    """Whether *part* of an UNPIVOT names what it makes, one column or several."""
    names = part.expressions if isinstance(part, exp.Tuple) else [part]
    return all(isinstance(name, exp.Identifier) for name in names)


def own_name(call: exp.Expr) -> str:
    """The name that a table function without alias gives its relation."""
    return fold(call.name) if isinstance(call, exp.Anonymous) else ""


def _is_group(node: exp.Subquery) -> bool:
    """Whether the parentheses hold an item of FROM, with or without joins, and no query."""
    inner = node.this
    return isinstance(inner, exp.Table) or (
        isinstance(inner, exp.Subquery) and (bool(inner.args.get("joins")) or _is_group(inner))
    )


def _may_be_a_command(node: exp.Expr) -> bool:
    """Whether the engine may read what stands in parentheses as `SHOW x`, not as a table `show`."""
    if not isinstance(node, exp.Table) or node.args.get("joins"):
        return False
    name = node.this
    return bool(node.args.get("alias")) or (
        isinstance(name, exp.Identifier)
        and not name.args.get("quoted")
        and fold(name.name) in _COMMANDS
    )
