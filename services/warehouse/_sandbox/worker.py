"""
A worker: opens one file, raises the fences, and answers queries until its parent goes.

One thread reads requests, so that an interrupt is heard and an end of file is noticed while the
other thread is in the engine.
"""

from __future__ import annotations

import gc
import importlib
import os
import re
import signal
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from .fences import die_with, raise_fences
from .values import typed
from .wire import (
    INTERRUPT,
    LARGEST_REPLY,
    LENGTH,
    Failure,
    Opened,
    Opening,
    Query,
    decode_request,
    encode_failure,
    encode_opened,
    encode_rows,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_REQUESTS, _REPLIES = 0, 1
_IMPORTED_BY_THE_ENGINE: Final = ("datetime", "decimal", "uuid", "pytz")
"""Modules that the engine imports when a value of their kind first comes by: too late for us."""
_MOST_TEXT: Final = 2_000
_MOST_COLUMNS: Final = 10_000
"""What has more is no table; naming and typing its columns would keep the parent busy."""
_UNITS: Final = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "allow_unsigned_extensions": False,
    # The fences stand around one thread; the engine gets its others when they are up.
    "async_threads": 0,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_access": False,
    "python_enable_replacements": False,
    # Spilling would write beside the file; a query that outgrows its memory ends instead.
    "temp_directory": "",
    "threads": 1,
}


def main() -> None:
    """Serve the parent at the other end of standard input and output, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    request = _receive()
    assert request is not None
    opening = Opening(*decode_request(request))
    die_with(opening.parent)
    try:
        connection, opened = _open(opening)
    except Exception as error:  # noqa: BLE001 (the parent decides what it means)
        _send(encode_failure(_failure(error)))
        return
    _send(encode_opened(opened))
    # Rows are many small tuples that hold no cycle: looking for some would double the time.
    gc.disable()
    _Worker(connection).serve()


def _open(opening: Opening) -> tuple[DuckDBPyConnection, Opened]:
    import _duckdb

    for name in _IMPORTED_BY_THE_ENGINE:
        with suppress(ImportError):
            importlib.import_module(name)
    config = _CONFIG | {"memory_limit": opening.memory_limit}
    connection = _duckdb.connect(opening.path, read_only=True, config=config)
    found = connection.execute(opening.digest_query).fetchone()
    [(limit,)] = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    memory = _bytes(limit)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
    fences = raise_fences(memory)
    connection.execute(f"SET GLOBAL threads = {opening.threads:d}")
    # Last, since nothing can be set after it.
    connection.execute("SET lock_configuration = true")
    return connection, Opened(None if found is None else str(found[0]), fences, memory)


class _Worker:
    """Answers one query at a time, each on a connection of its own."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection
        self._queries: SimpleQueue[bytes] = SimpleQueue()
        self._cursor: DuckDBPyConnection | None = None
        self._held = threading.Lock()

    def serve(self) -> None:
        """Read requests until the parent closes its end or dies; then nothing is worth finishing."""
        threading.Thread(target=self._answer_all, daemon=True).start()
        while (request := _receive()) is not None:
            if request == INTERRUPT:
                with self._held:
                    if self._cursor is not None:
                        self._cursor.interrupt()
            else:
                self._queries.put(request)
        os._exit(0)

    def _answer_all(self) -> None:
        while True:
            request = self._queries.get()
            try:
                reply = self._answer(Query(*decode_request(request)))
            except Exception as error:  # noqa: BLE001 (the parent decides what it means)
                reply = encode_failure(_failure(error))
                gc.collect()
            _send(reply)

    def _answer(self, query: Query) -> bytes:
        cursor = self._connection.cursor()
        with self._held:
            self._cursor = cursor
        try:
            return _run(cursor, query)
        finally:
            # An interrupt that has begun must be over before its target goes.
            with self._held:
                self._cursor = None
            cursor.close()


def _run(cursor: DuckDBPyConnection, query: Query) -> bytes:
    import _duckdb

    statements = cursor.extract_statements(query.sql)
    if [statement.type for statement in statements] != [_duckdb.StatementType.SELECT]:
        raise NotOneQuery
    cursor.execute(query.sql, query.parameters)
    description = cursor.description
    if len(description) > _MOST_COLUMNS:
        raise MemoryError
    rows = cursor.fetchmany(query.max_rows + 1)
    complete = len(rows) <= query.max_rows
    if not complete:
        rows.pop()
    data: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(description)
    del rows
    columns = [
        typed(str(entry[1]), values) for entry, values in zip(description, data, strict=True)
    ]
    reply = encode_rows([str(entry[0]) for entry in description], columns, complete=complete)
    if len(reply) > LARGEST_REPLY:
        raise MemoryError
    return reply


class NotOneQuery(Exception):
    """A text that is not exactly one query."""


def _failure(error: Exception) -> Failure:
    names = [kind.__name__ for kind in type(error).__mro__]
    return Failure(tuple(names), str(error)[:_MOST_TEXT])


def _bytes(text: str) -> int:
    """The number of bytes in a text such as `488.2 MiB`."""
    found = re.fullmatch(r"([\d.]+) (\w+)", text)
    assert found is not None, text
    return int(float(found[1]) * _UNITS[found[2]])


def _receive() -> bytes | None:
    """The next frame, or None when there is no more."""
    head = _read(LENGTH.size)
    return None if head is None else _read(LENGTH.unpack(head)[0])


def _read(size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(_REQUESTS, size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _send(reply: bytes) -> None:
    rest = memoryview(LENGTH.pack(len(reply)) + reply)
    while rest:
        rest = rest[os.write(_REPLIES, rest) :]
