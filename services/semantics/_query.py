"""A metric query: what a template, a parser or a model asks of the semantic model."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from services.evidence import Frozen

Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Operator: TypeAlias = Literal[
    "eq", "ne", "in", "not_in", "gt", "ge", "lt", "le", "between", "is_null", "not_null"
]
Value: TypeAlias = bool | int | Decimal | float | date | str

_VALUES_OF = {"between": 2, "is_null": 0, "not_null": 0, "in": None, "not_in": None}


class Filter(Frozen):
    """
    A condition on a field (`field` or `dataset.field`), or on a metric of the same query.

    A condition on a metric applies to the aggregated rows. `ne` and `not_in` keep rows whose
    value is missing.
    """

    field: Name
    op: Operator = "eq"
    values: tuple[Value, ...] = ()

    @model_validator(mode="after")
    def _takes_its_values(self) -> Self:
        expected = _VALUES_OF.get(self.op, 1)
        if expected is None and not self.values:
            raise ValueError(f"{self.op} needs at least one value")
        if expected is not None and len(self.values) != expected:
            raise ValueError(f"{self.op} takes {expected} values, got {len(self.values)}")
        return self


class TimeRange(Frozen):
    """Dates on the time field of each metric: one date, or a range whose ends are included."""

    as_of: date | None = None
    start: date | None = None
    end: date | None = None

    @model_validator(mode="after")
    def _is_a_date_or_a_range(self) -> Self:
        if (self.as_of is None) == (self.start is None and self.end is None):
            raise ValueError("give either as_of, or start and end, or one of these two")
        if self.start and self.end and self.start > self.end:
            raise ValueError("the range ends before it starts")
        return self


class Order(Frozen):
    """Sort by a metric or a dimension of the query."""

    by: Name
    descending: bool = False


class MetricQuery(Frozen):
    """Metrics, grouped by dimensions, of the rows that pass the filters."""

    metrics: tuple[Name, ...] = Field(min_length=1, max_length=20)
    dimensions: tuple[Name, ...] = Field(default=(), max_length=12)
    filters: tuple[Filter, ...] = Field(default=(), max_length=30)
    time_range: TimeRange | None = None
    order: tuple[Order, ...] = Field(default=(), max_length=10)
    limit: Annotated[int, Field(ge=1, le=100_000)] | None = None

    @model_validator(mode="after")
    def _names_nothing_twice(self) -> Self:
        for names in (self.metrics, self.dimensions, [order.by for order in self.order]):
            if len(set(names)) != len(names):
                raise ValueError("a metric, dimension or order is named twice")
        return self
