"""The workers: warm, alone with each query, replaced when they fail, and gone with their parent."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from services.errors import (
    AssayError,
    QueryInvalid,
    QueryRefused,
    QueryTimedOut,
    QueryTooLarge,
    WarehouseBusy,
    WarehouseUnreadable,
)
from services.warehouse import Snapshot, Warehouse
from services.warehouse._sandbox_pool import WorkerLimits, WorkerPool

ROOT = Path(__file__).parents[3]
DIGEST = "SELECT digest FROM _assay.snapshot"
ENDLESS = "SELECT sum(range) FROM range(1_000_000_000_000)"
"""Long, and content with little memory, so that only time ends it."""
DEAF = "SELECT length(lpad('x', 2_000_000_000, ' '))"
"""A query in one piece of work, so that the engine hears no interrupt while it runs."""


@pytest.fixture
def pool(sample: Snapshot) -> Iterator[WorkerPool]:
    limits = WorkerLimits(
        timeout=timedelta(milliseconds=300), grace=timedelta(milliseconds=300), workers=2
    )
    made = WorkerPool(sample.path, DIGEST, limits)
    yield made
    made.close()


@pytest.fixture
def patient(sample: Snapshot) -> Iterator[WorkerPool]:
    """A pool whose queries may run for a minute."""
    made = WorkerPool(sample.path, DIGEST, WorkerLimits(timeout=timedelta(minutes=1)))
    yield made
    made.close()


def pids(pool: WorkerPool) -> set[int]:
    return {worker._process.pid for worker in pool._workers}


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 15
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def one(pool: WorkerPool) -> None:
    assert ((1,),) == pool.run("SELECT 1", max_rows=1).data


def test_a_worker_stays_warm(pool: WorkerPool) -> None:
    """One query after the other goes to the same process."""
    before = pids(pool)
    for _ in range(5):
        one(pool)

    assert (1, before) == (len(before), pids(pool))


@pytest.mark.parametrize(
    "sql",
    [
        "SET VARIABLE stash = (SELECT max(name) FROM syn_counterparties)",
        "SET search_path = '_assay'",
        "USE _assay",
        "CREATE TEMP MACRO sum(x) AS 42",
        "CREATE TEMP TABLE syn_loans AS SELECT 1 AS balance",
        "PREPARE kept AS SELECT 1",
        "BEGIN",
        "SET threads = 2",
    ],
)
def test_nothing_of_one_request_reaches_the_next(patient: WorkerPool, sql: str) -> None:
    """What would outlive a query is refused, and the next one finds the engine as it was."""
    with pytest.raises(QueryRefused):
        patient.run(sql, max_rows=1)
    found = patient.run(
        "SELECT getvariable('stash') AS stash, sum(1) AS one, current_schema() AS place, "
        "(SELECT count(*) FROM duckdb_prepared_statements()) AS prepared",
        max_rows=1,
    )

    assert ((None,), (1,), ("main",), (0,)) == found.data


def test_each_request_has_a_connection_of_its_own(patient: WorkerPool) -> None:
    """Even a function that changes its connection changes nothing for the next request."""
    patient.run("SELECT setseed(0.5)", max_rows=1)
    draws = {patient.run("SELECT random()", max_rows=1).data for _ in range(3)}

    assert len(draws) == 3


def test_parameters_arrive_as_they_are(patient: WorkerPool) -> None:
    """Dates and decimals are bound by place or name."""
    placed = patient.run("SELECT ? AS a, ? AS b", [date(2026, 9, 30), Decimal("1.10")], max_rows=1)

    assert (("date", "decimal"), ((date(2026, 9, 30),), (Decimal("1.10"),))) == (
        placed.kinds,
        placed.data,
    )


@pytest.mark.parametrize("value", [lambda: 1, object(), float.fromhex, {1, 2}, 2**200, "\ud800"])
def test_a_parameter_that_cannot_be_bound_is_invalid(patient: WorkerPool, value: object) -> None:
    """Whatever is handed in, the worker lives on."""
    before = pids(patient)
    with pytest.raises(QueryInvalid):
        patient.run("SELECT ?", [value], max_rows=1)

    one(patient)
    assert before == pids(patient)


def test_a_file_replaced_in_use_is_not_read_as_the_snapshot(own_sample: Snapshot) -> None:
    """A worker that takes another's place opens the same contents, or none."""
    pool = WorkerPool(own_sample.path, DIGEST, WorkerLimits(workers=1))
    try:
        own_sample.path.unlink()
        one(pool)
        with duckdb.connect(own_sample.path) as other:
            other.execute("CREATE SCHEMA _assay")
            other.execute("CREATE TABLE _assay.snapshot AS SELECT 'another' AS digest")
        [worker] = pool._workers
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait(timeout=15)

        with pytest.raises(WarehouseUnreadable, match="replaced"):
            one(pool)
    finally:
        pool.close()


def test_a_query_that_would_spill_is_too_large(patient: WorkerPool, sample: Snapshot) -> None:
    """A sort beyond the memory limit fails with a hint, and leaves nothing beside the file."""
    sql = (
        "SELECT hash(range) AS h, repeat('x', 100) || range AS s FROM range(20_000_000) ORDER BY h"
    )
    with pytest.raises(QueryTooLarge) as caught:
        patient.run(sql, max_rows=10)

    assert "ASSAY_QUERY_MEMORY" in caught.value.hint
    assert [] == list(sample.path.parent.glob("*.tmp"))
    one(patient)


