"""Read-only queries on one snapshot, in an engine that has nothing else to give."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from services.errors import QueryRefused, WarehouseBusy, WarehouseUnreadable
from services.evidence import Column, Table

from ._catalog import METADATA_SCHEMA, Catalog, read_catalog
from ._errors import REBUILD_HINT, duckdb_errors, opening_errors
from ._rows import to_table
from ._snapshots import Snapshot, find_snapshot

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
    # Spilling would write beside the file; a query that outgrows its memory ends instead.
    "temp_directory": "",
}

# DuckDB shares one engine among the connections of a process to the same file.
_opening = threading.Lock()


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows of one statement; `complete` is False when the row cap cut them."""

    table: Table
    complete: bool
    elapsed: timedelta


class Warehouse:
    """
    One snapshot, open for reading; usable from many threads at once.

    The engine is a fence of its own: read-only, no files, no network, no extensions, no settings,
    and one query per statement. The guard stands before it.
    """

    def __init__(
        self,
        connection: DuckDBPyConnection,
        snapshot: Snapshot,
        *,
        timeout: timedelta,
        max_rows: int,
    ) -> None:
        self.snapshot = snapshot
        self._connection = connection
        self._timeout = timeout
        self._max_rows = max_rows
        self._guard = threading.Lock()
        self._catalog: Catalog | None = None
        self._closed = False

    @classmethod
    def open(
        cls,
        directory: Path,
        snapshot_id: str | None = None,
        *,
        memory_limit: str = "512MB",
        threads: int = 1,
        timeout: timedelta = timedelta(seconds=30),
        max_rows: int = 50_000,
    ) -> Self:
        """
        Open the snapshot called *snapshot_id*, or the current one, of the folder *directory*.

        One thread is the default because a sum of doubles depends on how threads share the rows.
        """
        if timeout <= timedelta(0):
            raise ValueError(f"timeout must be positive, got {timeout!r}")
        if max_rows < 1:
            raise ValueError(f"max_rows must be at least 1, got {max_rows!r}")
        wanted = find_snapshot(directory, snapshot_id)
        config = _CONFIG | {"memory_limit": memory_limit, "threads": threads}
        with _opening, opening_errors(wanted.path.name):
            connection = _connect(wanted.path, config)
        try:
            snapshot = _verified(connection, wanted)
        except BaseException:
            connection.close()
            raise
        return cls(connection, snapshot, timeout=timeout, max_rows=max_rows)

    def catalog(self) -> Catalog:
        """What this snapshot holds."""
        if self._catalog is None:
            with self._cursor() as cursor, duckdb_errors():
                self._catalog = read_catalog(cursor)
        return self._catalog

    def execute(
        self,
        sql: str,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        columns: Mapping[str, Column] | None = None,
        key: Sequence[str] = (),
    ) -> QueryResult:
        """
        Run one query that the guard has admitted.

        *columns* lends unit, label and sensitivity to the result columns it names; *key* names
        the columns that identify a row.
        """
        started = time.monotonic()
        with self._cursor() as cursor, duckdb_errors(), self._deadline(cursor):
            _refuse_all_but_one_query(cursor, sql)
            cursor.execute(sql, parameters)
            description = cursor.description
            rows = cursor.fetchmany(self._max_rows + 1)
        table = to_table(description, rows[: self._max_rows], columns=columns or {}, key=key)
        return QueryResult(
            table=table,
            complete=len(rows) <= self._max_rows,
            elapsed=timedelta(seconds=time.monotonic() - started),
        )

    def close(self) -> None:
        """Release the file; closing twice is harmless."""
        with self._guard:
            self._closed = True
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _cursor(self) -> Iterator[DuckDBPyConnection]:
        """A fresh connection to the engine: nothing a query defines outlives it."""
        with self._guard:
            if self._closed:
                raise WarehouseBusy("The warehouse was closed.")
            with duckdb_errors():
                cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def _deadline(self, cursor: DuckDBPyConnection) -> Iterator[None]:
        timer = threading.Timer(self._timeout.total_seconds(), cursor.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            # The cursor closes next: an interrupt that has begun must be over by then.
            timer.join()


def _connect(
    path: Path, config: dict[str, str | bool | int | float | list[str]]
) -> DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(path, read_only=True, config=config)
    locked = connection.execute("SELECT current_setting('lock_configuration')").fetchone()
    if locked != (True,):
        # Set last and in this order: the file must be open before the file system goes away.
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
        connection.execute("SET lock_configuration = true")
    return connection


def _verified(connection: DuckDBPyConnection, wanted: Snapshot) -> Snapshot:
    """The snapshot that the file says it is; it must be the one that was asked for."""
    with opening_errors(wanted.path.name):
        statement = f"SELECT digest FROM {METADATA_SCHEMA}.snapshot"  # noqa: S608 (a constant)
        found = connection.execute(statement).fetchone()
    if found is None or not str(found[0]).startswith(wanted.id):
        message = (
            f"The warehouse file {wanted.path.name} holds another snapshot than its name says."
        )
        raise WarehouseUnreadable(message, hint=REBUILD_HINT)
    return Snapshot(id=str(found[0]), path=wanted.path)


def _refuse_all_but_one_query(cursor: DuckDBPyConnection, sql: str) -> None:
    import duckdb

    statements = cursor.extract_statements(sql)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise QueryRefused("The warehouse runs one query at a time, and nothing but queries.")
