"""DuckDB rows as an evidence table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final

from services.evidence import Column, ColumnType, Scalar, Table

_TYPES: Final[dict[str, ColumnType]] = {
    "BIGINT": "integer",
    "BIGNUM": "integer",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DECIMAL": "decimal",
    "DOUBLE": "double",
    "FLOAT": "double",
    "HUGEINT": "integer",
    "INTEGER": "integer",
    "SMALLINT": "integer",
    "TINYINT": "integer",
    "UBIGINT": "integer",
    "UHUGEINT": "integer",
    "UINTEGER": "integer",
    "USMALLINT": "integer",
    "UTINYINT": "integer",
}
"""What DuckDB's types become; any other type is text."""


def to_table(
    description: Sequence[tuple[Any, ...]],
    rows: Sequence[Sequence[Any]],
    *,
    columns: Mapping[str, Column],
    key: Sequence[str],
) -> Table:
    """
    The rows of a cursor, typed by what it says of its columns.

    *columns* lends unit, label and sensitivity to result columns of the same name. NaN and
    infinity become None. A repeated name gets a number, as DuckDB does in sub-queries.
    """
    names = _unique([str(entry[0]) for entry in description])
    data: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    typed = [_typed(str(entry[1]), values) for entry, values in zip(description, data, strict=True)]
    return Table(
        columns=tuple(
            columns.get(name, Column(name=name, type=type_)).model_copy(
                update={"name": name, "type": type_}
            )
            for name, (type_, _) in zip(names, typed, strict=True)
        ),
        data=tuple(values for _, values in typed),
        key=tuple(key),
    )


def _typed(duckdb_type: str, values: Sequence[Any]) -> tuple[ColumnType, tuple[Scalar, ...]]:
    type_ = _TYPES.get(duckdb_type.partition("(")[0], "string")
    if type_ == "double":
        return type_, tuple(
            value if value is not None and math.isfinite(value) else None for value in values
        )
    if duckdb_type.startswith("TIMESTAMP"):
        return _moments(values)
    if type_ == "string":
        return type_, tuple(_text(value) for value in values)
    return type_, tuple(values)


def _moments(values: Sequence[datetime | None]) -> tuple[ColumnType, tuple[Scalar, ...]]:
    """Timestamps are dates unless a time of day says otherwise."""
    if all(value is None or value.time() == time(0) for value in values):
        return "date", tuple(None if value is None else value.date() for value in values)
    return "string", tuple(None if value is None else value.isoformat() for value in values)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, dict, tuple)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def _unique(names: Sequence[str]) -> list[str]:
    taken: set[str] = set()
    unique = []
    for name in names:
        candidate, number = name, 0
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate)
        unique.append(candidate)
    return unique
