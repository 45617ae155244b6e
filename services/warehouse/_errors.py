"""The one seam where DuckDB's exceptions become ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

from services.errors import (
    AssayError,
    FileUnreadable,
    OutputUnwritable,
    QueryInvalid,
    QueryRefused,
    QueryTimedOut,
    QueryTooLarge,
    WarehouseBusy,
    WarehouseUnreadable,
)

if TYPE_CHECKING:
    import duckdb

REBUILD_HINT: Final = "Run `assay warehouse build` to make it again."

_INVALID: Final = "The warehouse engine does not accept this query"
_DAMAGED: Final = "The warehouse file is damaged or its engine failed"

# By name, so that importing this package does not import DuckDB. The nearest class decides.
QUERY_ERRORS: Final[dict[str, tuple[type[AssayError], str]]] = {
    "InterruptException": (QueryTimedOut, "The query ran longer than its limit"),
    "OutOfMemoryException": (QueryTooLarge, "The query needs more memory than it may have"),
    "PermissionException": (QueryRefused, "The warehouse engine refuses this query"),
    "HTTPException": (QueryRefused, "The warehouse engine refuses this query"),
    "ConnectionException": (WarehouseBusy, "The warehouse connection is closed or in use"),
    "ResourceInUseException": (WarehouseBusy, "The warehouse is in use"),
    "TransactionException": (QueryRefused, "The warehouse engine refuses this query"),
    "IOException": (WarehouseUnreadable, _DAMAGED),
    "SerializationException": (WarehouseUnreadable, _DAMAGED),
    "FatalException": (WarehouseUnreadable, _DAMAGED),
    "InternalException": (WarehouseUnreadable, _DAMAGED),
    "InternalError": (WarehouseUnreadable, _DAMAGED),
    "OperationalError": (WarehouseUnreadable, _DAMAGED),
    "BinderException": (QueryInvalid, _INVALID),
    "CatalogException": (QueryInvalid, _INVALID),
    "ConstraintException": (QueryInvalid, _INVALID),
    "ConversionException": (QueryInvalid, _INVALID),
    "DataError": (QueryInvalid, _INVALID),
    "DependencyException": (QueryInvalid, _INVALID),
    "IntegrityError": (QueryInvalid, _INVALID),
    "InvalidInputException": (QueryInvalid, _INVALID),
    "InvalidTypeException": (QueryInvalid, _INVALID),
    "NotImplementedException": (QueryInvalid, _INVALID),
    "NotSupportedError": (QueryInvalid, _INVALID),
    "OutOfRangeException": (QueryInvalid, _INVALID),
    "ParserException": (QueryInvalid, _INVALID),
    "ProgrammingError": (QueryInvalid, _INVALID),
    "SequenceException": (QueryInvalid, _INVALID),
    "SyntaxException": (QueryInvalid, _INVALID),
    "TypeMismatchException": (QueryInvalid, _INVALID),
    "DatabaseError": (WarehouseUnreadable, _DAMAGED),
    "Error": (WarehouseUnreadable, _DAMAGED),
}

_HINTS: Final[dict[type[AssayError], str]] = {
    QueryTimedOut: "Ask for less data at once, or raise `ASSAY_QUERY_TIMEOUT`.",
    QueryTooLarge: "Nothing is spilled to disk: filter or aggregate earlier, sort fewer rows, or raise `ASSAY_QUERY_MEMORY`.",
    WarehouseUnreadable: REBUILD_HINT,
}


def query_error(name: str) -> AssayError:
    """What the driver's exception of that *name* is to us."""
    kind, message = QUERY_ERRORS[name]
    return kind(message + ".", hint=_HINTS.get(kind, ""))


def raise_from_worker(kinds: Sequence[str], text: str) -> NoReturn:
    """Raise the exception that a worker met: *kinds* names its classes, nearest first."""
    import duckdb

    for name in kinds:
        if name == "NotOneQuery":
            raise QueryRefused("The warehouse runs one query at a time, and nothing but queries.")
        if name == "MemoryError":
            raise duckdb.OutOfMemoryException(text)
        if name in QUERY_ERRORS:
            raise getattr(duckdb, name)(text)
    # Values that Python cannot hold, such as dates before its calendar.
    raise duckdb.DataError(text)


@contextmanager
def duckdb_errors() -> Iterator[None]:
    """
    Translate what a query raises.

    The driver's own words stay on `__cause__`: they quote the query, so they may guide a repair
    and may not be logged.
    """
    import duckdb

    try:
        with interrupts():
            yield
    except duckdb.Error as error:
        raise query_error(_nearest(error)) from error


@contextmanager
def interrupts() -> Iterator[None]:
    """Make Ctrl-C during a statement the `KeyboardInterrupt` that it is everywhere else."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


@contextmanager
def opening_errors(name: str) -> Iterator[None]:
    """Translate what opening the warehouse file called *name* raises."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        if _is_lock_conflict(error):
            raise _busy(name) from error
        message = f"The warehouse file {name} is missing, damaged, or no DuckDB file."
        raise WarehouseUnreadable(message, hint=REBUILD_HINT) from error


@contextmanager
def reading_errors(name: str) -> Iterator[None]:
    """
    Translate what reading the user's file called *name* raises.

    A failure to write what was read passes, for `writing_errors` around it.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        if _is_lock_conflict(error):
            raise _busy(name) from error
        if _is_write_failure(error):
            raise
        line = re.search(r"Line: (\d+)", str(error))
        where = f", at line {line[1]}" if line else ""
        raise FileUnreadable(
            f"The file {name} cannot be read as what its name says{where}.",
            hint="Give a CSV file with a header line, a Parquet file, or a DuckDB file.",
        ) from error


@contextmanager
def writing_errors(folder: str) -> Iterator[None]:
    """Translate what writing a warehouse file into *folder* raises."""
    import duckdb

    try:
        yield
    except (
        duckdb.IOException,
        duckdb.FatalException,
        duckdb.TransactionException,
        OSError,
    ) as error:
        raise OutputUnwritable(
            f"The warehouse folder {folder} cannot be written.",
            hint="Check that it exists, is writable, and that its disk is not full.",
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise QueryTooLarge("There is not enough memory to write the warehouse.") from error


def _is_lock_conflict(error: duckdb.Error) -> bool:
    """Whether another process, or another connection of ours, holds the file."""
    text = str(error)
    return "Could not set lock" in text or "different configuration" in text


def _is_write_failure(error: duckdb.Error) -> bool:
    text = str(error)
    return "No space left" in text or "Could not write" in text


def _busy(name: str) -> WarehouseBusy:
    return WarehouseBusy(
        f"The file {name} is held by another program or connection.",
        hint="Close the program that writes to it, then try again.",
    )


def _nearest(error: duckdb.Error) -> str:
    names = (kind.__name__ for kind in type(error).__mro__)
    return next(name for name in names if name in QUERY_ERRORS)
