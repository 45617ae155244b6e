"""What a SELECT gives: its columns, what is known of each, and about how many rows."""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from ._function_names import TABLE_FUNCTIONS
from ._names import fold
from ._scope import Fact, Scope, Shape, fact_of
from ._work import Work

# Desks, days or counterparties among the rows of a table.
_ASSUMED_GROUPS: Final = 300.0


def output_of(node: exp.Select, scope: Scope, work: Work) -> Shape:
    """The shape of *node*, all of whose parts were resolved in *scope*."""
    columns: dict[str, Fact] = {}
    is_open, placed = False, True
    for item in node.expressions:
        star = _star_of(item)
        if isinstance(item, exp.Alias):
            columns[fold(item.alias)] = _fact(item.this, scope, work)
        elif star is None and isinstance(item, exp.Column):
            columns[fold(item.name)] = fact_of(item, scope)
        elif star is None or star.args.get("rename") or star.args.get("ilike"):
            # The engine names such a column itself, so any name may be meant for it.
            columns.setdefault(f"\0{len(columns)}", _fact(item, scope, work))
            is_open = True
            placed = placed and star is None and not isinstance(item, exp.Columns)
        else:
            placed = False
            found = _starred(star, fold(item.text("table")), scope)
            columns.update(found.columns)
            is_open = is_open or found.open
    copied = len(scope.relations) == 1 and all(_is_copied(item) for item in node.expressions)
    renamed = any(_is_renamed(item) for item in node.expressions)
    columns = {
        name: fact if copied and not (renamed and fact.within) else fact.alone()
        for name, fact in columns.items()
    }
    columns.update(_numbered(node, columns))
    scans = max(1, sum(relation.shape.scans for relation in scope.relations))
    work.check_scans(scans, node)
    return Shape(columns, is_open, _rows(node, scope, work), scans, placed)


def _is_copied(item: exp.Expr) -> bool:
    """Whether *item* makes no more rows and changes no column."""
    return isinstance(item.unalias(), exp.Column | exp.Star | exp.Literal | exp.Null)


def _is_renamed(item: exp.Expr) -> bool:
    """Whether *item* gives a column another name, or another column its name."""
    star = _star_of(item)
    if star is not None:
        return bool(star.args.get("rename") or star.args.get("replace"))
    return isinstance(item, exp.Alias) and fold(item.alias) != fold(item.this.name)


def _numbered(node: exp.Select, columns: dict[str, Fact]) -> dict[str, Fact]:
    """The columns of *node* that number its rows."""
    found: dict[str, Fact] = {}
    if any(_multiplies(part) for item in node.expressions for part in item.walk()):
        return found
    own = [item for item in node.expressions if isinstance(item, exp.Column)]
    for item in node.expressions:
        window = item.unalias()
        if not isinstance(window, exp.Window) or not isinstance(window.this, exp.RowNumber):
            continue
        parts = window.args.get("partition_by") or ()
        if isinstance(item, exp.Alias) and all(part in own for part in parts):
            name = fold(item.alias)
            within = tuple(fold(part.name) for part in parts)
            found[name] = columns[name]._replace(within=within)
    return found


def _multiplies(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous):
        return fold(node.name) in TABLE_FUNCTIONS or fold(node.name) == "generate_subscripts"
    return isinstance(node, exp.Explode | exp.Unnest)


def _star_of(item: exp.Expr) -> exp.Star | None:
    inner = item.this if isinstance(item, exp.Column) else item
    return inner if isinstance(inner, exp.Star) else None


def _starred(star: exp.Star, table: str, scope: Scope) -> Shape:
    excluded = {fold(name.name) for name in star.args.get("except_") or ()}
    replaced = {fold(item.alias) for item in star.args.get("replace") or ()}
    found = Shape({})
    for relation in scope.visible:
        if table in ("", relation.alias):
            found.open = found.open or relation.shape.open
            found.columns.update(
                (name, Fact() if name in replaced else fact)
                for name, fact in relation.shape.columns.items()
                if name not in excluded
            )
    return found


def _fact(node: exp.Expr, scope: Scope, work: Work) -> Fact:
    if isinstance(node, exp.Column):
        return fact_of(node, scope)
    kind = ""
    if isinstance(node, exp.Min | exp.Max) and isinstance(node.this, exp.Column):
        kind = fact_of(node.this, scope).type
    return Fact(kind, max(Fact().size, work.estimator.size(node, scope)))


def _rows(node: exp.Select, scope: Scope, work: Work) -> float:
    rows = scope.rows * scope.weight
    work.check_rows(rows, node)
    if (node.args.get("group") or node.args.get("distinct")) and _reads_tables(scope):
        rows = min(rows, _ASSUMED_GROUPS)
    if node.args.get("group") is None and any(_aggregates(item) for item in node.expressions):
        rows = 1.0
    limit = node.args.get("limit")
    if isinstance(limit, exp.Limit) and not limit.args.get("limit_options"):
        rows = min(rows, max(0.0, work.estimator.span(limit.expression, scope).high))
    return rows


def _reads_tables(scope: Scope) -> bool:
    """Whether all rows come from tables, and not from a generator, whose rows may all differ."""
    tables = bool(scope.relations) and all(relation.bases for relation in scope.relations)
    return tables and scope.weight == 1


def _aggregates(item: exp.Expr) -> bool:
    """Whether *item* calls an aggregate that is not a window function."""
    return any(
        not isinstance(node.parent, exp.Window | exp.Filter | exp.IgnoreNulls)
        for node in item.find_all(exp.AggFunc)
    )
