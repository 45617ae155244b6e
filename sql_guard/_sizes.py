"""Upper estimates, made without data, of how large values are and how many items lists have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlglot import exp

from ._estimate import Spans
from ._function_names import SMALL
from ._functions import spellings
from ._names import fold
from ._scope import Fact, Scope, fact_of

_FEW_ITEMS: Final = 10.0
_SMALL_SIZE: Final = 32.0
# A value of unknown make that is no larger than this is taken to hold few items.
_MODEST_SIZE: Final = 1_000.0
_TRANSFORMS: Final = frozenset(
    {"list_transform", "array_transform", "list_apply", "array_apply", "apply"}
)
_JOINERS: Final = frozenset(
    {"array_to_string", "list_aggregate", "array_aggregate", "list_aggr", "array_aggr", "aggregate"}
)
_RESIZERS: Final = frozenset({"list_resize", "array_resize", "bitstring"})
_SMALL_NODES: Final = (
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Predicate, exp.Not, exp.Neg),
    *(exp.And, exp.Or, exp.Count, exp.Sum, exp.Avg, exp.Interval, exp.Boolean, exp.Null),
)


class Estimator(Spans):
    """Estimates expressions in their scopes, with the values of the parameters given."""

    def size(self, node: exp.Expr | None, scope: Scope) -> float:
        """How many characters or items the value of *node* has at most, about."""
        if node is None:
            return 1.0
        if isinstance(node, exp.Anonymous):
            return self._of_call(node, fold(node.name), scope)
        size = _SIZES.get(type(node))
        if size is not None:
            return size(self, node, scope)
        return _SMALL_SIZE if _is_small(type(node)) else self._sum(node, scope)

    def items(self, node: exp.Expr | None, scope: Scope) -> float:
        """How many items the list *node* has at most, about."""
        match node:
            case exp.Paren() | exp.Cast() | exp.ArrayFilter() | exp.Transform():
                return self.items(node.this, scope)
            case exp.Array(expressions=[exp.Comprehension() as made]) | (
                exp.Comprehension() as made
            ):
                return self.items(made.args["iterator"], scope)
            case exp.Array() | exp.Tuple():
                return float(max(1, len(node.expressions)))
            case exp.GenerateSeries():
                return self.generated(node, scope)
            case exp.ArrayAgg():
                return max(1.0, scope.rows)
        size = self.size(node, scope)
        return size if size > _MODEST_SIZE else min(size, _FEW_ITEMS)

    def _sum(self, node: exp.Expr, scope: Scope) -> float:
        return max(1.0, sum(self.size(part, scope) for part in node.iter_expressions()))

    def _of_call(self, node: exp.Anonymous, name: str, scope: Scope) -> float:
        arguments = node.expressions
        if name in SMALL:
            return _SMALL_SIZE
        if name in _RESIZERS and len(arguments) > 1:
            item = self.size(arguments[2], scope) if len(arguments) > 2 else 1.0
            return self.size(arguments[0], scope) + item * _times(self, arguments[1], scope)
        if name in _TRANSFORMS and len(arguments) > 1:
            return self.items(arguments[0], scope) * self.size(arguments[1], scope)
        if name in _JOINERS and arguments:
            between = self._sum(node, scope) - self.size(arguments[0], scope)
            return self.size(arguments[0], scope) + self.items(arguments[0], scope) * between
        return self._sum(node, scope)


def _is_small(kind: type[exp.Expr]) -> bool:
    if kind not in _small:
        _small[kind] = issubclass(kind, _SMALL_NODES) or any(n in SMALL for n in spellings(kind))
    return _small[kind]


_small: Final[dict[type[exp.Expr], bool]] = {}


def _times(estimator: Estimator, node: exp.Expr | None, scope: Scope) -> float:
    return max(1.0, estimator.span(node, scope).high)


def _of_literal(_: Estimator, node: exp.Expr, __: Scope) -> float:
    return float(max(1, len(node.name)))


def _of_placeholder(estimator: Estimator, node: exp.Expr, _: Scope) -> float:
    value = estimator.parameters.get(node.name)
    return float(len(value)) if isinstance(value, str | bytes) else _SMALL_SIZE


def _of_column(_: Estimator, node: exp.Expr, scope: Scope) -> float:
    assert isinstance(node, exp.Column)
    return fact_of(node, scope).size


def _of_repeat(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    return estimator.size(node.this, scope) * _times(estimator, node.args.get("times"), scope)


def _of_pad(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    return max(estimator.size(node.this, scope), _times(estimator, node.expression, scope))


def _of_replace(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    made = estimator.size(node.args.get("replacement"), scope)
    if node.args.get("single_replace"):
        return estimator.size(node.this, scope) + made
    # An empty pattern matches before, between and after all characters.
    return estimator.size(node.this, scope) * (made + 1 if made > 1 else 1.0)


def _of_query(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    query = node.unnest()
    inner = scope.inner.get(id(query))
    if inner is None or not isinstance(query, exp.Select) or len(query.expressions) != 1:
        return Fact().size
    return estimator.size(query.expressions[0], inner)


def _of_choice(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    """The largest of the values that CASE, IF or COALESCE chooses from."""
    parts = [node.args.get(key) for key in ("default", "true", "false")]
    if isinstance(node, exp.Case):
        parts += [branch.args.get("true") for branch in node.args.get("ifs") or ()]
    else:
        parts += [node.this, *node.expressions]
    return max(estimator.size(part, scope) for part in parts)


def _of_window(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    return estimator.size(node.this, scope)


def _of_series(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    return max(1.0, estimator.generated(node, scope))


def _of_comprehension(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    return estimator.items(node.args["iterator"], scope) * estimator.size(node.this, scope)


def _of_transform(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    return estimator.items(node.this, scope) * estimator.size(node.expression, scope)


def _of_lambda(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    return estimator.size(node.this, scope)


def _of_joined(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    between = estimator.size(node.expression, scope)
    return estimator.size(node.this, scope) + estimator.items(node.this, scope) * between


def _of_collection(estimator: Estimator, node: exp.Expr, scope: Scope) -> float:
    return max(1.0, scope.rows) * sum(estimator.size(p, scope) for p in node.iter_expressions())


_SIZES: Final[dict[type[exp.Expr], Callable[[Estimator, exp.Expr, Scope], float]]] = {
    exp.Literal: _of_literal,
    exp.Placeholder: _of_placeholder,
    exp.Column: _of_column,
    exp.Repeat: _of_repeat,
    exp.Pad: _of_pad,
    exp.Replace: _of_replace,
    exp.RegexpReplace: _of_replace,
    exp.Subquery: _of_query,
    exp.Select: _of_query,
    exp.Case: _of_choice,
    exp.If: _of_choice,
    exp.Coalesce: _of_choice,
    exp.Window: _of_window,
    exp.GenerateSeries: _of_series,
    exp.Comprehension: _of_comprehension,
    exp.Transform: _of_transform,
    exp.Lambda: _of_lambda,
    exp.ArrayToString: _of_joined,
    exp.ArrayAgg: _of_collection,
    exp.GroupConcat: _of_collection,
}
