"""What a cell holds: its number, its unit, and the date it stands for."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from typing import TypeGuard

from services.analysis.formats import significant
from services.evidence import Scalar, Table


def number(value: Scalar) -> Decimal | None:
    """*value* as an exact number: decimals as they are, doubles at 12 significant digits."""
    match value:
        case bool():
            return None
        case Decimal() | int():
            return Decimal(value) if Decimal(value).is_finite() else None
        case float():
            return significant(value) if math.isfinite(value) else None
        case _:
            return None


def is_text(value: Scalar) -> TypeGuard[str | date | bool]:
    """True of what is said in words: texts, dates, and truth values as yes and no."""
    return isinstance(value, (str, date, bool))


def unit_of(table: Table, row: str, column: str) -> str:
    """
    Unit of one cell.

    A column without a unit takes it from the row's `unit` column where there is one, as limits of
    different measures stand under each other. A text has none.
    """
    declared = table.column(column).unit
    if declared or is_text(table.value(row, column)):
        return declared
    return text_beside(table, row, "unit")


def text_beside(table: Table, row: str, column: str) -> str:
    """The text in *column* of the same row; empty when there is no such column or no text."""
    if all(known.name != column for known in table.columns):
        return ""
    value = table.value(row, column)
    return value if isinstance(value, str) else ""


def date_beside(table: Table, row: str) -> date | None:
    """The row's own date: its `as_of`, or else the only date of its key."""
    column = _date_column(table)
    value = None if column is None else table.value(row, column)
    return value if isinstance(value, date) else None


def _date_column(table: Table) -> str | None:
    dates = [column.name for column in table.columns if column.type == "date"]
    if "as_of" in dates:
        return "as_of"
    keyed = [name for name in dates if name in table.key]
    return keyed[0] if len(keyed) == 1 else None
