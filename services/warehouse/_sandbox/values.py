"""The engine's values as the few kinds that a table holds."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

Kind: TypeAlias = Literal["decimal", "double", "integer", "string", "date", "boolean"]
Value: TypeAlias = Decimal | float | int | str | date | bool | None

_KINDS: Final[dict[str, Kind]] = {
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
"""What the engine's types become; any other type is text."""


def typed(engine_type: str, values: Sequence[Any]) -> tuple[Kind, Sequence[Value]]:
    """The kind of a column of type *engine_type*, and its values; NaN and infinity become None."""
    if engine_type.endswith("]"):
        return "string", [_text(value) for value in values]
    kind = _KINDS.get(engine_type.partition("(")[0], "string")
    if kind == "double":
        return kind, [
            value if value is not None and math.isfinite(value) else None for value in values
        ]
    if engine_type.startswith("TIMESTAMP"):
        return _moments(values)
    if engine_type == "BIGNUM":
        return kind, [None if value is None else int(value) for value in values]
    if kind == "string" or (kind == "date" and _outside_calendar(values)):
        return "string", [_text(value) for value in values]
    return kind, values


def _moments(values: Sequence[Any]) -> tuple[Kind, Sequence[Value]]:
    """Timestamps are dates unless a time of day says otherwise."""
    if _outside_calendar(values):
        return "string", [_text(value) for value in values]
    if all(value is None or value.time() == time(0) for value in values):
        return "date", [None if value is None else value.date() for value in values]
    return "string", [_text(value) for value in values]


def _outside_calendar(values: Sequence[Any]) -> bool:
    """Whether a date is among them that Python cannot hold: the engine gives it as text."""
    return str in set(map(type, values))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, dict, tuple)):
        return json.dumps(value, default=_inner_text, ensure_ascii=False)
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def _inner_text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
