"""The engine: reads one snapshot, and refuses everything else."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from services.errors import (
    AssayError,
    QueryInvalid,
    QueryRefused,
    QueryTimedOut,
    QueryTooLarge,
    SnapshotGone,
    WarehouseBusy,
    WarehouseUnreadable,
)
from services.warehouse import Snapshot, Warehouse, policy_tables


def test_importing_the_package_is_cheap() -> None:
    """Neither DuckDB nor NumPy is imported before it is used."""
    program = (
        "import sys, services.warehouse; print({'duckdb', 'numpy', 'yaml'} & set(sys.modules))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        check=True,
        capture_output=True,
        text=True,
    )

    assert printed.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x (a INTEGER)",
        "CREATE TEMP MACRO sum(x) AS 42",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE syn_loans",
        "",
        "-- nothing",
        "SET threads = 4",
        "SET VARIABLE stash = 1",
        "USE system",
        "ATTACH ':memory:' AS other",
        "PRAGMA version",
        "EXPLAIN SELECT 1",
        "BEGIN",
        "PREPARE p AS SELECT 1",
        "COPY (SELECT 1) TO 'out.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
    ],
)
def test_the_engine_refuses_what_is_no_query_of_the_warehouse(
    warehouse: Warehouse, sql: str
) -> None:
    """Without any guard, statements other than one query and readers of files are refused."""
    with pytest.raises(QueryRefused):
        warehouse.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH gone AS (DELETE FROM syn_loans) SELECT 1",
        "WITH out AS (COPY (SELECT 1) TO 'out.csv') SELECT 1",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM enable_logging(level = 'debug', storage = 'file', storage_path = 'd')",
    ],
)
def test_the_engine_survives_what_hides_in_a_query(warehouse: Warehouse, sql: str) -> None:
    """A write inside a SELECT fails, leaves no file, and the next query answers."""
    before = set(Path().iterdir())
    with pytest.raises((QueryInvalid, QueryRefused)):
        warehouse.execute(sql)

    assert ((60,),) == warehouse.execute("SELECT count(*) FROM syn_counterparties").table.data
    assert before == set(Path().iterdir())


def test_the_own_file_cannot_be_overwritten_or_read(own_sample: Snapshot) -> None:
    """Not even the open file is within reach of a query."""
    content = own_sample.path.read_bytes()
    with Warehouse.open(own_sample.path.parent) as warehouse:
        for sql in (
            f"SELECT * FROM read_blob('{own_sample.path}')",
            f"WITH w AS (COPY (SELECT 1) TO '{own_sample.path}' (FORMAT csv, USE_TMP_FILE false)) SELECT 1",
        ):
            with pytest.raises(AssayError):
                warehouse.execute(sql)

    assert content == own_sample.path.read_bytes()


@pytest.mark.parametrize(
    "sql", ["SELEC", "SELECT * FROM nowhere", "SELECT 'x'::INTEGER", "SELECT nothing(1)", "SELECT $1"]
)  # fmt: skip
def test_a_query_the_engine_cannot_run_is_invalid(warehouse: Warehouse, sql: str) -> None:
    """The engine's own words stay on the cause, out of the message."""
    with pytest.raises(QueryInvalid) as caught:
        warehouse.execute(sql)

    assert str(caught.value) == "The warehouse engine does not accept this query."
    assert isinstance(caught.value.__cause__, duckdb.Error)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM fx_rates AS a, fx_rates AS b WHERE a.rate_per_eur < b.rate_per_eur",
        "SELECT sleep_ms(20000)",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    ],
)
def test_a_long_query_is_interrupted(sample: Snapshot, sql: str) -> None:
    """A query that outruns its limit ends soon after it, and the next one answers."""
    with Warehouse.open(sample.path.parent, timeout=timedelta(milliseconds=200)) as warehouse:
        started = time.monotonic()
        with pytest.raises(QueryTimedOut):
            warehouse.execute(sql)

        assert time.monotonic() - started < 12
        assert ((1,),) == warehouse.execute("SELECT 1").table.data


