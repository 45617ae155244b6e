"""The shape of an answer's rows: which columns name things, hold amounts, or hold time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from services.analysis.build import How, number_at
from services.analysis.context import Exhibit
from services.analysis.formats import is_currency
from services.analysis.prose import check_prose
from services.evidence import Column, MetricSource, Scalar

_MILLION = 1_000_000


class Shape:
    """Rows of any query, read by their columns."""

    def __init__(self, exhibit: Exhibit) -> None:
        self.exhibit = exhibit
        self.table = exhibit.table

    @cached_property
    def measures(self) -> tuple[Column, ...]:
        """Numbers that are no part of the row's key."""
        numeric = {"decimal", "double", "integer"}
        return tuple(
            column
            for column in self.table.columns
            if column.type in numeric and column.name not in self.table.key
        )

    @cached_property
    def names(self) -> tuple[Column, ...]:
        """What tells rows apart, besides time."""
        return tuple(
            column
            for column in self.table.columns
            if column not in self.measures and column != self.time
        )

    @cached_property
    def time(self) -> Column | None:
        """The column of time, where there is just one."""
        dates = [column for column in self.table.columns if column.type == "date"]
        return dates[0] if len(dates) == 1 else None

    @cached_property
    def dates(self) -> tuple[Scalar, ...]:
        """The different dates, earliest first."""
        if self.time is None:
            return ()
        known = {value for value in self.table.values(self.time.name) if value is not None}
        return tuple(sorted(known, key=str))

    @property
    def is_ordered(self) -> bool:
        """True when the query asked for an order, which is then kept."""
        source = self.exhibit.evidence.source
        return isinstance(source, MetricSource) and bool(source.query.get("order"))

    @property
    def is_whole(self) -> bool:
        """True when no row is missing: neither cut by the row cap nor by a limit of the query."""
        source = self.exhibit.evidence.source
        limited = isinstance(source, MetricSource) and bool(source.query.get("limit"))
        return self.exhibit.evidence.complete and not limited

    @property
    def is_comparable(self) -> bool:
        """True when the largest value of a column is the largest there is, in one unit."""
        return self.is_whole and not self._has_row_units

    @property
    def _has_row_units(self) -> bool:
        return any(column.name == "unit" for column in self.table.columns)

    @cached_property
    def totals(self) -> tuple[Column, ...]:
        """Measures that may be summed over the rows: money and counts of a metric, at one date."""
        governed = isinstance(self.exhibit.evidence.source, MetricSource)
        if not governed or not self.is_whole or len(self.dates) > 1:
            return ()
        return tuple(c for c in self.measures if is_currency(c.unit) or c.unit == "count")

    def ranked(self, rows: Sequence[str]) -> list[str]:
        """*rows* as they should be shown: in the query's order, else by the first measure."""
        if self.is_ordered or not self.measures:
            return list(rows)
        column = self.measures[0].name
        values = {row: number_at((self.exhibit, row, column)) for row in rows}
        known = [row for row in rows if values[row] is not None]
        known.sort(key=lambda row: values[row] or 0, reverse=True)
        return known + [row for row in rows if values[row] is None]

    def how(self, column: Column) -> How:
        """Scale and digits for all values of a measure."""
        if is_currency(column.unit):
            amounts = [number_at((self.exhibit, row, column.name)) for row in self.table.row_keys]
            largest = max((abs(amount) for amount in amounts if amount is not None), default=0)
            return How(scale="million", digits=1) if largest >= _MILLION else How(scale="one")
        if column.unit or self._has_row_units:
            return How()
        return How(digits=0 if column.type == "integer" else 4)


def plain_label(column: Column, otherwise: str) -> str:
    """The column's label where prose may hold it: a free query can name a column anything."""
    label = column.label or column.name.replace("_", " ").capitalize()
    return otherwise if check_prose(label, {}, {}) else label


def lowered(label: str) -> str:
    """A plain label within a sentence; what only its capitals make a term of art keeps them."""
    lower = label.lower()
    return label if check_prose(lower, {}, {}) else lower
