"""Bounds on work: rows that joins, generators and recursion can make, and sizes of values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlglot import exp

from ._estimate import Estimator
from ._growth import grows
from ._names import TableName, fold
from ._report import Report
from ._scope import Relation, Scope

# Joins may make this many times the rows that one generator may make.
_JOIN_FACTOR: Final = 100
_SELF_JOIN_FACTOR: Final = 20.0
_MAX_SCANS: Final = 256
_MAX_PAIRS: Final = 1e7
_MAX_WIDTH: Final = 1_000

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
}
_COLLECTING: Final = frozenset(
    {"histogram", "histogram_exact", "json_group_array", "json_group_object", "group_concat"}
    | {"json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "map_agg", "multimap_agg"}
)
_FORMATS: Final = frozenset({"printf", "format"})
_PAIRWISE: Final = frozenset(
    {
        *("damerau_levenshtein", "hamming", "mismatches", "jaccard", "jaro_similarity"),
        *("jaro_winkler_similarity", "levenshtein", "editdist3"),
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
SIZED_NODES: Final = (
    *(exp.Anonymous, exp.Format, exp.GenerateSeries, exp.JarowinklerSimilarity, exp.Levenshtein),
    *(exp.ApproxTopK, exp.Pad, exp.Reduce, exp.Repeat, exp.Replace, exp.ExplodingGenerateSeries),
)
"""Nodes whose values are checked; calls of functions without a type of their own are among them."""
_KEY_LIKE: Final = (
    *(exp.Paren, exp.Cast, exp.TryCast, exp.Lower, exp.Upper, exp.Trim, exp.TimestampTrunc),
    *(exp.LastDay, exp.Coalesce, exp.Substring, exp.Add, exp.Sub, exp.DPipe, exp.Left),
)


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
            _select_level(scope).weight *= self.generator(node, scope)
        elif isinstance(node, exp.Repeat | exp.Pad | exp.Replace):
            if self.estimator.size(node, scope) > self._limits.max_string:
                self._too_large(node)
        elif isinstance(node, exp.Reduce) or _called(node) in _REDUCERS:
            self._reduction(node)
        else:
            self._called_by_name(node, _called(node), scope)

    def _called_by_name(self, node: exp.Expr, name: str, scope: Scope) -> None:
        if name in _SIZED:
            self._sized(node, _SIZED[name], scope)
        elif name in _FORMATS:
            self._format(node)
        elif name in _COLLECTING:
            self.aggregate(node, scope)
        elif name in _PAIRWISE:
            sizes = [self.estimator.size(part, scope) for part in _arguments(node)]
            if len(sizes) > 1 and sizes[0] * sizes[1] > _MAX_PAIRS:
                self._too_large(node)

    def aggregate(self, node: exp.Expr, scope: Scope) -> None:
        """Checks an aggregate that keeps all its input, such as `string_agg`."""
        rows = _select_level(scope).rows
        size = self.estimator.size(node, scope)
        if rows * size > self._limits.max_generated_rows * 1_000:
            self._too_large(node)

    def joined(self, rows: float, relations: Sequence[Relation], node: exp.Expr) -> float:
        """*rows*, the estimate of one FROM, with its repeated tables weighed; refused when too many."""
        seen: set[TableName] = set()
        for relation in relations:
            for base in relation.bases:
                # A table joined to itself on one column often matches many rows of its own.
                if base.name in seen and relation.ties == 1:
                    rows *= _SELF_JOIN_FACTOR
                seen.add(base.name)
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


def join_rows(node: exp.Expr, relations: Sequence[Relation], scope: Scope) -> float:
    """
    About how many rows FROM and the joins of *node* make.

    A relation that equality ties to what stands before it adds no rows, any other multiplies them.
    """
    where = node.args.get("where")
    _tie_by_where(where.this if where is not None else None, scope)
    rows = 1.0
    for relation in relations:
        if relation.ties:
            rows = max(rows, relation.shape.rows)
        else:
            rows *= max(1.0, relation.shape.rows)
    return rows


def ties(condition: exp.Expr | None, right: Iterable[Relation], scope: Scope) -> int:
    """How many conjuncts of *condition* equate a column of *right* with one of elsewhere."""
    own = {id(relation) for relation in right}
    count = 0
    for one, other in equalities(condition):
        sides = (_relation_of(one, scope), _relation_of(other, scope))
        if None not in sides and sum(id(side) in own for side in sides) == 1:
            count += 1
    return count


def _tie_by_where(condition: exp.Expr | None, scope: Scope) -> None:
    """Counts each equality of columns of two relations for the later of the two."""
    order = {id(relation): index for index, relation in enumerate(scope.relations)}
    for one, other in equalities(condition):
        sides = [side for side in (_relation_of(one, scope), _relation_of(other, scope)) if side]
        if len(sides) == 2 and sides[0] is not sides[1]:
            later = max(sides, key=lambda side: order.get(id(side), -1))
            later.ties += 1


def equalities(condition: exp.Expr | None) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    """The two sides of each conjunct of *condition* that is an equality."""
    stack = [condition] if condition is not None else []
    while stack:
        current = stack.pop()
        if isinstance(current, exp.And):
            stack += [current.this, current.expression]
        elif isinstance(current, exp.Paren):
            stack.append(current.this)
        elif isinstance(current, exp.EQ | exp.NullSafeEQ):
            if isinstance(current.this, exp.Tuple) and isinstance(current.expression, exp.Tuple):
                yield from zip(
                    current.this.expressions, current.expression.expressions, strict=False
                )
            else:
                yield current.this, current.expression


def _relation_of(node: exp.Expr, scope: Scope) -> Relation | None:
    """The relation of the column that *node* is, or keeps apart nearly as well as the column does."""
    while isinstance(node, _KEY_LIKE):
        node = node.this
    if not isinstance(node, exp.Column):
        return None
    name, table = fold(node.name), fold(node.text("table"))
    for level in scope.levels():
        for relation in level.relations:
            if table == relation.alias if table else name in relation.shape.columns:
                return relation
        if not table:
            for relation in level.relations:
                if relation.shape.open:
                    return relation
    return None


def _select_level(scope: Scope) -> Scope:
    return next((level for level in scope.levels() if not level.parameters), scope)


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
