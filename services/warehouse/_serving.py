"""A copy of a snapshot that holds only what may be read: nothing else is there to leak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from services.errors import InputConflict, NotFound
from sql_guard import GuardPolicy

from ._catalog import (
    METADATA_SCHEMA,
    Catalog,
    create_metadata_schema,
    literal,
    policy_tables,
    quoted,
    read_catalog,
    write_metadata,
)
from ._errors import opening_errors, writing_errors
from ._snapshots import CURRENT, Snapshot, building, find_snapshot, publish
from ._writing import seal, writable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_Tables: TypeAlias = Mapping[tuple[str, str], Sequence[str]]
"""Schema and table, and the columns to copy, as the source spells them."""

_MARK: Final = "served"
"""An empty file beside served copies, so that no other warehouse is taken for one and replaced."""
_SOURCE: Final = "served_from"
_COLUMNS: Final = """
SELECT schema_name, table_name, column_name
FROM duckdb_columns() JOIN duckdb_tables() USING (database_name, schema_name, table_name)
WHERE database_name = ? AND NOT duckdb_columns.internal
ORDER BY schema_name, table_name, column_index
"""


def serve_copy(snapshot: Snapshot, directory: Path, policy: GuardPolicy | None = None) -> Snapshot:
    """
    The current snapshot of the folder *directory*, made of the tables and columns of *snapshot*
    that *policy* lists and does not deny; without a policy, of all.

    Rows are copied whole: a row filter stays the guard's to set. Raises `NotFound` when the policy
    lists a table that is not there, `InputConflict` when *directory* holds a warehouse that is no
    served copy, the snapshot's own among them.
    """
    source = find_snapshot(snapshot.path.parent, snapshot.id)
    mark = directory / _MARK
    if (directory / CURRENT).exists() and not mark.exists():
        raise InputConflict(
            "A served copy needs a folder of its own, and this one holds another warehouse.",
            hint="Name another folder; reports run on it when ASSAY_HOME is its parent.",
        )
    with building(directory) as temporary, writing_errors(str(directory)):
        with writable(temporary) as connection:
            create_metadata_schema(connection)
            with opening_errors(source.path.name):
                catalog = _attach(connection, source.path)
            listed = policy or GuardPolicy(tables=policy_tables(catalog))
            copied = copy_listed(connection, _SOURCE, listed)
            _describe(connection, catalog, copied)
            connection.execute(f"DETACH {_SOURCE}")
            digest = seal(connection)
        mark.touch()
        return publish(temporary, directory, digest)


def copy_listed(connection: DuckDBPyConnection, source: str, policy: GuardPolicy) -> _Tables:
    """Copy what *policy* lists from the attached database *source*, and say what was copied."""
    found = _listed(connection, source, policy)
    missing = {name.lower() for name in policy.tables} - {".".join(n).lower() for n in found}
    if missing:
        raise NotFound(f"The policy lists a table that the warehouse has not: {min(missing)}.")
    for (schema, table), columns in found.items():
        place = f"{quoted(schema)}.{quoted(table)}"
        selected = ", ".join(quoted(column) for column in columns)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        connection.execute(
            f"CREATE TABLE {place} AS SELECT {selected} FROM {quoted(source)}.{place}"  # noqa: S608
        )
    return found


def _attach(connection: DuckDBPyConnection, path: Path) -> Catalog:
    """Attach the file at *path* as the source, and read its catalog."""
    [(own,)] = connection.execute("SELECT current_database()").fetchall()
    connection.execute(f"ATTACH {literal(str(path))} AS {_SOURCE} (TYPE duckdb, READ_ONLY)")
    connection.execute(f"USE {_SOURCE}")
    catalog = read_catalog(connection)
    connection.execute(f"USE {quoted(own)}")
    return catalog


def _listed(connection: DuckDBPyConnection, source: str, policy: GuardPolicy) -> _Tables:
    found: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in connection.execute(_COLUMNS, [source]).fetchall():
        readable = policy.columns_of((schema.lower(), table.lower()))
        if schema != METADATA_SCHEMA and readable is not None and column.lower() in readable:
            found.setdefault((schema, table), []).append(column)
    return found


def _describe(connection: DuckDBPyConnection, catalog: Catalog, copied: _Tables) -> None:
    """Write the metadata of what was copied, and of nothing else."""
    for (_, name), columns in copied.items():
        table = catalog.table(name)
        kept = tuple(column for column in table.columns if column.name in columns)
        write_metadata(connection, table.model_copy(update={"columns": kept}))
