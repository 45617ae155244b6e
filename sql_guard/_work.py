"""Bounds on work: rows that joins, generators and recursion can make, and sizes of values."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from sqlglot import exp

from ._growth import grows
from ._names import TableName, fold
from ._report import Report
from ._scope import Relation, Scope
from ._sizes import Estimator

# Joins may make this many times the rows that one generator may make.
_JOIN_FACTOR: Final = 100
SELF_JOIN_FACTOR: Final = 20.0
"""How many rows of its own a table's row matches where the two share a value that is no key."""
_MAX_SCANS: Final = 256
_MAX_PAIRS: Final = 1e7
_MAX_ROWS_OF_PAIRS: Final = 1e11
# Items of lists may be this many times the rows that one generator may make.
_VALUE_FACTOR: Final = 30
# One value that is put together out of many rows or other values may be this many times as large.
_COLUMN_FACTOR: Final = 50
# Characters and items of all values that a statement makes larger may be this many times as many.
_VOLUME_FACTOR: Final = 300
_MAX_WIDTH: Final = 1_000
_MAX_GROUPINGS: Final = 64

# Position of the argument that sets the size of the result.
_SIZED: Final = {
    "list_resize": 1,
    "array_resize": 1,
    "bar": 3,
    "equi_width_bins": 2,
    "approx_top_k": 1,
    "to_base": 2,
    "arg_max_null": 2,
    "arg_min_null": 2,
    "arg_max_nulls_last": 2,
    "arg_min_nulls_last": 2,
    "bitstring": 1,
    "reservoir_quantile": 2,
}
_COLLECTING: Final = frozenset(
    {"histogram", "histogram_exact", "json_group_array", "json_group_object", "group_concat"}
    | {"json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "map_agg", "multimap_agg"}
)
# Over a window these look at every row of each frame anew.
_WHOLE_FRAMES: Final = frozenset({"mode", "entropy", "mad", "approx_quantile", "approx_top_k"})
_FORMATS: Final = frozenset({"printf", "format"})
_PAIRWISE: Final = frozenset(
    {
        *("damerau_levenshtein", "hamming", "mismatches", "jaccard", "jaro_similarity"),
        *("jaro_winkler_similarity", "levenshtein", "editdist3", "like"),
    }
)
_REDUCERS: Final = frozenset({"list_reduce", "array_reduce", "reduce"})
_METHODS: Final = frozenset(
    {"repeat", "lpad", "rpad", "replace", "range", "generate_series", "string_agg", "pad"}
    | _SIZED.keys()
    | _FORMATS
    | _PAIRWISE
    | _REDUCERS
)
_METHODS_AS_CALLS: Final = _METHODS - {"string_agg", "pad"}
_SCHEMAS: Final = frozenset({"main", "temp", "system", "pg_catalog", "information_schema"})
_MATCHES: Final = (exp.Like, exp.ILike, exp.Glob, exp.SimilarTo, exp.RegexpLike)
_JOINERS: Final = frozenset(
    {"list_string_agg", "list_aggregate", "array_aggregate", "list_aggr", "array_aggr", "aggregate"}
)
_LONG_SEPARATOR: Final = 100.0
SIZED_NODES: Final = (
    *(exp.Anonymous, exp.Format, exp.GenerateSeries, exp.JarowinklerSimilarity, exp.Levenshtein),
    *(exp.ApproxTopK, exp.Explode, exp.Pad, exp.Reduce, exp.RegexpReplace, exp.Repeat, exp.Replace),
    *(exp.ApproxQuantile, exp.ArrayToString, exp.ExplodingGenerateSeries, exp.Mode, *_MATCHES),
)
"""Nodes whose values are checked; calls of functions without a type of their own are among them."""

_GROWING: Final = (exp.Repeat, exp.Pad, exp.Replace, exp.RegexpReplace)


class Work:
    """Checks sizes and rows while the tree is walked."""

    def __init__(self, report: Report, estimator: Estimator) -> None:
        self._report = report
        self._limits = report.policy.limits
        self.estimator = estimator

    def generator(self, node: exp.Expr, scope: Scope) -> float:
        """How many rows or items the generator *node* makes; refused when too many or unknown."""
        count = self.estimator.generated(node, scope)
        if count > self._limits.max_generated_rows:
            self._too_many_rows(node)
            return 1.0
        return max(1.0, count)

    def value(self, node: exp.Expr, scope: Scope) -> None:
        """Checks the size of the value that the function *node* makes."""
        if isinstance(node.parent, exp.Dot) and _called(node) in _METHODS:
            self._method(node, node.parent, scope)
        elif isinstance(node, exp.GenerateSeries):
            self._weigh(node, self.generator(node, scope), scope)
        elif isinstance(node, exp.Explode):
            if node.find(exp.GenerateSeries) is None:
                self._weigh(node, self.estimator.items(node.this, scope), scope)
        elif isinstance(node, _GROWING):
            size = self.estimator.size(node, scope)
            if size > self._limits.max_string:
                self._too_large(node)
            self.volume(node, size, scope)
        elif isinstance(node, exp.Reduce) or _called(node) in _REDUCERS:
            self._reduction(node)
        else:
            self._called_by_name(node, _called(node), scope)

    def _weigh(self, node: exp.Expr, count: float, scope: Scope) -> None:
        """Notes that *node* makes *count* items for each row; refused when all are too many."""
        level = scope.select_level()
        level.weight *= max(1.0, count)
        if level.weight * level.rows > self._limits.max_generated_rows * _VALUE_FACTOR:
            self._too_many_rows(node)

    def body(self, node: exp.Expr, count: float, scope: Scope) -> float:
        """How often a lambda's body is evaluated for a list of *count* items in *scope*, in all."""
        times = max(1.0, count)
        times *= math.prod(level.times for level in scope.levels() if level.parameters)
        if times > self._limits.max_generated_rows * _VALUE_FACTOR:
            self._too_many_rows(node)
        return max(1.0, count)

    def unnested(self, call: exp.Expr, scope: Scope) -> float:
        """How many rows the table function *call* makes, its arguments resolved in *scope*."""
        arguments = [
            part for part in call.iter_expressions() if not isinstance(part, exp.TableAlias)
        ]
        items = max((self.estimator.items(part, scope) for part in arguments), default=1.0)
        return max(items, scope.weight)

    def volume(self, node: exp.Expr, size: float, scope: Scope) -> None:
        """Refuses values of *size* characters or items that together are too large."""
        level = scope.select_level()
        times = math.prod(inner.times for inner in scope.levels() if inner.parameters)
        total = level.rows * max(level.weight, times) * size
        most = self._limits.max_generated_rows
        if size > most * _VALUE_FACTOR or total > most * _VOLUME_FACTOR:
            self._too_large(node)

    def column(self, node: exp.Expr, size: float) -> None:
        """Refuses a column whose values of *size* are made out of others of their kind."""
        if size > self._limits.max_generated_rows * _COLUMN_FACTOR:
            self._too_large(node)

    def _called_by_name(self, node: exp.Expr, name: str, scope: Scope) -> None:
        if name in _SIZED:
            self._sized(node, _SIZED[name], scope)
            self.volume(node, self.estimator.size(node, scope), scope)
        elif name == "regexp_split_to_table":
            self._weigh(node, self.estimator.items(node, scope), scope)
        elif name in _FORMATS:
            self._format(node)
        elif name in _COLLECTING:
            self.aggregate(node, scope)
        elif name in _WHOLE_FRAMES and isinstance(node.parent, exp.Window):
            if scope.select_level().rows ** 2 > _MAX_ROWS_OF_PAIRS:
                self._too_large(node)
        elif name in _PAIRWISE:
            sizes = [self.estimator.size(part, scope) for part in _arguments(node)]
            self._pairs(node, math.prod(sizes[:2]), scope)
        elif isinstance(node, exp.ArrayToString) or name in _JOINERS:
            listed, *others = _arguments(node)
            between = max((self.estimator.size(part, scope) for part in others), default=0)
            if between > _LONG_SEPARATOR:
                self._pairs(node, self.estimator.items(listed, scope) * between, scope)

    def _pairs(self, node: exp.Expr, pairs: float, scope: Scope) -> None:
        """Refuses a function whose work is the product of the sizes of what it is given."""
        level = scope.select_level()
        if pairs > _MAX_PAIRS or pairs * level.rows * level.weight > _MAX_ROWS_OF_PAIRS:
            self._too_large(node)

    def aggregate(self, node: exp.Expr, scope: Scope) -> None:
        """Checks an aggregate that keeps all its input, such as `string_agg`."""
        level = scope.select_level()
        size = sum(self.estimator.size(part, scope) for part in node.iter_expressions())
        # Over a window each row gets a value of its own, which may hold all the others.
        around = node.find_ancestor(exp.Window, exp.Select, exp.Subquery)
        times = level.rows if isinstance(around, exp.Window) else 1.0
        if (
            times * level.rows * level.weight * size
            > self._limits.max_generated_rows * _VOLUME_FACTOR
        ):
            self._too_large(node)

    def joined(self, rows: float, relations: Sequence[Relation], node: exp.Expr) -> float:
        """*rows*, the estimate of one FROM, with its repeated tables weighed; refused when too many."""
        seen: set[TableName] = set()
        for relation in relations:
            # A table joined to itself on one column often matches many rows of its own.
            if relation.ties == 1 and relation.shape.origins & seen:
                rows *= SELF_JOIN_FACTOR
            seen |= relation.shape.origins
        self.check_rows(rows, node)
        return rows

    def check_rows(self, rows: float, node: exp.Expr) -> None:
        """Refuses an estimate of *rows* that is beyond what joins may make."""
        if rows > self._limits.max_generated_rows * _JOIN_FACTOR:
            self._report.refuse(
                "max_generated_rows",
                "The joins can make too many rows.",
                "Join on equal keys, and aggregate before joining.",
                node,
            )

    def groupings(self, sets: float, rows: float, node: exp.Expr) -> None:
        """Refuses CUBE, ROLLUP and GROUPING SETS that group *rows* in too many ways."""
        if sets > _MAX_GROUPINGS:
            self._report.refuse(
                "max_generated_rows",
                f"The rows are grouped in more than {_MAX_GROUPINGS} ways.",
                "Name the groupings that are needed in GROUPING SETS.",
                node,
            )
        self.check_rows(sets * rows, node)

    def check_scans(self, scans: int, node: exp.Expr) -> None:
        """Refuses a query that reads tables too often once its CTEs are written out."""
        if scans > _MAX_SCANS:
            self._report.refuse(
                "max_joins",
                f"Written out, the statement reads tables more than {_MAX_SCANS} times.",
                "Use each common table expression fewer times.",
                node,
            )

    def _sized(self, node: exp.Expr, position: int, scope: Scope) -> None:
        arguments = _arguments(node)
        if len(arguments) <= position:
            return
        if self.estimator.span(arguments[position], scope).high > self._limits.max_string:
            self._too_large(node)

    def _format(self, node: exp.Expr) -> None:
        arguments = _arguments(node)
        text = arguments[0] if arguments else None
        if not (isinstance(text, exp.Literal) and text.is_string) or not _tame_format(text.name):
            self._report.refuse(
                "max_string",
                "A format is not a literal with small widths.",
                f"Write the format as a literal; widths up to {_MAX_WIDTH}, none taken from values.",
                node,
            )

    def _reduction(self, node: exp.Expr) -> None:
        for function in node.find_all(exp.Lambda):
            names = {fold(function.expressions[0].name)} if function.expressions else set()

            def is_own(part: exp.Expr, names: set[str] = names) -> bool:
                return isinstance(part, exp.Identifier) and fold(part.name) in names

            if grows(function.this, is_own):
                self._too_large(node)
                return

    def _method(self, node: exp.Expr, dot: exp.Dot, scope: Scope) -> None:
        """Checks `x.f(y)` as the `f(x, y)` that it stands for."""
        receiver = _receiver(dot.this)
        if receiver is None or _called(node) not in _METHODS_AS_CALLS:
            self._report.refuse(
                "functions",
                "This function may not be called after a dot.",
                "Call it in the plain form, f(x, y).",
                node,
            )
            return
        arguments = [argument.copy() for argument in node.expressions]
        self.value(exp.func(_called(node), receiver, *arguments, dialect="duckdb"), scope)

    def _too_many_rows(self, node: exp.Expr) -> None:
        most = self._limits.max_generated_rows
        self._report.refuse(
            "max_generated_rows",
            f"A generator makes more than {most} rows, or how many cannot be told.",
            "Give constant bounds that are close together.",
            node,
        )

    def _too_large(self, node: exp.Expr) -> None:
        self._report.refuse(
            "max_string",
            f"A value longer than {self._limits.max_string} can be made here.",
            "Use small constant sizes, for example least(n, 100).",
            node,
        )


def _receiver(node: exp.Expr) -> exp.Expr | None:
    """The value before the dot of a call; None where that may be a schema of the function's."""
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
        owner, name = node.this, node.expression
        if isinstance(owner, exp.Identifier) and fold(owner.name) not in _SCHEMAS:
            return exp.Column(this=name.copy(), table=owner.copy())
        return None
    if isinstance(node, exp.Identifier):
        return None if fold(node.name) in _SCHEMAS else exp.Column(this=node.copy())
    return node.copy()


def _called(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return fold(node.name)
    return _TYPED.get(type(node), "")


_TYPED: Final[dict[type[exp.Expr], str]] = {
    exp.Format: "format",
    exp.Levenshtein: "levenshtein",
    exp.JarowinklerSimilarity: "jaro_winkler_similarity",
    exp.ApproxTopK: "approx_top_k",
    exp.ApproxQuantile: "approx_quantile",
    exp.Mode: "mode",
    **dict.fromkeys(_MATCHES, "like"),
}


def _arguments(node: exp.Expr) -> list[exp.Expr]:
    first = [node.this] if isinstance(node.this, exp.Expr) else []
    second = [node.expression] if isinstance(node.args.get("expression"), exp.Expr) else []
    return [*first, *second, *node.expressions]


def _tame_format(text: str) -> bool:
    numbers = re.findall(r"\d+", text)
    return (
        all(len(number) <= 4 and int(number) <= _MAX_WIDTH for number in numbers)
        and "*" not in text
        and not re.search(r"\{[^}]*\{", text)
    )
