"""The policy: what may be read, with which functions, within which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt, field_validator, model_validator
from sqlglot import exp

from ._filters import compiled
from ._names import TableName, fold

DialectName = Literal["duckdb", "postgres", "snowflake", "trino"]


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
    max_check_ms: PositiveInt = 250
    """Processor time of one try at a check, however busy the machine; a text that passes it twice is refused."""


class RoleTable(Frozen):
    """
    What a role sees of one table: the columns named, or all; the rows that `filter` keeps, or all.

    `filter` is one condition over columns of the table, in the policy's dialect, with `:name` for a
    value that each check is given. It may use columns that the role itself cannot read.
    """

    columns: tuple[str, ...] | None = None
    filter: str | None = None


class Role(Frozen):
    """What is left of a policy for one role: the tables named here, and nothing else."""

    tables: Mapping[str, RoleTable]

    @field_validator("tables", mode="before")
    @classmethod
    def _whole_tables(cls, tables: Any) -> Any:
        if isinstance(tables, list | tuple):
            return {name: {} for name in tables}
        if isinstance(tables, Mapping):
            return {name: {} if table is None else table for name, table in tables.items()}
        return tables


class GuardPolicy(Frozen):
    """
    What a statement may read. What is not listed here does not exist.

    `tables` maps `schema.table` to its columns and their types. `deny` names columns that exist but
    must not be read, as `schema.table.column`; `hide` names columns as if they were not listed.
    `filters` maps a table to the condition that its rows must meet wherever it is read. `catalog`
    may qualify tables and is dropped from the canonical text. A table named without schema belongs
    to `default_schema`. `roles` are narrower policies under a name: see `for_role`.
    """

    dialect: DialectName = "duckdb"
    catalog: str | None = None
    default_schema: str = "main"
    tables: Mapping[str, Mapping[str, str]]
    deny: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    filters: Mapping[str, str] = Field(default_factory=dict)
    functions: FunctionLists = Field(default_factory=FunctionLists)
    limits: Limits = Field(default_factory=Limits)
    roles: Mapping[str, Role] = Field(default_factory=dict)

    @classmethod
    def load(cls, source: str | Mapping[str, Any]) -> Self:
        """The policy written in *source*, a YAML text or the mapping it stands for."""
        if isinstance(source, str):
            from ._document import read

            source = read(source)
        return cls.model_validate(source)

    def to_yaml(self) -> str:
        """The policy as a text that `load` takes."""
        from ._document import write

        return write(self.model_dump(mode="json", exclude_defaults=True))

    def for_role(self, name: str) -> Self:
        """The policy of the role *name*, without roles; `KeyError` when there is no such role."""
        tables = self.roles[name].tables
        hidden = [
            f"{table}.{column}"
            for table, seen in tables.items()
            if seen.columns is not None
            for column in self.tables[table]
            if fold(column) not in {fold(shown) for shown in seen.columns}
        ]
        return self.model_copy(
            update={
                "tables": {table: self.tables[table] for table in tables},
                "deny": [c for c in self.deny if c.rpartition(".")[0] in tables],
                "hide": [*(c for c in self.hide if c.rpartition(".")[0] in tables), *hidden],
                "filters": {
                    table: " AND ".join(f"({part}\n)" for part in parts)
                    for table, seen in tables.items()
                    if (parts := [p for p in (self.filters.get(table), seen.filter) if p])
                },
                "roles": {},
            }
        )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with *update*, checked as a whole, so that nothing derived from the old one stays."""
        del deep
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**(fields | dict(update or {})))

    @field_validator("tables", mode="before")
    @classmethod
    def _types_may_be_left_out(cls, tables: Any) -> Any:
        if not isinstance(tables, Mapping):
            return tables
        return {name: _with_types(columns) for name, columns in tables.items()}

    @model_validator(mode="after")
    def _names_are_whole(self) -> Self:
        for name in self.tables:
            if name.count(".") != 1 or not all(name.split(".")):
                raise ValueError(f"a table is named schema.table, not {name!r}")
        if len({fold(name) for name in self.tables}) < len(self.tables):
            raise ValueError("a table is listed twice")
        for name in (*self.deny, *self.hide):
            table, _, column = name.rpartition(".")
            if not column or table not in self.tables:
                raise ValueError(f"a column is denied as schema.table.column, not {name!r}")
        for table, condition in self.filters.items():
            self._check_filter(table, condition)
        for name, role in self.roles.items():
            self._check_role(name, role)
        return self

    def _check_role(self, name: str, role: Role) -> None:
        for table, seen in role.tables.items():
            if table not in self.tables:
                raise ValueError(f"role {name!r} names a table that is not listed: {table!r}")
            known = {fold(column) for column in self.tables[table]}
            unknown = [column for column in seen.columns or () if fold(column) not in known]
            if unknown:
                raise ValueError(f"role {name!r} names unknown columns of {table}: {unknown}")
            if seen.filter is not None:
                self._check_filter(table, seen.filter)

    def _check_filter(self, table: str, condition: str) -> None:
        if table not in self.tables:
            raise ValueError(f"a filter is set on a table that is not listed: {table!r}")
        self.compiled_filter(table, condition)

    def compiled_filter(self, table: str, condition: str) -> exp.Expr:
        """The tree of *condition* over columns of *table*, denied ones among them."""
        denied = (name.rpartition(".") for name in self.deny)
        columns = {*self.tables[table], *(column for owner, _, column in denied if owner == table)}
        return compiled(condition, _table_name(table), columns, self.dialect)

    @cached_property
    def _listed(self) -> dict[TableName, dict[str, str]]:
        hidden = {fold(name) for name in (*self.deny, *self.hide)}
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

    @cached_property
    def _filters(self) -> dict[TableName, exp.Expr]:
        return {
            _table_name(name): self.compiled_filter(name, condition)
            for name, condition in self.filters.items()
        }

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that the policy holds, of schemas, tables and columns, folded."""
        tables = {part for table in self.tables for part in fold(table).split(".")}
        columns = {fold(column) for columns in self.tables.values() for column in columns}
        denied = {fold(name).rpartition(".")[2] for name in (*self.deny, *self.hide)}
        return frozenset(tables | columns | denied)

    def filter_of(self, table: TableName) -> exp.Expr | None:
        """The condition that every row read of *table* must meet, if any; not to be changed."""
        return self._filters.get(table)

    def denied_of(self, table: TableName) -> frozenset[str]:
        """The columns of *table* that exist but must not be read."""
        return self._hidden.get(table, frozenset())


def _with_types(columns: Any) -> Any:
    if isinstance(columns, list | tuple):
        return dict.fromkeys(columns, "")
    if isinstance(columns, Mapping):
        return {name: "" if kind is None else kind for name, kind in columns.items()}
    return columns


def _table_name(name: str) -> TableName:
    schema, table = fold(name).split(".")
    return schema, table
