"""What the warehouse holds: tables and columns with meaning, unit, sensitivity and origin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from services.errors import NotFound
from services.evidence import Frozen, Sensitivity

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Origin: TypeAlias = Literal["sample", "user"]

METADATA_SCHEMA: Final = "_assay"
"""Schema of our own tables; no policy lists it."""


class CatalogColumn(Frozen):
    """One column of a warehouse table; `type` is DuckDB's name of its type."""

    name: str
    type: str
    unit: str = ""
    comment: str = ""
    sensitivity: Sensitivity = "internal"


class CatalogTable(Frozen):
    """One table of the warehouse. `as_of` is the date its data stand for, where known."""

    name: str
    comment: str = ""
    origin: Origin = "user"
    source: str = ""
    terms: str = ""
    synthetic: bool = False
    as_of: date | None = None
    row_count: int = 0
    columns: tuple[CatalogColumn, ...]

    def column(self, name: str) -> CatalogColumn:
        """The column called *name*; `NotFound` when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise NotFound(f"The table {self.name} has no column of that name.")


class Catalog(Frozen):
    """All tables that a query may name, sorted by name."""

    tables: tuple[CatalogTable, ...]

    @cached_property
    def _by_name(self) -> Mapping[str, CatalogTable]:
        return {table.name: table for table in self.tables}

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def table(self, name: str) -> CatalogTable:
        """The table called *name*; `NotFound` when there is none."""
        if name not in self._by_name:
            raise NotFound("The warehouse has no table of that name.")
        return self._by_name[name]


_METADATA_TABLES: Final = {
    "tables": "table_name VARCHAR, origin VARCHAR, source VARCHAR, terms VARCHAR, synthetic BOOLEAN, as_of DATE",
    "columns": "table_name VARCHAR, column_name VARCHAR, unit VARCHAR, sensitivity VARCHAR",
    "snapshot": "digest VARCHAR",
}


def policy_tables(catalog: Catalog) -> dict[str, dict[str, str]]:
    """The tables and columns a guard may admit: `main.table` to column to DuckDB type."""
    return {
        f"main.{table.name}": {column.name: column.type for column in table.columns}
        for table in catalog.tables
    }


_TABLES = f"""
SELECT t.table_name, t.comment, m.origin, m.source, m.terms, m.synthetic, m.as_of, t.estimated_size
FROM duckdb_tables() AS t
LEFT JOIN {METADATA_SCHEMA}.tables AS m USING (table_name)
WHERE t.database_name = current_database() AND t.schema_name = 'main' AND NOT t.internal
ORDER BY t.table_name
"""  # noqa: S608 (a constant of ours)

_COLUMNS = f"""
SELECT c.table_name, c.column_name, c.data_type, c.comment, m.unit, m.sensitivity
FROM duckdb_columns() AS c
LEFT JOIN {METADATA_SCHEMA}.columns AS m USING (table_name, column_name)
WHERE c.database_name = current_database() AND c.schema_name = 'main' AND NOT c.internal
ORDER BY c.table_name, c.column_index
"""  # noqa: S608 (a constant of ours)


def read_catalog(connection: DuckDBPyConnection) -> Catalog:
    """The catalog as the warehouse file itself tells it."""
    return catalog_of(lambda sql: connection.execute(sql).fetchall())


def catalog_of(rows: Callable[[str], Iterable[Sequence[Any]]]) -> Catalog:
    """The catalog of the file that *rows* runs queries on."""
    columns: dict[str, list[CatalogColumn]] = {}
    for table, name, type_, comment, unit, sensitivity in rows(_COLUMNS):
        column = CatalogColumn(
            name=name,
            type=type_,
            unit=unit or "",
            comment=comment or "",
            sensitivity=sensitivity or "internal",
        )
        columns.setdefault(table, []).append(column)
    return Catalog(
        tables=tuple(
            CatalogTable(
                name=name,
                comment=comment or "",
                origin=origin or "user",
                source=source or "",
                terms=terms or "",
                synthetic=bool(synthetic),
                as_of=as_of,
                row_count=row_count,
                columns=tuple(columns[name]),
            )
            for name, comment, origin, source, terms, synthetic, as_of, row_count in rows(_TABLES)
        )
    )


def create_metadata_schema(connection: DuckDBPyConnection) -> None:
    """Make the tables that hold what DuckDB's own comments cannot."""
    connection.execute(f"CREATE SCHEMA {METADATA_SCHEMA}")
    for table, columns in _METADATA_TABLES.items():
        connection.execute(f"CREATE TABLE {METADATA_SCHEMA}.{table} ({columns})")


def write_metadata(connection: DuckDBPyConnection, table: CatalogTable) -> None:
    """Record what *table* says of itself, over what was recorded before."""
    target = quoted(table.name)
    connection.execute(f"COMMENT ON TABLE {target} IS {literal(table.comment)}")
    for column in table.columns:
        name = f"{target}.{quoted(column.name)}"
        connection.execute(f"COMMENT ON COLUMN {name} IS {literal(column.comment)}")
    forget_metadata(connection, table.name)
    connection.execute(
        f"INSERT INTO {METADATA_SCHEMA}.tables VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608
        [table.name, table.origin, table.source, table.terms, table.synthetic, table.as_of],
    )
    connection.executemany(
        f"INSERT INTO {METADATA_SCHEMA}.columns VALUES (?, ?, ?, ?)",  # noqa: S608
        [[table.name, column.name, column.unit, column.sensitivity] for column in table.columns],
    )


def forget_metadata(connection: DuckDBPyConnection, table: str) -> None:
    """Remove what is recorded of *table*."""
    for relation in ("tables", "columns"):
        connection.execute(
            f"DELETE FROM {METADATA_SCHEMA}.{relation} WHERE table_name = ?",  # noqa: S608
            [table],
        )


def quoted(name: str) -> str:
    """*name* as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """*text* as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
