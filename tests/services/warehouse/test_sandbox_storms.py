"""Attacks on the workers themselves: texts that break engines, storms, forks."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from services.errors import AssayError, QueryTimedOut, QueryTooLarge, WarehouseBusy
from services.warehouse import Snapshot, Warehouse
from services.warehouse._sandbox_pool import WorkerLimits, WorkerPool

ENDLESS = "SELECT sum(range) FROM range(1_000_000_000_000)"


@pytest.fixture
def pool(sample: Snapshot) -> Iterator[WorkerPool]:
    limits = WorkerLimits(
        timeout=timedelta(milliseconds=300), grace=timedelta(milliseconds=300), workers=2
    )
    made = WorkerPool(sample.path, "SELECT digest FROM _assay.snapshot", limits)
    yield made
    made.close()


def one(pool: WorkerPool) -> None:
    assert ((1,),) == pool.run("SELECT 1", max_rows=1).data


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 5_000 + "1" + ")" * 5_000,
        "SELECT * FROM " + "(SELECT * FROM " * 20_000 + "(SELECT 1)" + ")" * 20_000,
        "SELECT 1" + "::INT" * 50_000,
        "SELECT a" + ".b" * 50_000,
        "SELECT " + "[" * 900 + "1" + "]" * 900,
        "SELECT list_resize([1], 3_000_000_000)",
        "SELECT length(repeat('x', 3_000_000_000))",
        "SELECT string_agg(repeat('x', 1_000_000), '') FROM range(3_000)",
        "SELECT printf('%2000000000d', 1)",
    ],
)
def test_a_query_that_would_break_the_engine_is_an_error(pool: WorkerPool, sql: str) -> None:
    """Deep texts and giant values end in an error of ours, and the next query is answered."""
    with pytest.raises(AssayError):
        pool.run(sql, max_rows=1)
    one(pool)


def test_a_storm_of_queries_and_deaths_leaves_a_working_pool(pool: WorkerPool) -> None:
    """Two hundred at once, half of them endless, while workers are killed: each gets its own end."""

    def end(number: int) -> object:
        try:
            sql = ENDLESS if number % 8 == 0 else f"SELECT {number}"
            return pool.run(sql, max_rows=1).data
        except AssayError as error:
            return type(error)

    def kill_some() -> None:
        while not over.wait(0.4):
            for worker in list(pool._workers)[:1]:
                worker._process.send_signal(signal.SIGKILL)

    over = threading.Event()
    killer = threading.Thread(target=kill_some)
    killer.start()
    with ThreadPoolExecutor(200) as threads:
        ends = list(threads.map(end, range(200)))
    over.set()
    killer.join()

    assert {QueryTimedOut, QueryTooLarge} >= set(ends[::8])
    for number, found in enumerate(ends):
        assert found in (((number,),), QueryTimedOut, QueryTooLarge)
    assert sum(found == ((number,),) for number, found in enumerate(ends)) > 150
    with suppress(QueryTooLarge):  # the worker that was killed last
        one(pool)
    one(pool)
    assert len(pool._workers) <= 2


def test_a_fork_has_a_warehouse_only_of_its_own(sample: Snapshot, pool: WorkerPool) -> None:
    """A child may not use or end its parent's workers, and may open others."""
    code = 0
    child = os.fork()
    if child == 0:
        try:
            pool.close()
            with Warehouse.open(sample.path.parent) as own:
                code = int(own.execute("SELECT 1 AS x").table.data != ((1,),))
            one(pool)
            code = 2
        except WarehouseBusy:
            os._exit(code)
        finally:
            os._exit(code or 3)

    assert (child, 0) == os.waitpid(child, 0)
    one(pool)
