"""Adds a user's own CSV, Parquet or DuckDB tables to the warehouse, as a new snapshot."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from services.errors import FileUnreadable, InputConflict, NotFound

from ._catalog import (
    METADATA_SCHEMA,
    Catalog,
    CatalogColumn,
    CatalogTable,
    create_metadata_schema,
    literal,
    quoted,
    read_catalog,
    write_metadata,
)
from ._errors import opening_errors, reading_errors, writing_errors
from ._names import free_name, plain_name, split_unit
from ._snapshots import Snapshot, building, current_snapshot, find_snapshot, publish
from ._writing import seal, writable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CSV: Final = frozenset({".csv", ".tsv"})
_PARQUET: Final = ".parquet"
_DATABASES: Final = frozenset({".duckdb", ".db", ".ddb"})
_LONGEST_HEADER: Final = 1_000_000
_RESERVED: Final = ("syn_", "duckdb_", "pg_", "sqlite_")
"""Beginnings of names that say "synthetic", or that the engine gives to its own tables."""

# Types that other engines or the machine's time zone would read differently, and what is kept.
_KEPT_AS: Final = {
    "TIMESTAMP WITH TIME ZONE": "timezone('UTC', {column})",
    "TIME WITH TIME ZONE": "{column}::VARCHAR",
    "JSON": "{column}::VARCHAR",
}

_ATTACHED_TABLES: Final = """
SELECT schema_name, table_name, comment FROM duckdb_tables()
WHERE database_name = ? AND NOT internal AND NOT temporary AND schema_name <> ? ORDER BY ALL
"""
_ATTACHED_COLUMNS: Final = """
SELECT schema_name, table_name, column_name, comment FROM duckdb_columns()
WHERE database_name = ? AND comment IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class _Incoming:
    """A table to load: its file, its name there, and the SQL that reads it."""

    file: Path
    name: str
    relation: str
    comment: str = ""
    column_comments: Mapping[str, str] = field(default_factory=dict)


def load_files(directory: Path, files: Sequence[Path], *, base: Snapshot | None = None) -> Snapshot:
    """
    A new current snapshot: the tables of *base* (unless given, of the current snapshot if there
    is one) and those of *files*.

    A CSV or Parquet file becomes a table called by its file name; a DuckDB file gives all its
    tables. Loading a table again replaces it. A name of a sample table, a reserved name, or one
    that comes twice raises `InputConflict`; what cannot be read raises `FileUnreadable`. Either
    way the warehouse stays as it was.
    """
    if not files:
        raise FileUnreadable("No file was named to load.")
    for file in files:
        _check_file(file)
    with (
        building(directory) as temporary,
        writing_errors(str(directory)),
    ):
        start = _start_from(base, directory, temporary)
        with writable(temporary) as connection:
            if start is None:
                create_metadata_schema(connection)
            catalog, loaded = read_catalog(connection), set[str]()
            for position, file in enumerate(files):
                for incoming in _incoming(connection, file, position):
                    name = plain_name(incoming.name)
                    _check_name(catalog, name, loaded, file)
                    loaded.add(name)
                    _load(connection, incoming, name)
            digest = seal(connection)
        return publish(temporary, directory, digest)


def _start_from(base: Snapshot | None, directory: Path, temporary: Path) -> Snapshot | None:
    """Copy the snapshot that the load adds to, if any, to *temporary*."""
    start = base or current_snapshot(directory)
    if start is not None:
        start = find_snapshot(start.path.parent, start.id)
        shutil.copyfile(start.path, temporary)
        with opening_errors(start.path.name), writable(temporary) as connection:
            read_catalog(connection)
    return start


def _check_file(file: Path) -> None:
    if not file.is_file():
        raise NotFound(f"There is no file {file.name}.")
    if file.suffix.lower() not in {*_CSV, _PARQUET, *_DATABASES}:
        raise FileUnreadable(
            f"The file {file.name} is of a kind that cannot be loaded.",
            hint="Give a .csv, .tsv, .parquet or .duckdb file.",
        )
    try:
        with file.open("rb") as handle:
            is_empty = not handle.read(1)
    except OSError as error:
        raise FileUnreadable(f"The file {file.name} may not be read.") from error
    if is_empty:
        raise FileUnreadable(f"The file {file.name} is empty.")


