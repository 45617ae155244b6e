"""Row filters: conditions of a policy that are put into a statement wherever their table is read."""

from __future__ import annotations

from collections.abc import Iterable

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ._names import TableName, fold

_FORBIDDEN = (exp.Query, exp.Table, exp.Star, exp.Columns, exp.PositionalColumn, exp.Window)


def compiled(condition: str, table: TableName, columns: Iterable[str], dialect: str) -> exp.Expr:
    """
    The tree of *condition*, whose columns are qualified with *table*, so that none is taken from
    around it.

    Raises `ValueError` when it is no single condition over *columns*.
    """
    try:
        parsed = sqlglot.parse(condition, dialect=dialect)
    except SqlglotError as error:
        raise ValueError(f"the filter of {'.'.join(table)} is no condition") from error
    root = parsed[0] if len(parsed) == 1 else None
    if not isinstance(root, exp.Condition):
        raise ValueError(  # noqa: TRY004  # pydantic makes a ValidationError of it
            f"the filter of {'.'.join(table)} is no condition"
        )
    holder = exp.Paren(this=root)
    known = {fold(column) for column in columns}
    for node in holder.walk():
        if isinstance(node, _FORBIDDEN) or (isinstance(node, exp.Placeholder) and not node.this):
            raise ValueError(f"the filter of {'.'.join(table)} may compare columns and values only")
        if not isinstance(node, exp.Column):
            continue
        if node.table or fold(node.name) not in known:
            raise ValueError(f"the filter of {'.'.join(table)} names an unknown column")
        node.set("table", exp.to_identifier(table[1]))
    return holder


def parameters_of(condition: exp.Expr) -> frozenset[str]:
    """The names of the values that *condition* needs."""
    return frozenset(node.name for node in condition.find_all(exp.Placeholder))
