"""Shows that a recursive CTE ends because the rows that each step is joined to run out."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Final

from sqlglot import exp

from ._counters import Recurring, first_values
from ._estimate import UNKNOWN
from ._names import fold
from ._scope import Fact, Relation, Scope, fact_of
from ._work import equalities

_INNER: Final = frozenset({"", "INNER", "CROSS"})


def chained(own: exp.Table, recurring: Recurring) -> float:
    """
    How many rows one row of the start leads to at most, when each step follows a link of a relation.

    The links are literals without a cycle, or the numbers of the relation's rows, one by one.
    """
    arm, scope = recurring.arm, recurring.scope
    inner = scope.inner.get(id(arm))
    joins: list[exp.Join] = arm.args.get("joins") or []
    if inner is None or len(inner.relations) != 2 or len(joins) != 1 or not _is_inner(joins[0]):
        return UNKNOWN
    alias = fold(own.alias_or_name)
    others = [relation for relation in inner.relations if relation.alias != alias]
    if len(others) != 1:
        return UNKNOWN
    pairs = list(_pairs(arm, alias, others[0]))
    return min((_followed(*pair, pairs, others[0], recurring) for pair in pairs), default=UNKNOWN)


_Pair = tuple[exp.Column, exp.Column, int]
"""A column of the relation, one of the CTE, and by how much the first is the larger."""


def _is_inner(join: exp.Join) -> bool:
    words = (join.text("side"), join.text("method"), join.text("kind").upper())
    return not any(words[:2]) and words[2] in _INNER and not join.args.get("using")


def _pairs(arm: exp.Select, alias: str, other: Relation) -> Iterator[_Pair]:
    where = arm.args.get("where")
    for condition in (where.this if where else None, arm.args["joins"][0].args.get("on")):
        for sides in equalities(condition):
            for one, two in (sides, sides[::-1]):
                mine, others = _shifted(two), _shifted(one)
                if (
                    mine is not None
                    and others is not None
                    and fold(mine[0].text("table")) == alias
                    and _is_of(others[0], other)
                ):
                    yield others[0], mine[0], mine[1] - others[1]


def _is_of(column: exp.Column, relation: Relation) -> bool:
    return fold(column.text("table")) == relation.alias


def _shifted(node: exp.Expr) -> tuple[exp.Column, int] | None:
    """The column in `n`, `n + 1` or `n - 1`, and the whole number that is added."""
    node = node.unnest()
    if isinstance(node, exp.Column):
        return node, 0
    if not isinstance(node, exp.Add | exp.Sub) or not isinstance(node.this, exp.Column):
        return None
    by = node.expression
    if not isinstance(by, exp.Literal) or not by.is_int:
        return None
    return node.this, int(by.name) if isinstance(node, exp.Add) else -int(by.name)


def _followed(
    key: exp.Column,
    mine: exp.Column,
    ahead: int,
    pairs: list[_Pair],
    other: Relation,
    recurring: Recurring,
) -> float:
    columns, arm = recurring.columns, recurring.arm
    name = fold(mine.name)
    index = columns.index(name) if name in columns else len(arm.expressions)
    if index >= len(arm.expressions):
        return UNKNOWN
    item = arm.expressions[index].unalias()
    start = recurring.scope.inner.get(id(recurring.start), recurring.scope)
    firsts = [(first, start) for first in first_values(recurring.start, index)]
    fact = other.shape.columns.get(fold(key.name), Fact())
    if fact.within is not None:
        tied = {fold(column.name) for column, _, difference in pairs if difference == 0}
        moves = _moves(item, key, mine, ahead)
        counts = bool(firsts) and all(_is_number(*first) for first in firsts)
        return other.shape.rows if moves and counts and tied.issuperset(fact.within) else UNKNOWN
    if ahead or not isinstance(item, exp.Column) or not _is_of(item, other):
        return UNKNOWN
    following = other.shape.columns.get(fold(item.name), Fact())
    kinds = {_kind(value) for value in (*fact.values, *following.values)} - {"null"}
    if not fact.values or len(kinds) != 1 or None in kinds:
        return UNKNOWN
    if not firsts or not all(_all_of(*first, kinds) for first in firsts):
        return UNKNOWN
    return _paths(fact.values, following.values)


def _moves(item: exp.Expr, key: exp.Column, mine: exp.Column, ahead: int) -> bool:
    """Whether *item* hands on the number of the row that was found, which lies ahead."""
    shifted = _shifted(item)
    if shifted is None or ahead < 1:
        return False
    column, by = shifted
    same = fold(column.name) == fold(mine.name) and column.text("table") == mine.text("table")
    return (same and by == ahead) or (
        by == 0
        and column.text("table") == key.text("table")
        and fold(column.name) == fold(key.name)
    )


def _is_number(first: exp.Expr, scope: Scope) -> bool:
    node = first.unalias()
    if isinstance(node, exp.Column):
        return fact_of(node, scope).within is not None
    return isinstance(node, exp.Literal) and node.is_int


def _all_of(first: exp.Expr, scope: Scope, kinds: set[str | None]) -> bool:
    node = first.unalias()
    values = fact_of(node, scope).values if isinstance(node, exp.Column) else (node,)
    return bool(values) and {_kind(value) for value in values} <= {*kinds, "null"}


def _kind(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Null):
        return "null"
    if not isinstance(node, exp.Literal):
        return None
    return "text" if node.is_string else "number" if node.is_int else None


def _paths(keys: tuple[exp.Expr, ...], values: tuple[exp.Expr, ...]) -> float:
    """How many ways lead on from one key at most, itself included; unknown when one comes back."""
    links: dict[str, list[str]] = {}
    for key, value in zip(keys, values, strict=True):
        if not isinstance(key, exp.Null) and not isinstance(value, exp.Null):
            links.setdefault(_text(key), []).append(_text(value))
    try:
        order = list(TopologicalSorter(links).static_order())
    except CycleError:
        return UNKNOWN
    ways: dict[str, float] = {}
    for name in order:
        ways[name] = 1.0 + sum(ways[following] for following in links.get(name, ()))
    return max(ways.values(), default=1.0)


def _text(literal: exp.Expr) -> str:
    return literal.name if literal.args["is_string"] else str(int(literal.name))