def _incoming(connection: DuckDBPyConnection, file: Path, position: int) -> Iterator[_Incoming]:
    """The tables that *file* gives."""
    suffix = file.suffix.lower()
    # Absolute, so that no file name reads as the address of another kind of storage.
    path = literal(str(file.resolve()))
    if suffix not in _DATABASES:
        relation = f"read_parquet({path})" if suffix == _PARQUET else _csv_relation(path, file)
        yield _Incoming(file, file.stem, relation)
        return
    database = f"incoming_{position}"
    with reading_errors(file.name):
        connection.execute(f"ATTACH {path} AS {database} (TYPE duckdb, READ_ONLY)")
        tables = connection.execute(_ATTACHED_TABLES, [database, METADATA_SCHEMA]).fetchall()
        columns = connection.execute(_ATTACHED_COLUMNS, [database]).fetchall()
    if not tables:
        raise FileUnreadable(f"The file {file.name} holds no table.")
    for schema, table, comment in tables:
        yield _Incoming(
            file,
            table,
            f"{database}.{quoted(schema)}.{quoted(table)}",
            comment=comment or "",
            column_comments={
                column: text for *place, column, text in columns if place == [schema, table]
            },
        )
    connection.execute(f"DETACH {database}")


def _csv_relation(path: str, file: Path) -> str:
    """
    SQL that reads a CSV file, with the types of its columns as the only thing left to guess.

    A guessed layout would skip lines that do not fit; a file whose lines differ is an error.
    """
    with file.open(encoding="utf-8-sig", errors="replace") as handle:
        header = handle.readline(_LONGEST_HEADER)
    separator = max(",;\t|", key=header.count)
    layout = f"header = true, skip = 0, delim = {literal(separator)}, quote = '\"', escape = '\"'"
    return f"read_csv({path}, {layout}, strict_mode = true, sample_size = -1)"


def _load(connection: DuckDBPyConnection, incoming: _Incoming, name: str) -> None:
    """Make the table called *name*, over an earlier load of it."""
    file, target = incoming.file.name, quoted(name)
    with reading_errors(file):
        query = f"SELECT * FROM {incoming.relation}"  # noqa: S608 (quoted, and a file of the user)
        described = connection.execute(f"DESCRIBE {query}").fetchall()
        columns, expressions = _columns(described, incoming.column_comments)
        connection.execute(f"DROP TABLE IF EXISTS {target}")
        selection = ", ".join(expressions)
        connection.execute(f"CREATE TABLE {target} AS SELECT {selection} FROM {incoming.relation}")  # noqa: S608
        count = connection.execute(f"SELECT count(*) FROM {target}").fetchone()  # noqa: S608
    if count == (0,):
        raise FileUnreadable(f"The table {name} of the file {file} holds no rows.")
    table = CatalogTable(name=name, comment=incoming.comment, source=file, columns=columns)
    write_metadata(connection, table)


def _columns(
    described: Sequence[Sequence[str]], comments: Mapping[str, str]
) -> tuple[tuple[CatalogColumn, ...], list[str]]:
    """The columns that a load makes of the *described* ones, and the SQL for each."""
    columns, expressions, taken = [], [], set[str]()
    for original, type_, *_ in described:
        text, unit = split_unit(comments.get(original, original))
        name = free_name(plain_name(split_unit(original)[0]), taken)
        taken.add(name)
        kept = _KEPT_AS.get(type_, "{column}")
        if type_.startswith("ENUM"):
            kept = "{column}::VARCHAR"
        expressions.append(f"{kept.format(column=quoted(original))} AS {quoted(name)}")
        comment = text if original in comments or text != name else ""
        columns.append(CatalogColumn(name=name, type=type_, unit=unit, comment=comment))
    return tuple(columns), expressions


def _check_name(catalog: Catalog, name: str, taken: set[str], file: Path) -> None:
    if name in taken:
        message = f"The file {file.name} gives a table {name}, and another of the files does too."
    elif name in catalog and catalog.table(name).origin == "sample":
        message = f"The file {file.name} gives a table {name}, which the sample warehouse has."
    elif name.startswith(_RESERVED):
        message = f"The file {file.name} gives a table {name}, and names of that kind are reserved."
    else:
        return
    raise InputConflict(message, hint="Rename the file or the table.")