@pytest.mark.parametrize("sql", ["SELECT repeat('x', 150_000_000)", "SELECT repeat('x', 30_000_000) FROM range(200)"])  # fmt: skip
def test_a_result_too_large_to_hand_over_is_too_large(patient: WorkerPool, sql: str) -> None:
    """Few rows can be heavy: neither the worker nor its parent takes them."""
    with pytest.raises(QueryTooLarge):
        patient.run(sql, max_rows=1_000)
    one(patient)


@pytest.mark.parametrize("sql", [ENDLESS, DEAF, "SELECT sleep_ms(60_000)"])
def test_a_query_out_of_time_ends(pool: WorkerPool, sql: str) -> None:
    """One that does not hear the interrupt is killed, and another worker takes its place."""
    began = time.monotonic()
    with pytest.raises(QueryTimedOut) as caught:
        pool.run(sql, max_rows=1)

    assert "ASSAY_QUERY_TIMEOUT" in caught.value.hint
    one(pool)
    assert time.monotonic() - began < 8


def test_an_interrupt_does_not_reach_the_next_query(pool: WorkerPool) -> None:
    """After each interrupted query a short one goes through."""
    for _ in range(5):
        with pytest.raises(QueryTimedOut):
            pool.run(ENDLESS, max_rows=1)
        one(pool)


@pytest.mark.parametrize(
    ("number", "meaning"),
    [(signal.SIGKILL, QueryTooLarge), (signal.SIGSEGV, QueryTooLarge), (signal.SIGTERM, WarehouseBusy)],
)  # fmt: skip
def test_a_worker_that_dies_in_a_query_is_replaced(
    patient: WorkerPool, number: signal.Signals, meaning: type[AssayError]
) -> None:
    """The query gets a clear error at once, and the pool goes on."""
    [pid] = pids(patient)
    timer = threading.Timer(0.3, os.kill, [pid, number])
    timer.start()
    with pytest.raises(meaning):
        patient.run(ENDLESS, max_rows=1)
    timer.join()

    one(patient)
    assert pid not in pids(patient)


def test_a_worker_that_died_idle_is_not_noticed(patient: WorkerPool) -> None:
    """A query is not given to the dead."""
    [worker] = patient._workers
    os.kill(worker._process.pid, signal.SIGKILL)
    worker._process.wait(timeout=15)

    one(patient)
    assert worker not in patient._workers


def test_many_threads_share_few_workers(patient: WorkerPool) -> None:
    """Queries wait for a worker; no more are started than allowed."""
    sql = "SELECT segment, count(*) AS n FROM syn_loans GROUP BY ALL ORDER BY ALL"
    with ThreadPoolExecutor(8) as threads:
        found = {r.data for r in threads.map(lambda _: patient.run(sql, max_rows=9), range(64))}

    assert (1, True) == (len(found), len(pids(patient)) <= 2)


def test_closing_ends_the_workers_and_the_queries(patient: WorkerPool) -> None:
    """A query under way gets an error, as does the next; no process is left."""
    one(patient)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(patient.run, ENDLESS, max_rows=1)
        time.sleep(0.3)
        left = pids(patient)
        patient.close()
        with pytest.raises(WarehouseBusy):
            running.result(timeout=10)
    with pytest.raises(WarehouseBusy):
        one(patient)

    assert all(is_gone(pid) for pid in left)


def test_a_forgotten_warehouse_leaves_no_process(sample: Snapshot) -> None:
    """Who does not close it has it closed."""
    warehouse = Warehouse.open(sample.path.parent)
    [pid] = pids(warehouse._pool)
    del warehouse
    gc.collect()

    assert eventually(lambda: is_gone(pid))


PARENT = """
import os, subprocess, sys, threading, time
from pathlib import Path
from services.warehouse import Warehouse

warehouse = Warehouse.open(Path(sys.argv[1]))
if sys.argv[2] == "forked":
    # A child that holds copies of all pipes, so that none of them ends with us.
    pid = os.fork()
    if pid == 0:
        os.close(1)
        time.sleep(20)
        os._exit(0)
if sys.argv[2] != "idle":
    threading.Thread(target=warehouse.execute, args=[sys.argv[3]], daemon=True).start()
    time.sleep(0.3)
print(*[worker._process.pid for worker in warehouse._pool._workers], flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("state", ["idle", "busy", "forked"])
def test_workers_die_with_their_parent(sample: Snapshot, state: str) -> None:
    """After kill -9 of the parent no worker is left, not even one in a long query."""
    if state == "forked" and sys.platform != "linux":
        pytest.skip("needs a signal at the parent's death")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(sample.path.parent), state, ENDLESS],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()

    assert workers
    assert eventually(lambda: all(is_gone(pid) for pid in workers))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_sees_nothing_of_its_parent(
    sample: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the environment nor open files of the parent are there, and its session is its own."""
    monkeypatch.setenv("ASSAY_API_KEY", "hidden")
    with Warehouse.open(sample.path.parent) as warehouse:
        [pid] = pids(warehouse._pool)
        here = Path(f"/proc/{pid}")
        try:
            environment = (here / "environ").read_bytes()
            files = [str(entry.readlink()) for entry in (here / "fd").iterdir()]
        except PermissionError:  # not inspectable, unless one is root
            return

        assert b"hidden" not in environment
        assert {str(sample.path)} == {name for name in files if name.startswith(("/home", "/tmp"))}
        assert os.getsid(pid) == pid


def test_limits_that_make_no_sense_are_refused() -> None:
    """No time and no workers are mistakes of the caller."""
    with pytest.raises(ValueError, match="timeout"):
        WorkerLimits(timeout=timedelta(0))
    with pytest.raises(ValueError, match="workers"):
        WorkerLimits(workers=0)
