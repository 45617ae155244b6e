"""Whether repeating an expression on its own result can make a value that grows without measure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlglot import exp

from ._function_names import NEUTRAL
from ._functions import spellings
from ._names import fold

# Joins two values: the result grows by the other one each time, unless both are the own one.
_JOINING: Final = (
    *(exp.DPipe, exp.Concat, exp.ConcatWs, exp.ArrayAppend, exp.ArrayConcat, exp.ArrayPrepend),
)
_JOINING_NAMES: Final = frozenset(
    {"list_append", "list_prepend", "array_append", "array_prepend", "list_concat", "concat"}
)
_SYNTAX: Final = (
    *(exp.Alias, exp.Paren, exp.Column, exp.Identifier, exp.Cast, exp.TryCast, exp.Case, exp.If),
    *(exp.Binary, exp.Unary, exp.Between, exp.In, exp.Interval, exp.Window, exp.Bracket),
    *(exp.Order, exp.Ordered, exp.Tuple, exp.Lambda, exp.Struct, exp.PropertyEQ),
)

Own = Callable[[exp.Expr], bool]


def own_uses(item: exp.Expr, own: Own) -> list[exp.Expr]:
    """The nodes of *item* that stand for the value of the step before."""
    return [node for node in item.walk() if own(node)]


def grows(item: exp.Expr, own: Own) -> bool:
    """
    Whether *item* may be more than a little larger than the value of the step before.

    What *own* says are uses of that value. Operators and functions whose results are no larger than
    their arguments may hold any number of them, those that join two values one; no others may.
    """
    for use in own_uses(item, own):
        node = use
        while node is not item and node.parent is not None:
            node = node.parent
            if not _keeps_size(node, own):
                return True
    return False


def joins(item: exp.Expr, own: Own) -> bool:
    """Whether *item* makes the value of the step before longer."""
    return any(_is_joining(node) for node in item.walk()) and bool(own_uses(item, own))


def _keeps_size(node: exp.Expr, own: Own) -> bool:
    if _is_joining(node):
        return len(own_uses(node, own)) == 1
    if isinstance(node, exp.Dot):
        return isinstance(node.expression, exp.Identifier)
    if isinstance(node, exp.Anonymous):
        return fold(node.name) in NEUTRAL
    if isinstance(node, exp.Func) and not isinstance(node, _SYNTAX):
        return any(name in NEUTRAL for name in spellings(type(node)))
    return isinstance(node, _SYNTAX)


def _is_joining(node: exp.Expr) -> bool:
    return isinstance(node, _JOINING) or (
        isinstance(node, exp.Anonymous) and fold(node.name) in _JOINING_NAMES
    )
