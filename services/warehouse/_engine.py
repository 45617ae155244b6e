"""Read-only queries on one snapshot, in worker processes that have nothing else to give."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from services.errors import WarehouseUnreadable
from services.evidence import Column, Table

from ._catalog import METADATA_SCHEMA, Catalog, catalog_of
from ._errors import REBUILD_HINT
from ._rows import to_table
from ._sandbox_pool import WorkerLimits, WorkerPool
from ._sandbox_process import FENCES
from ._snapshots import Snapshot, find_snapshot

_DIGEST: Final = f"SELECT digest FROM {METADATA_SCHEMA}.snapshot"  # noqa: S608 (a constant)


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows of one statement; `complete` is False when the row cap cut them."""

    table: Table
    complete: bool
    elapsed: timedelta


class Warehouse:
    """
    One snapshot, open for reading; usable from many threads at once.

    Queries run in worker processes behind fences of their own: one query per statement, read-only,
    no files, no network, no extensions, no settings. The guard stands before them.
    """

    def __init__(self, pool: WorkerPool, snapshot: Snapshot, *, max_rows: int) -> None:
        self.snapshot = snapshot
        self._pool = pool
        self._max_rows = max_rows
        self._catalog: Catalog | None = None
        self._catalog_lock = threading.Lock()

    @classmethod
    def open(
        cls,
        directory: Path,
        snapshot_id: str | None = None,
        *,
        memory_limit: str = "512MB",
        threads: int = 1,
        workers: int = 2,
        timeout: timedelta = timedelta(seconds=30),
        max_rows: int = 50_000,
    ) -> Self:
        """
        Open the snapshot called *snapshot_id*, or the current one, of the folder *directory*.

        Each of *workers* processes runs one query at a time, within *memory_limit*. One thread is
        the default because a sum of doubles depends on how threads share the rows.
        """
        limits = WorkerLimits(
            memory_limit=memory_limit, threads=threads, workers=workers, timeout=timeout
        )
        if max_rows < 1:
            raise ValueError(f"max_rows must be at least 1, got {max_rows!r}")
        wanted = find_snapshot(directory, snapshot_id)
        pool = WorkerPool(wanted.path.absolute(), _DIGEST, limits)
        try:
            snapshot = _verified(pool.digest, wanted)
        except BaseException:
            pool.close()
            raise
        return cls(pool, snapshot, max_rows=max_rows)

    @property
    def fences(self) -> tuple[str, ...]:
        """What the operating system keeps the workers from, as far as this one can."""
        return self._pool.fences

    @property
    def absent_fences(self) -> tuple[str, ...]:
        """What other systems, or other deployments on this one, keep the workers from besides."""
        return tuple(name for name in FENCES if name not in self._pool.fences)

    def catalog(self) -> Catalog:
        """What this snapshot holds."""
        with self._catalog_lock:
            if self._catalog is None:
                self._catalog = catalog_of(self._all_rows)
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
        rows = self._pool.run(sql, parameters, max_rows=self._max_rows)
        return QueryResult(
            table=to_table(rows, columns=columns or {}, key=key),
            complete=rows.complete,
            elapsed=timedelta(seconds=time.monotonic() - started),
        )

    def close(self) -> None:
        """End the workers and release the file; closing twice is harmless."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _all_rows(self, sql: str) -> Sequence[Sequence[Any]]:
        return list(zip(*self._pool.run(sql, max_rows=sys.maxsize - 1).data, strict=True))


def _verified(digest: str | None, wanted: Snapshot) -> Snapshot:
    """The snapshot that the file says it is; it must be the one that was asked for."""
    if digest is None or not digest.startswith(wanted.id):
        message = (
            f"The warehouse file {wanted.path.name} holds another snapshot than its name says."
        )
        raise WarehouseUnreadable(message, hint=REBUILD_HINT)
    return Snapshot(id=digest, path=wanted.path)