def test_ctrl_c_during_a_query_is_a_keyboard_interrupt(warehouse: Warehouse) -> None:
    """The user's interrupt comes through, and the next query answers."""
    # Whoever started the tests may ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        warehouse.execute(
            "SELECT count(*) FROM fx_rates AS a, fx_rates AS b WHERE a.rate_per_eur < b.rate_per_eur"
        )

    timer.join()
    assert ((1,),) == warehouse.execute("SELECT 1").table.data


def test_a_query_that_outgrows_its_memory_ends(warehouse: Warehouse) -> None:
    """Nothing is spilled to disk: the query is too large."""
    with pytest.raises(QueryTooLarge):
        warehouse.execute("SELECT list(range) FROM range(200000000)")


def test_the_row_cap_cuts_and_says_so(sample: Snapshot) -> None:
    """A result is complete exactly when no row was cut."""
    with Warehouse.open(sample.path.parent, max_rows=5) as warehouse:
        cut = warehouse.execute("SELECT * FROM syn_desks, syn_entity, range(2)")
        whole = warehouse.execute("SELECT * FROM syn_desks")

    assert [(5, False), (5, True)] == [(len(r.table), r.complete) for r in (cut, whole)]


def test_parameters_are_bound(warehouse: Warehouse) -> None:
    """Values travel beside the statement, by name or by place."""
    named = warehouse.execute("SELECT $a || 'x' AS v", {"a": "'; DROP"})
    placed = warehouse.execute("SELECT ? + ? AS v", [1, 2])

    assert [("'; DROPx",), (3,)] == [named.table.values("v"), placed.table.values("v")]


def test_the_same_query_gives_the_same_digest(sample: Snapshot) -> None:
    """Sums of doubles do not depend on the run, or on what runs beside it."""
    sql = "SELECT education, sum(credit_limit::DOUBLE * 0.1) AS s FROM card_accounts GROUP BY 1 ORDER BY 1"
    with Warehouse.open(sample.path.parent) as warehouse, ThreadPoolExecutor(6) as pool:
        digests = set(pool.map(lambda _: warehouse.execute(sql).table.digest, range(24)))

    assert len(digests) == 1


def test_times_do_not_depend_on_where_the_machine_stands(warehouse: Warehouse) -> None:
    """The engine's time zone is UTC."""
    sql = "SELECT (TIMESTAMPTZ '2026-09-30 01:00:00+02')::VARCHAR AS moment"

    assert ("2026-09-29 23:00:00+00",) == warehouse.execute(sql).table.values("moment")


def test_two_warehouses_of_one_file_live_apart(sample: Snapshot) -> None:
    """Closing one leaves the other open; closing twice is harmless; a closed one says so."""
    directory = sample.path.parent
    first, second = Warehouse.open(directory), Warehouse.open(directory, max_rows=1)
    first.close()
    first.close()

    with second:
        assert len(second.execute("SELECT * FROM syn_desks").table) == 1
        with pytest.raises(WarehouseBusy):
            first.execute("SELECT 1")


def test_opening_at_once_from_many_threads_works(sample: Snapshot) -> None:
    """The shared engine is locked down once, whoever comes first."""
    together = threading.Barrier(6)

    def count(_: int) -> int:
        together.wait()
        with Warehouse.open(sample.path.parent) as warehouse:
            with pytest.raises(QueryRefused):
                warehouse.execute("SELECT * FROM read_text('/etc/passwd')")
            return len(warehouse.execute("SELECT * FROM syn_desks").table)

    with ThreadPoolExecutor(6) as pool:
        assert [5] * 6 == list(pool.map(count, range(6)))


@pytest.mark.parametrize("content", [b"", b"no database " * 1_000, b"\x00" * 20_000])
def test_a_file_that_is_no_database_is_unreadable(own_sample: Snapshot, content: bytes) -> None:
    """The error names the file and says how to get a good one."""
    own_sample.path.write_bytes(content)
    with pytest.raises(WarehouseUnreadable) as caught:
        Warehouse.open(own_sample.path.parent)

    assert own_sample.path.name in str(caught.value)
    assert "assay warehouse build" in caught.value.hint


