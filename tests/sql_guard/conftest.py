"""The guarded warehouse: one with everything in it, and one that holds only what is listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from sql_guard import Guard, GuardPolicy

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def policy() -> GuardPolicy:
    return GuardPolicy.load((FIXTURES / "policy.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def guard(policy: GuardPolicy) -> Guard:
    return Guard(policy)


class Database:
    """A DuckDB with the fixture's tables, named `warehouse`."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:", config={"threads": 1})
        self._connection.execute("ATTACH ':memory:' AS warehouse; USE warehouse")
        self._connection.execute((FIXTURES / "warehouse.sql").read_text(encoding="utf-8"))

    def execute(self, sql: str) -> None:
        self._connection.execute(sql)

    def rows(self, sql: str, parameters: dict[str, Any] | None = None) -> list[str]:
        """The rows of *sql*, in an order of their own, as text."""
        return sorted(map(repr, self._connection.execute(sql, parameters or {}).fetchall()))


@pytest.fixture(scope="session")
def database() -> Database:
    return Database()


@pytest.fixture(scope="session")
def listed_only() -> Database:
    """The same warehouse without the tables and columns that the policy does not list."""
    listed = Database()
    listed.execute("DROP SCHEMA hr CASCADE; DROP TABLE risk.customers_pii")
    listed.execute("ALTER TABLE risk.counterparties DROP COLUMN lei")
    return listed
