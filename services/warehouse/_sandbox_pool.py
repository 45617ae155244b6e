"""Warm worker processes that run the queries of one warehouse file, and are replaced when they fail."""

from __future__ import annotations

import os
import pickle
import threading
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from services import load
from services.errors import AssayError, QueryInvalid, WarehouseBusy, WarehouseUnreadable

from ._errors import REBUILD_HINT, duckdb_errors, raise_from_worker
from ._sandbox.wire import Failure, Opening, Query, Rows, encode_request
from ._sandbox_process import Worker, WorkerDied, starter

_SPENT: Final = frozenset(
    {"OutOfMemoryException", "FatalException", "InternalException", "InternalError", "MemoryError"}
)
"""Failures after which an engine is not asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """
    What the workers of one warehouse may use.

    A query is interrupted after `timeout`; its process is killed when it has not ended `grace` later.
    """

    memory_limit: str = "512MB"
    threads: int = 1
    workers: int = 2
    timeout: timedelta = timedelta(seconds=30)
    grace: timedelta = timedelta(seconds=2)

    def __post_init__(self) -> None:
        if self.timeout <= timedelta(0):
            raise ValueError(f"timeout must be positive, got {self.timeout!r}")
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers!r}")


class WorkerPool:
    """
    Runs queries on the file at *path*, one at a time in each worker; safe to share between threads.

    Opening waits for the first worker and raises what kept it from opening the file; the others
    start when they are first needed. `digest` is what *digest_query* found in the file.
    """

    def __init__(self, path: Path, digest_query: str, limits: WorkerLimits) -> None:
        self._opening = Opening(
            os.getpid(), str(path), limits.memory_limit, limits.threads, digest_query
        )
        self._limits = limits
        self._changed = threading.Condition()
        self._workers: set[Worker] = set()
        self._idle: list[Worker] = []
        self._starting = 0
        self._failure: BaseException | None = None
        self._closed = False
        self.digest: str | None = None
        self._finalizer = weakref.finalize(self, _end_all, self._workers, os.getpid())
        worker = self._acquire()
        self.digest = worker.opened.digest
        self.fences = worker.fences
        self._release(worker)

    def run(
        self,
        sql: str,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        max_rows: int,
    ) -> Rows:
        """
        The rows of one query.

        Raises `QueryTimedOut`, `QueryTooLarge`, `QueryInvalid` or `QueryRefused` for what the query
        is, `WarehouseUnreadable` when the file is no longer what it was, and `WarehouseBusy` when
        the pool was closed.
        """
        request = _encoded(Query(sql, parameters, max_rows))
        with load.counted("queries_waiting"):
            worker = self._acquire()
        try:
            with load.counted("queries_running"):
                reply = worker.ask(request, self._limits.timeout, self._limits.grace)
        except WorkerDied as death:
            self._discard(worker)
            raise self._meaning(death) from death
        except BaseException:
            # A reply may still come that nobody waits for.
            self._discard(worker)
            raise
        if isinstance(reply, Failure):
            self._settle(worker, reply)
            with duckdb_errors():
                raise_from_worker(reply.kinds, reply.text)
        self._release(worker)
        assert isinstance(reply, Rows)
        return reply

    def close(self) -> None:
        """End all workers, busy ones too; closing twice is harmless."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = self._workers.difference(idle)
            self._changed.notify_all()
        self._finalizer.detach()
        for worker in idle:
            worker.end()
        for worker in busy:
            # Whoever waits for its answer learns of it, and puts away its pipes.
            worker.kill()

    def _settle(self, worker: Worker, failure: Failure) -> None:
        if _SPENT.intersection(failure.kinds):
            self._discard(worker)
        else:
            self._release(worker)

    def _meaning(self, death: WorkerDied) -> AssayError:
        if self._closed:
            return WarehouseBusy("The warehouse was closed.")
        return death.meaning()

    def _acquire(self) -> Worker:
        with self._changed:
            self._failure = None
            while True:
                self._check_usable()
                while self._idle:
                    worker = self._idle.pop()
                    if worker.is_ready:
                        return worker
                    self._discard(worker)
                if not self._starting and self._alive < self._limits.workers:
                    self._start()
                self._changed.wait()

    def _check_usable(self) -> None:
        if self._closed or os.getpid() != self._opening.parent:
            raise WarehouseBusy("The warehouse was closed.")
        if self._failure is not None and not self._alive:
            raise self._failure

    @property
    def _alive(self) -> int:
        return len(self._workers) + self._starting

    def _release(self, worker: Worker) -> None:
        with self._changed:
            if self._closed:
                worker.end()
            else:
                self._idle.append(worker)
            self._changed.notify()

    def _discard(self, worker: Worker) -> None:
        """End *worker*, and have another take its place before it is missed."""
        worker.end()
        with self._changed:
            self._workers.discard(worker)
            if not self._closed:
                self._start()

    def _start(self) -> None:
        starting = starter().submit(self._worker)
        self._starting += 1
        starting.add_done_callback(self._started)

    def _worker(self) -> Worker:
        """A new worker; the file it opens must hold what the first one found."""
        worker = Worker(self._opening)
        if self.digest not in (None, worker.opened.digest):
            worker.end()
            raise WarehouseUnreadable(
                "The warehouse file was replaced by another while it was in use.",
                hint=REBUILD_HINT,
            )
        return worker

    def _started(self, starting: Future[Worker]) -> None:
        with self._changed:
            self._starting -= 1
            self._failure = starting.exception()
            if self._failure is None:
                worker = starting.result()
                if self._closed:
                    worker.end()
                else:
                    self._workers.add(worker)
                    self._idle.append(worker)
            self._changed.notify_all()


def _encoded(query: Query) -> bytes:
    try:
        return encode_request(query)
    except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as error:
        raise QueryInvalid(
            "A parameter of the query is of a kind that cannot be bound.",
            hint="Give texts, numbers, dates, times, truth values, or lists of them.",
        ) from error


def _end_all(workers: set[Worker], parent: int) -> None:
    # A fork inherits the set, but not the right to end its parent's workers.
    while workers and os.getpid() == parent:
        workers.pop().end()
