"""What a semantic model holds: datasets with fields, relationships between them, and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal, TypeAlias

from services.errors import QueryInvalid
from services.evidence import ColumnType, Frozen, Sensitivity

Aggregation: TypeAlias = Literal["sum", "count", "ratio", "none"]
Sign: TypeAlias = Literal["signed", "non_negative"]


class Field(Frozen):
    """A row-level attribute. Only a dimension may group rows; every field may filter them."""

    name: str
    expression: str
    """SQL over the columns of the dataset's own table."""
    type: ColumnType = "string"
    is_dimension: bool = False
    is_time: bool = False
    label: str = ""
    description: str = ""
    unit: str = ""
    sign: Sign = "non_negative"
    sensitivity: Sensitivity = "internal"
    synonyms: tuple[str, ...] = ()
    sort_by: str | None = None
    """The field of the same dataset that puts the values in order, where they do not themselves."""
    value_synonyms: Mapping[str, tuple[str, ...]] = {}
    """Other words for a value, such as `dollar` for `USD`."""


class Dataset(Frozen):
    """A table with its keys and its place in time."""

    name: str
    table: str
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    fields: tuple[Field, ...] = ()
    label: str = ""
    description: str = ""
    synonyms: tuple[str, ...] = ()
    sensitivity: Sensitivity = "internal"
    time_field: str | None = None
    time_is_snapshot: bool = False
    """Whether each date holds the whole stock, so that no metric may be summed across dates."""

    @cached_property
    def _fields(self) -> Mapping[str, Field]:
        return {field.name: field for field in self.fields}

    def has(self, field: str) -> bool:
        return field in self._fields

    def field(self, name: str) -> Field:
        """The field called *name*; `KeyError` when there is none."""
        return self._fields[name]

    def is_unique(self, columns: tuple[str, ...]) -> bool:
        """Whether *columns* are a declared key, so that they name at most one row."""
        keys = (self.primary_key, *self.unique_keys)
        return any(key and set(key) == set(columns) for key in keys)


class Relationship(Frozen):
    """Many rows of `source` belong to at most one row of `target`."""

    name: str
    source: str
    target: str
    source_columns: tuple[str, ...]
    target_columns: tuple[str, ...]


class Metric(Frozen):
    """
    A measure, and the rule by which it aggregates.

    `sum` and `count` add up over every dimension but a snapshot date. `ratio` is a quotient of
    aggregates and is never averaged. `none` is one stored value, never combined. Whatever the
    rule, nothing is combined across the values of the dimensions in `grain`.
    """

    name: str
    expression: str
    """Aggregates of `dataset.field`, joined by arithmetic."""
    datasets: tuple[str, ...]
    """The datasets its aggregates read, in order of appearance."""
    type: ColumnType = "decimal"
    aggregation: Aggregation = "sum"
    grain: tuple[str, ...] = ()
    label: str = ""
    description: str = ""
    unit: str = ""
    sign: Sign = "non_negative"
    digits: int = 0
    """Decimals shown: of the amount, or of the percentage for a ratio."""
    sensitivity: Sensitivity = "internal"
    synonyms: tuple[str, ...] = ()

    @property
    def is_additive(self) -> bool:
        """Whether the values of groups add up to the value of the whole."""
        return self.aggregation in ("sum", "count") and not self.grain


class SemanticModel(Frozen):
    """Everything a metric query may name."""

    name: str
    description: str = ""
    datasets: tuple[Dataset, ...]
    relationships: tuple[Relationship, ...] = ()
    metrics: tuple[Metric, ...] = ()

    @cached_property
    def _datasets(self) -> Mapping[str, Dataset]:
        return {dataset.name: dataset for dataset in self.datasets}

    @cached_property
    def _metrics(self) -> Mapping[str, Metric]:
        return {metric.name: metric for metric in self.metrics}

    def has_dataset(self, name: str) -> bool:
        return name in self._datasets

    def has_metric(self, name: str) -> bool:
        return name in self._metrics

    def dataset(self, name: str) -> Dataset:
        """The dataset called *name*; `QueryInvalid` when there is none."""
        if name not in self._datasets:
            raise QueryInvalid(
                "The query names a dataset that the semantic model does not have.",
                hint=_nearest(name, self._datasets),
            )
        return self._datasets[name]

    def metric(self, name: str) -> Metric:
        """The metric called *name*; `QueryInvalid` when there is none."""
        if name not in self._metrics:
            raise QueryInvalid(
                "The query names a metric that the semantic model does not have.",
                hint=_nearest(name, self._metrics),
            )
        return self._metrics[name]

    def dimensions(self) -> tuple[tuple[Dataset, Field], ...]:
        """Every field that may group rows, with its dataset."""
        return tuple(
            (dataset, field)
            for dataset in self.datasets
            for field in dataset.fields
            if field.is_dimension
        )


def _nearest(name: str, known: Mapping[str, object]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    return f"Nearest: {', '.join(near)}." if near else ""
