"""Shows that a recursive CTE ends, and that no step makes more than the one before."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Final, NamedTuple

from sqlglot import exp

from ._chains import chained
from ._counters import Recurring, counted
from ._estimate import UNKNOWN, Estimator
from ._growth import Own, grows, joins, own_uses
from ._names import fold
from ._scope import Scope

_MAX_STEPS: Final = 20_000
_MAX_STEPS_WITH_JOIN: Final = 20
_MAX_GROWTH: Final = 2e9


class Course(NamedTuple):
    """How a recursive CTE runs."""

    steps: float
    """How often its recursive arm runs at most; unknown when not shown."""
    linked: bool = False
    """Whether a row of the start leads to no more rows than there are steps."""


_ENDLESS: Final = Course(UNKNOWN)


def course(
    name: str, body: exp.SetOperation, columns: list[str], scope: Scope, estimator: Estimator
) -> Course:
    """
    How the recursive arm of *body*, the CTE *name*, runs.

    *columns* are those of the CTE; *scope* is the one around both arms.
    """
    arm = body.expression.unnest() if isinstance(body.expression, exp.Subquery) else body.expression
    if not isinstance(arm, exp.Select) or _references(name, arm) != 1:
        return _ENDLESS
    own = next((t for t in _tables(arm) if _is_reference(t, name)), None)
    sources = list(_sources(arm))
    # Under another name, or inside a sub-select, its columns could not be told apart from others.
    if own is None or not any(own is source for source in sources) or _renames(own):
        return _ENDLESS
    is_own = _growing_values(arm, fold(own.alias_or_name), columns)
    if any(grows(item, is_own) for item in arm.expressions):
        return _ENDLESS
    alone = len(sources) == 1
    if body.args.get("distinct") and _only_columns(arm):
        # Nothing new can come of values that are only copied once all of them have been seen.
        return Course(1.0 if alone else _MAX_STEPS_WITH_JOIN)
    start = body.this.unnest() if isinstance(body.this, exp.Subquery) else body.this
    recurring = Recurring(start, arm, fold(own.alias_or_name), columns, scope, estimator)
    found = min((counted(part, recurring) for part in _conditions(arm)), default=UNKNOWN)
    linked = not alone and found > _MAX_STEPS_WITH_JOIN
    if linked:
        found = chained(own, recurring)
    if found > _MAX_STEPS:
        return _ENDLESS
    longer = [estimator.size(i, scope) for i in arm.expressions if joins(i, is_own)]
    grown = found * found * max(longer, default=0)
    return Course(found, linked) if grown <= _MAX_GROWTH else _ENDLESS


def _renames(own: exp.Table) -> bool:
    alias = own.args.get("alias")
    return isinstance(alias, exp.TableAlias) and bool(alias.args.get("columns"))


def _growing_values(arm: exp.Select, table: str, columns: list[str]) -> Own:
    """Tells whether a node may be a value of the step before that is longer than the one before it."""
    growing: set[str] = set()
    while True:
        is_own = _own_values(table, growing)
        every = _own_values(table, {*columns, *_aliases(arm)})
        found = {
            name
            for item, column in zip_longest(arm.expressions, columns, fillvalue=None)
            if item is not None
            and (joins(item, every) or grows(item, every) or own_uses(item, is_own))
            for name in (column, fold(item.alias) if isinstance(item, exp.Alias) else None)
            if name is not None
        }
        if found <= growing:
            return _own_values(table, growing)
        growing |= found


def _aliases(arm: exp.Select) -> set[str]:
    return {fold(item.alias) for item in arm.expressions if isinstance(item, exp.Alias)}


def _own_values(table: str, columns: set[str]) -> Own:
    """Tells whether a node may be one of *columns* of *table*, or the whole row of it."""
    names = {*columns, table}

    def is_own(node: exp.Expr) -> bool:
        if not isinstance(node, exp.Column | exp.Identifier | exp.Star | exp.PositionalColumn):
            return False
        if isinstance(node, exp.Identifier):
            return not isinstance(node.parent, exp.Column | exp.Alias) and fold(node.name) in names
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            qualifier = fold(node.text("table"))
            return qualifier in ("", table) and fold(node.name) in names
        return True

    return is_own


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
    for join in arm.args.get("joins") or ():
        yield join.this
        yield from join.this.args.get("joins") or ()


def _only_columns(arm: exp.Select) -> bool:
    return all(isinstance(item.unalias(), exp.Column | exp.Literal) for item in arm.expressions)