def test_a_truncated_file_is_unreadable(own_sample: Snapshot) -> None:
    """Half a warehouse does not open."""
    content = own_sample.path.read_bytes()
    own_sample.path.write_bytes(content[: len(content) // 2])
    with pytest.raises(WarehouseUnreadable):
        Warehouse.open(own_sample.path.parent)


def test_a_damaged_block_is_found_when_it_is_read(own_sample: Snapshot) -> None:
    """Wrong bytes inside the file never become rows."""
    content = bytearray(own_sample.path.read_bytes())
    for index in range(len(content) // 4, len(content)):
        content[index] ^= 0x5A
    own_sample.path.write_bytes(bytes(content))

    def read_everything() -> None:
        with Warehouse.open(own_sample.path.parent) as warehouse:
            for table in warehouse.catalog().tables:
                warehouse.execute(f"SELECT max(COLUMNS(*)) FROM {table.name}")

    with pytest.raises(WarehouseUnreadable):
        read_everything()


def test_a_foreign_database_is_unreadable(own_sample: Snapshot) -> None:
    """A DuckDB file that we did not make is no warehouse, whatever its name."""
    own_sample.path.unlink()
    duckdb.connect(own_sample.path).close()
    with pytest.raises(WarehouseUnreadable):
        Warehouse.open(own_sample.path.parent)


def test_a_file_under_another_name_is_unreadable(own_sample: Snapshot) -> None:
    """A snapshot's file must hold that snapshot."""
    other = "0" * 16
    own_sample.path.rename(own_sample.path.with_name(f"{other}.duckdb"))
    with pytest.raises(WarehouseUnreadable, match="another snapshot"):
        Warehouse.open(own_sample.path.parent, other)


def test_a_file_that_another_process_writes_is_busy(own_sample: Snapshot) -> None:
    """A held file is worth another try, and opens once it is released."""
    program = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(own_sample.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(WarehouseBusy):
            Warehouse.open(own_sample.path.parent)
        holder.communicate(timeout=120)

    Warehouse.open(own_sample.path.parent).close()


def test_a_missing_warehouse_says_how_to_build_one(tmp_path: Path) -> None:
    """An empty or missing folder is unreadable, with the command in the hint."""
    for directory in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(WarehouseUnreadable) as caught:
            Warehouse.open(directory)

        assert "assay warehouse build" in caught.value.hint


@pytest.mark.parametrize("snapshot", ["f" * 64, "f" * 16, "../../etc/passwd", ""])
def test_a_snapshot_that_is_gone_asks(sample: Snapshot, snapshot: str) -> None:
    """A run pinned to a snapshot that is not there needs a person."""
    with pytest.raises(SnapshotGone):
        Warehouse.open(sample.path.parent, snapshot)


def test_a_snapshot_opens_by_its_id_or_the_short_form(sample: Snapshot) -> None:
    """Either form leads to the same snapshot, which knows its whole id."""
    for name in (sample.id, sample.short_id):
        with Warehouse.open(sample.path.parent, name) as warehouse:
            assert sample == warehouse.snapshot


def test_limits_that_make_no_sense_are_refused(sample: Snapshot) -> None:
    """No time and no rows are mistakes of the caller."""
    with pytest.raises(ValueError, match="timeout"):
        Warehouse.open(sample.path.parent, timeout=timedelta(0))
    with pytest.raises(ValueError, match="max_rows"):
        Warehouse.open(sample.path.parent, max_rows=0)


def test_the_policy_lists_tables_and_hides_our_own(warehouse: Warehouse) -> None:
    """Every table of main is there with its types, and no other schema."""
    tables = policy_tables(warehouse.catalog())

    assert {"DATE", "VARCHAR", "DOUBLE"} == set(tables["main.fx_rates"].values())
    assert ["rate_date", "ccy", "rate_per_eur"] == list(tables["main.fx_rates"])
    assert all(name.startswith("main.") for name in tables)
    assert len(tables) == 20
