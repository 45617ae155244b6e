"""Says whether an accepted text reads more than it may, or gives other rows than it should."""

from __future__ import annotations

import math
import re
import threading
import time
from pathlib import Path
from typing import Any

import duckdb

from services.warehouse import DuckDBOpinion
from sql_guard import GuardPolicy, Verdict

FIXTURES = Path(__file__).parent.parent / "fixtures"
_SECRET = re.compile("SALSECRET|SSNSECRET|LEI_SECRET|CREATE TABLE|memory_limit")
# Rows that hang on chance or on the order in which an engine happens to look at them.
_CHANCE = re.compile(
    r"sample|limit|random|uuid|now\(|current_|today|localtime|ago\(|first|last|any_value|arbitrary"
    r"|\blist\b|array_agg|string_agg|group_concat|listagg|group_array|group_object|row_number|mode\(|arg_m|max_by|min_by"
    r"|ntile|lag|lead|nth_value|fill\(|rank|positional|offset|histogram|approx|distinct on|product|typeof|alias|over \(\)|fetch",
    re.IGNORECASE,
)
_SECONDS = 2.0
_SLOW_SECONDS = 10.0
# A message that quotes half a character cannot be decoded, and is an error all the same.
_FAILURES = (duckdb.Error, UnicodeDecodeError)


class Oracle:
    """The warehouse with everything in it, and one with only what is listed."""

    def __init__(self, policy: GuardPolicy) -> None:
        self._everything = _warehouse()
        self._listed = _warehouse()
        self._listed.execute("DROP SCHEMA hr CASCADE; DROP TABLE risk.customers_pii")
        self._listed.execute("ALTER TABLE risk.counterparties DROP COLUMN lei")
        self._opinion = DuckDBOpinion()
        self._tables = {tuple(name.split(".")) for name in policy.tables}

    def finding(self, sql: str, verdict: Verdict) -> str | None:
        """What is wrong with having accepted *sql*, if anything."""
        assert verdict.sql is not None
        original, canonical = self._opinion(sql, verdict.sql)
        for which, reading in (("original", original), ("canonical", canonical)):
            if reading.problem == "not a query":
                return f"escape: the {which} text is not a query"
            foreign = {path for path in reading.tables or () if path[-2:] not in self._tables}
            if foreign:
                return f"escape: the {which} text reads {sorted(foreign)}"
        try:
            self._everything.execute(f"EXPLAIN {verdict.sql}")
        except _FAILURES:
            return self._only_canonical_fails(sql)
        try:
            self._listed.execute(f"EXPLAIN {verdict.sql}")
        except _FAILURES as error:
            return f"escape: it does not bind without what is hidden: {str(error)[:120]}"
        return self._rows_differ(sql, verdict.sql)

    def _only_canonical_fails(self, sql: str) -> str | None:
        try:
            self._listed.execute(f"EXPLAIN {sql}")
        except _FAILURES:
            return None
        return "useless: only the canonical text fails"

    def _rows_differ(self, sql: str, canonical: str) -> str | None:
        started = time.thread_time()
        made = self._rows(self._everything, canonical)
        if made is None:
            used = time.thread_time() - started
            return self._runs_on(canonical) if used > _SECONDS / 4 else None
        if not _SECRET.search(sql) and any(_SECRET.search(row) for row in made):
            return "escape: hidden data in the rows"
        if made != self._rows(self._listed, canonical) and not _CHANCE.search(canonical):
            return "escape: the rows hang on hidden data"
        if _CHANCE.search(canonical):
            return None
        # Of what is not listed the original would show more: there it is as if it did not exist.
        original = self._rows(self._listed, sql)
        return None if original in (None, made) else "rows: the canonical text gives others"

    def _runs_on(self, canonical: str) -> str | None:
        """What is wrong with a text that took long: a million rows may, but not for ever."""
        started = time.thread_time()
        made = self._rows(self._everything, canonical, _SLOW_SECONDS)
        endless = made is None and time.thread_time() - started > _SLOW_SECONDS / 4
        return "slow: it runs on and on" if endless else None

    @staticmethod
    def _rows(
        connection: duckdb.DuckDBPyConnection, sql: str, seconds: float = _SECONDS
    ) -> list[str] | None:
        timer = threading.Timer(seconds, connection.interrupt)
        timer.start()
        try:
            rows = connection.execute(sql).fetchmany(5_000)
        except (*_FAILURES, RuntimeError, OverflowError, ValueError):
            return None
        finally:
            timer.cancel()
        return sorted(repr(_rounded(row)) for row in rows)


def _rounded(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.9g}")
    if isinstance(value, tuple | list):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        # A field without a name of its own is called by its expression, whose text may change.
        return [_rounded(item) for item in value.values()]
    return value


def _warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "1GB"})
    connection.execute("ATTACH ':memory:' AS warehouse; USE warehouse")
    connection.execute((FIXTURES / "warehouse.sql").read_text(encoding="utf-8"))
    connection.execute(
        "SET enable_external_access = false; SET autoinstall_known_extensions = false"
    )
    return connection
