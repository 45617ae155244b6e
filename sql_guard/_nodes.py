"""
The node types that a statement may be made of. What is not listed here is refused.

Functions are not listed here but by name (`_functions`), except those that are syntax. For the
nodes that carry a query's structure the filled arguments are listed too, so that a clause which a
later parser adds is refused until someone has looked at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from ._verdict import Violation

QUERIES: Final = (exp.Select, exp.SetOperation, exp.Subquery)

SYNTAX: Final[frozenset[type[exp.Expr]]] = frozenset(
    {
        # queries and their clauses
        *(exp.CTE, exp.Except, exp.Fetch, exp.From, exp.Group, exp.GroupingSets, exp.Cube),
        *(exp.Having, exp.Intersect, exp.Join, exp.Lateral, exp.Limit, exp.LimitOptions),
        *(exp.Offset, exp.Order, exp.Ordered, exp.Pivot, exp.Qualify, exp.Rollup, exp.Select),
        *(exp.Subquery, exp.Table, exp.TableAlias, exp.TableSample, exp.Union, exp.Unnest),
        *(exp.UnpivotColumns, exp.Values, exp.Where, exp.Window, exp.WindowSpec, exp.With),
        *(exp.WithinGroup, exp.Distinct, exp.Filter, exp.IgnoreNulls, exp.RespectNulls),
        *(exp.PivotAlias, exp.HavingMax),
        # names and values
        *(exp.Alias, exp.Boolean, exp.ByteString, exp.Column, exp.Columns, exp.ColumnDef),
        *(exp.DataType, exp.DataTypeParam, exp.Dot, exp.HexString, exp.BitString, exp.Identifier),
        *(exp.Interval, exp.IntervalSpan, exp.Literal, exp.National, exp.Null, exp.Paren),
        *(exp.Placeholder, exp.PositionalColumn, exp.PropertyEQ, exp.Kwarg, exp.RawString),
        *(exp.Slice, exp.Star, exp.Tuple, exp.Var, exp.Heredoc, exp.Var),
        # operators
        *(exp.Add, exp.All, exp.And, exp.Any, exp.AtTimeZone, exp.Between, exp.BitwiseAnd),
        *(exp.BitwiseLeftShift, exp.BitwiseNot, exp.BitwiseOr, exp.BitwiseRightShift),
        *(exp.Bracket, exp.BitwiseXor, exp.Collate, exp.DPipe, exp.Div, exp.EQ, exp.Escape),
        *(exp.GT, exp.GTE, exp.Glob, exp.ILike, exp.In, exp.IntDiv, exp.Is, exp.LT, exp.LTE),
        *(exp.Like, exp.Mod, exp.Mul, exp.NEQ, exp.Neg, exp.Not, exp.NullSafeEQ, exp.NullSafeNEQ),
        *(exp.Or, exp.SimilarTo, exp.Sub, exp.Overlaps, exp.ArrayContainsAll),
        *(exp.ArrayContainedBy, exp.ArrayOverlaps, exp.ForIn),
        # functions that are syntax
        *(exp.Array, exp.Case, exp.Cast, exp.Comprehension, exp.Exists, exp.Extract, exp.If),
        *(exp.JSONPath, exp.JSONPathKey, exp.JSONPathRecursive, exp.JSONPathRoot),
        *(exp.JSONPathSlice, exp.JSONPathSubscript, exp.JSONPathUnion, exp.JSONPathWildcard),
        *(exp.JSONKeyValue, exp.Lambda, exp.Map, exp.Struct, exp.ToMap, exp.Try, exp.TryCast),
        *(exp.Coalesce, exp.List),
    }
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARGUMENTS: Final[dict[type[exp.Expr], frozenset[str]]] = {
    exp.Select: _words(
        "with_ expressions distinct from_ joins where group having qualify windows order limit offset sample"
    ),
    exp.Union: _words("with_ this expression distinct by_name order limit offset side kind on"),
    exp.Subquery: _words("this alias with_ order limit offset pivots sample joins"),
    exp.Table: _words("this db catalog alias pivots sample joins ordinality"),
    exp.Join: _words("this side kind method on using"),
    exp.CTE: _words("this alias materialized key_expressions"),
    exp.With: _words("expressions recursive"),
    exp.Lateral: _words("this alias view outer ordinality"),
    exp.Unnest: _words("expressions alias offset"),
    exp.Values: _words("expressions alias"),
    exp.Pivot: _words(
        "with_ this alias expressions fields unpivot using group columns include_nulls into default_on_null identify_pivot_strings prefixed_pivot_columns pivot_column_naming value_columns_first"
    ),
    exp.Limit: _words("expression limit_options"),
    exp.Fetch: _words("direction count limit_options"),
    exp.Column: _words("this table db catalog"),
    exp.Star: _words("except_ replace rename ilike"),
    exp.Window: _words("this partition_by order spec alias over first"),
}
ARGUMENTS[exp.Except] = ARGUMENTS[exp.Intersect] = ARGUMENTS[exp.Union]

_BARE_WORDS: Final = _words(
    """
    all system bernoulli reservoir ties group current no others nocase noaccent nfc binary c posix
    year years month months week weeks day days hour hours minute minutes second seconds
    quarter quarters millisecond milliseconds microsecond microseconds nanosecond nanoseconds
    decade decades century centuries millennium millennia dow isodow doy isoyear epoch yearweek
    weekday dayofweek dayofyear dayofmonth era julian timezone timezone_hour timezone_minute
    millenium ms us ns weekofyear y mon mons h m s min mins sec secs d w q yr yrs hr hrs isoweek
    epoch_ms epoch_us epoch_ns
    """
) | {"current row", "no others"}

_NEVER_EMPTY: Final = frozenset({exp.Group, exp.Order, exp.Where, exp.Having, exp.Qualify})
_TYPES_WITHOUT_NAME: Final = frozenset(
    {exp.DataType.Type.USERDEFINED, exp.DataType.Type.UNKNOWN, exp.DataType.Type.NAME}
)


def known_syntax(node: exp.Expr) -> Iterator[Violation]:
    """Refuses *node* when it is no function and its type, clauses or bare word are not listed."""
    kind = type(node)
    if kind not in SYNTAX:
        if not isinstance(node, exp.Func):
            yield _unknown()
    elif kind is exp.DataType:
        if node.this in _TYPES_WITHOUT_NAME:
            yield _unknown_type()
    elif kind is exp.Var:
        if node.name.lower() not in _BARE_WORDS and not isinstance(node.parent, exp.Kwarg):
            yield _unknown()
    elif (kind in _NEVER_EMPTY and not any(node.args.values())) or _has_unknown_clause(node):
        yield _unknown()


def _has_unknown_clause(node: exp.Expr) -> bool:
    allowed = ARGUMENTS.get(type(node))
    return allowed is not None and any(
        value and key not in allowed for key, value in node.args.items()
    )


def _unknown_type() -> Violation:
    return Violation(
        rule="types",
        message="The statement casts to a type that is not built in.",
        hint="Use a built-in type such as VARCHAR, INTEGER, DECIMAL, DOUBLE or DATE.",
    )


def _unknown() -> Violation:
    return Violation(
        rule="syntax",
        message="The statement uses a clause or an expression that is not allowed.",
        hint="Write one plain SELECT with common clauses, operators and functions.",
    )
