"""
What the sandbox costs: the same queries in a worker process and in bare DuckDB, in one run.

Bare is a fresh cursor on the same file with the same limits, rows fetched into Python, nothing else.
The sandbox's figure ends with an evidence table: typed columns, checked for what a report may cite.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from services.warehouse import Snapshot, Warehouse, build_sample

QUERIES = {
    "one value": "SELECT count(*) AS n FROM syn_counterparties",
    "an aggregate of 5 rows": (
        "SELECT segment, sum(balance) AS balance FROM syn_loans WHERE as_of = DATE '2026-09-30' "
        "GROUP BY ALL ORDER BY ALL"
    ),
    "25,000 rows: date, text, double": (
        "SELECT DATE '2000-01-01' + (range // 5)::INTEGER AS day, 'P' || (range % 997) AS name, "
        "range * 0.1::DOUBLE AS value FROM range(25000)"
    ),
    "25,000 rows: date, text, decimal": (
        "SELECT DATE '2000-01-01' + (range // 5)::INTEGER AS day, 'P' || (range % 997) AS name, "
        "(range * 0.01)::DECIMAL(18, 2) AS value FROM range(25000)"
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="assay bench ") as folder:
        snapshot = build_sample(Path(folder))
        began = time.perf_counter()
        with Warehouse.open(Path(folder)) as warehouse, bare(snapshot) as connection:
            print(f"opened in {(time.perf_counter() - began) * 1e3:.0f} ms")
            print(f"fences: {', '.join(warehouse.fences)}\n")
            compare(warehouse, connection, runs)


def bare(snapshot: Snapshot) -> duckdb.DuckDBPyConnection:
    """DuckDB in this process, as one would open the file without a sandbox."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": "512MB",
        "threads": 1,
    }
    return duckdb.connect(snapshot.path, read_only=True, config=config)


def compare(warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, runs: int) -> None:
    def fetched(sql: str) -> object:
        with connection.cursor() as cursor:
            return cursor.execute(sql).fetchall()

    print(
        f"{runs} runs each{'':<21}{'bare ms':>9}{'sandbox ms':>12}{'more ms':>9}{'ratio':>7}",
        end="",
    )
    print(f"{'p99 bare':>10}{'p99 sandbox':>13}")
    for name, sql in QUERIES.items():
        mine, theirs = alternating(
            lambda s=sql: warehouse.execute(s), lambda s=sql: fetched(s), runs
        )
        ours, bare_ms = statistics.median(mine), statistics.median(theirs)
        print(
            f"{name:<33}{bare_ms:>9.2f}{ours:>12.2f}{ours - bare_ms:>9.2f}{ours / bare_ms:>7.2f}"
            f"{slowest(theirs):>10.2f}{slowest(mine):>13.2f}"
        )


def alternating(
    first: Callable[[], object], second: Callable[[], object], runs: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of each, taken in turn so that both see the same machine."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs + 3):
        for call, spent in zip((first, second), times, strict=True):
            began = time.perf_counter()
            call()
            spent.append((time.perf_counter() - began) * 1e3)
    return times[0][3:], times[1][3:]


def slowest(times: list[float]) -> float:
    """The time that one run in a hundred passes."""
    return statistics.quantiles(times, n=100)[-1]


if __name__ == "__main__":
    main()
