"""The writable engine in which a new snapshot is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ._catalog import METADATA_SCHEMA
from ._digest import logical_digest
from ._errors import interrupts

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "python_enable_replacements": False,
}


@contextmanager
def writable(path: Path) -> Iterator[DuckDBPyConnection]:
    """A connection to the new file at *path*; the driver's errors pass through."""
    import duckdb

    with interrupts(), duckdb.connect(path, config=_CONFIG) as connection:
        # Times with a zone must not depend on where the machine stands.
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        yield connection


def seal(connection: DuckDBPyConnection) -> str:
    """Write the digest of the contents into the file, complete the file, return the digest."""
    digest = logical_digest(connection)
    connection.execute(f"DELETE FROM {METADATA_SCHEMA}.snapshot")  # noqa: S608 (a constant)
    connection.execute(f"INSERT INTO {METADATA_SCHEMA}.snapshot VALUES (?)", [digest])  # noqa: S608
    # Closing would write this too, but says nothing when the disk is full.
    connection.execute("FORCE CHECKPOINT")
    return digest
