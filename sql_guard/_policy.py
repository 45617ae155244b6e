"""The policy: what may be read, with which functions, within which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from ._names import fold

TableName = tuple[str, str]


class Frozen(BaseModel, frozen=True, extra="forbid"):
    """A value of the policy: immutable, and strict about what it holds."""


class FunctionLists(Frozen):
    """Functions added to and cut from the curated analytic default; a cut wins."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    @field_validator("allow", "deny", mode="after")
    @classmethod
    def _fold(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(fold(name) for name in names)


class Limits(Frozen):
    """Bounds on size and work. A text or an estimate beyond one of them is refused."""

    max_length: PositiveInt = 20_000
    max_depth: PositiveInt = 48
    max_joins: NonNegativeInt = 24
    max_ctes: NonNegativeInt = 32
    max_in_list: PositiveInt = 1_000
    max_generated_rows: PositiveInt = 1_000_000
    """Rows that one generator (`range`, a recursive CTE) may make."""
    max_string: PositiveInt = 10_000
    """Characters of a string that is written, or that a function such as `repeat` may make."""
    recursion: bool = True
    """Whether recursive CTEs are allowed at all; each must show that it ends."""
    add_row_limit: PositiveInt | None = None
    """A row limit that the canonical text gets when its own is missing or larger."""


class GuardPolicy(Frozen):
    """
    What a statement may read. What is not listed here does not exist.

    `tables` maps `schema.table` to its columns and their types. `deny` names columns that exist but
    must not be read, as `schema.table.column`. `catalog` may qualify tables and is dropped from the
    canonical text. A table named without schema belongs to `default_schema`.
    """

    dialect: Literal["duckdb"] = "duckdb"
    catalog: str | None = None
    default_schema: str = "main"
    tables: Mapping[str, Mapping[str, str]]
    deny: tuple[str, ...] = ()
    functions: FunctionLists = Field(default_factory=FunctionLists)
    limits: Limits = Field(default_factory=Limits)

    @classmethod
    def load(cls, source: str | Mapping[str, Any]) -> GuardPolicy:
        """The policy written in *source*, a YAML text or the mapping it stands for."""
        return cls.model_validate(yaml.safe_load(source) if isinstance(source, str) else source)

    @field_validator("tables", mode="before")
    @classmethod
    def _types_may_be_left_out(cls, tables: Any) -> Any:
        if not isinstance(tables, Mapping):
            return tables
        return {
            name: dict.fromkeys(columns, "") if isinstance(columns, list | tuple) else columns
            for name, columns in tables.items()
        }

    @model_validator(mode="after")
    def _names_are_whole(self) -> GuardPolicy:
        for name in self.tables:
            if name.count(".") != 1 or not all(name.split(".")):
                raise ValueError(f"a table is named schema.table, not {name!r}")
        for name in self.deny:
            table, _, column = name.rpartition(".")
            if not column or table not in self.tables:
                raise ValueError(f"a denied column is named schema.table.column, not {name!r}")
        return self

    @cached_property
    def _listed(self) -> dict[TableName, dict[str, str]]:
        hidden = {fold(name) for name in self.deny}
        return {
            _table_name(name): {
                fold(column): kind
                for column, kind in columns.items()
                if fold(f"{name}.{column}") not in hidden
            }
            for name, columns in self.tables.items()
        }

    @cached_property
    def _hidden(self) -> dict[TableName, frozenset[str]]:
        hidden: dict[TableName, frozenset[str]] = {}
        for name in self.deny:
            table, _, column = name.rpartition(".")
            key = _table_name(table)
            hidden[key] = hidden.get(key, frozenset()) | {fold(column)}
        return hidden

    def columns_of(self, table: TableName) -> Mapping[str, str] | None:
        """The readable columns of *table* with their types; None when it is not listed."""
        return self._listed.get(table)

    def denied_of(self, table: TableName) -> frozenset[str]:
        """The columns of *table* that exist but must not be read."""
        return self._hidden.get(table, frozenset())


def _table_name(name: str) -> TableName:
    schema, table = fold(name).split(".")
    return schema, table
