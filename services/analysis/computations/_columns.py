"""Columns and numbers that the computations share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from services.evidence import Column, Scalar, Table

Row: TypeAlias = Mapping[str, Scalar]

TOTAL = "Total"
"""Name of the row that sums the others."""


def amount(value: Scalar) -> Decimal:
    """An amount as a decimal; nothing counts as 0. Doubles enter at 12 significant digits."""
    match value:
        case None:
            return Decimal(0)
        case Decimal():
            return value
        case float():
            return Decimal(f"{value:.12g}")
        case int() | str():
            return Decimal(value)
        case _:
            raise TypeError(f"{value!r} is not an amount.")


def number(value: Scalar) -> float:
    return float(amount(value))


def whole(value: Scalar) -> int:
    return int(amount(value))


def quotient(part: Decimal, base: Decimal) -> float | None:
    """`part / base`, and nothing when the base is 0."""
    return float(part / base) if base else None


def total(rows: Iterable[Row], column: str) -> Decimal:
    return sum((amount(row[column]) for row in rows), Decimal(0))


def grouped(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    """Rows by the text of their key, keys sorted."""
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(sorted(groups.items()))


def dates(table: Table) -> list[date]:
    """Every as-of of the table, in order of time."""
    found = {value for value in table.values("as_of") if isinstance(value, date)}
    return sorted(found)


def dated(table: Table, as_of: date) -> list[Row]:
    return [row for row in table.rows() if row["as_of"] == as_of]


def unit_of(table: Table, column: str) -> str:
    return table.column(column).unit


def text(name: str, label: str = "") -> Column:
    return Column(name=name, type="string", label=label or name.replace("_", " ").capitalize())


def day(name: str, label: str = "") -> Column:
    return Column(name=name, type="date", label=label or name.replace("_", " ").capitalize())


def money(name: str, unit: str, label: str = "") -> Column:
    return Column(
        name=name, type="decimal", unit=unit, label=label or name.replace("_", " ").capitalize()
    )


def ratio(name: str, label: str = "") -> Column:
    return Column(
        name=name, type="double", unit="ratio", label=label or name.replace("_", " ").capitalize()
    )


def count(name: str, label: str = "") -> Column:
    return Column(
        name=name, type="integer", unit="count", label=label or name.replace("_", " ").capitalize()
    )


def flag(name: str, label: str = "") -> Column:
    return Column(name=name, type="boolean", label=label or name.replace("_", " ").capitalize())
