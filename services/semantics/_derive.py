"""A semantic model of tables that nobody has described, from their names and types alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from services.evidence import ColumnType, Sensitivity

from ._load import sample_model
from ._model import Dataset, Field, Metric, SemanticModel


class _Column(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def comment(self) -> str: ...
    @property
    def sensitivity(self) -> Sensitivity: ...


class _Table(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def comment(self) -> str: ...
    @property
    def columns(self) -> Sequence[_Column]: ...


class TableCatalog(Protocol):
    """What is needed of a warehouse catalog: tables with their columns and DuckDB types."""

    @property
    def tables(self) -> Sequence[_Table]: ...


# A number in such a column names something; adding it up means nothing.
_LABEL_WORDS = frozenset(
    [
        "id",
        "key",
        "code",
        "no",
        "nr",
        "number",
        "year",
        "month",
        "day",
        "week",
        "quarter",
        "zip",
        "postcode",
        "phone",
        "rank",
        "order",
        "index",
        "stage",
        "level",
        "latitude",
        "longitude",
        "lat",
        "lon",
        "version",
    ]
)
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "BIGNUM")


def derive_model(catalog: TableCatalog, known: SemanticModel | None = None) -> SemanticModel:
    """
    A model for the tables of *catalog*: those that *known* describes as it does, others derived.

    *known* defaults to the sample's model; what it says of tables that are not there is left out.
    A derived table gets `count_<table>`, and for each numeric column that is no key
    `total_<table>_<column>` and `average_<table>_<column>`. Nothing joins derived tables: their
    keys are not known to be unique.
    """
    known = sample_model() if known is None else known
    columns = {table.name: {column.name for column in table.columns} for table in catalog.tables}
    described = {d.name: d for d in known.datasets if _is_there(d, columns.get(d.table))}
    taken = {dataset.table for dataset in described.values()}
    others = [table for table in catalog.tables if table.name not in taken]
    return SemanticModel(
        name=known.name,
        description=known.description,
        datasets=(*described.values(), *(_dataset(table) for table in others)),
        relationships=tuple(
            r for r in known.relationships if r.source in described and r.target in described
        ),
        metrics=(
            *(metric for metric in known.metrics if set(metric.datasets) <= described.keys()),
            *(metric for table in others for metric in _metrics(table)),
        ),
    )


def _is_there(dataset: Dataset, columns: set[str] | None) -> bool:
    """Whether the table has every plain column that *dataset* reads."""
    if columns is None:
        return False
    return all(f.expression in columns for f in dataset.fields if f.expression.isidentifier())


def _dataset(table: _Table) -> Dataset:
    dates = [column.name for column in table.columns if _type(column) == "date"]
    return Dataset(
        name=table.name,
        table=table.name,
        fields=tuple(_field(column) for column in table.columns),
        label=_words(table.name).capitalize(),
        description=table.comment,
        synonyms=(_words(table.name),),
        time_field=dates[0] if len(dates) == 1 else None,
    )


def _field(column: _Column) -> Field:
    return Field(
        name=column.name,
        expression=_day(column) if column.type.startswith("TIMESTAMP") else _quoted(column.name),
        type=_type(column),
        is_dimension=not _is_amount(column),
        is_time=_type(column) == "date",
        label=_words(column.name).capitalize(),
        description=column.comment,
        unit=column.unit,
        sign="signed",
        sensitivity=column.sensitivity,
    )


def _metrics(table: _Table) -> Iterator[Metric]:
    words = _words(table.name)
    yield Metric(
        name=f"count_{table.name}",
        expression="COUNT(*)",
        datasets=(table.name,),
        type="integer",
        aggregation="count",
        label=f"Number of {words}",
        description=f"Rows of the table {table.name}.",
        unit="count",
        synonyms=(f"number of {words}", f"{words} count", words),
    )
    for column in table.columns:
        if _is_amount(column):
            yield from _amounts(table, column)


def _amounts(table: _Table, column: _Column) -> Iterator[Metric]:
    said, owner = _words(column.name), _words(table.name)
    value = f"{_quoted(table.name)}.{_quoted(column.name)}"
    exact = f"CAST({value} AS DECIMAL(38, 8))" if _type(column) == "double" else value
    for kind, expression, aggregation in (
        ("total", f"SUM({exact})", "sum"),
        ("average", f"SUM({exact}) / COUNT({value})", "ratio"),
    ):
        yield Metric.model_validate(
            {
                "name": f"{kind}_{table.name}_{column.name}",
                "expression": expression,
                "datasets": (table.name,),
                "type": "decimal" if kind == "total" else "double",
                "aggregation": aggregation,
                "label": f"{kind.capitalize()} {said} of {owner}",
                "description": column.comment,
                "unit": column.unit,
                "sign": "signed",
                "digits": 2,
                "sensitivity": column.sensitivity,
                "synonyms": (
                    f"{kind} {said}",
                    f"{kind} {owner} {said}",
                    *((said, f"{owner} {said}") if kind == "total" else (f"mean {said}",)),
                ),
            }
        )


def _type(column: _Column) -> ColumnType:
    name = column.type.upper()
    if name.startswith("DECIMAL"):
        return "decimal"
    if name in ("DOUBLE", "FLOAT", "REAL"):
        return "double"
    if name.removeprefix("U") in _INTEGERS:
        return "integer"
    if name == "BOOLEAN":
        return "boolean"
    return "date" if name == "DATE" or name.startswith("TIMESTAMP") else "string"


def _is_amount(column: _Column) -> bool:
    """Whether the values of a column add up to something."""
    if _type(column) not in ("decimal", "double", "integer"):
        return False
    return not _LABEL_WORDS & set(_words(column.name).split())


def _day(column: _Column) -> str:
    """A moment is grouped and filtered by its day."""
    return f"CAST({_quoted(column.name)} AS DATE)"


def _words(name: str) -> str:
    """`OrderDate` and `order_date` read as `order date`."""
    spaced = "".join(
        f" {c}" if c.isupper() and before.islower() else c
        for before, c in zip(f" {name}", name, strict=False)
    )
    return " ".join(spaced.replace("_", " ").lower().split())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
