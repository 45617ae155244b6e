"""Row filters: a statement gives what it would give where the other rows do not exist."""

from __future__ import annotations

import pytest

from services.warehouse import DuckDBOpinion
from sql_guard import Guard, GuardPolicy
from tests.sql_guard.conftest import FIXTURES, Database

FILTERS = {
    "risk.positions": "desk = :desk",
    "risk.limits": "desk = :desk AND threshold IS NOT NULL",
    "risk.counterparties": "country <> :country",
}
VALUES = {"desk": "FX", "country": "DE"}
ODD_ROWS = (
    "INSERT INTO risk.positions (position_id, desk, book, notional) "
    "VALUES (9991, NULL, 'X', 7), (9992, 'FX', NULL, NULL), (9993, 'fx', 'FX', 1)"
)
STATEMENTS = (FIXTURES / "row_filters.sql").read_text(encoding="utf-8").splitlines()[1:]


@pytest.fixture(scope="module")
def filtered(policy: GuardPolicy) -> Guard:
    tables = {name: {"filter": condition} for name, condition in FILTERS.items()}
    roles = {"trader": {"tables": tables}}
    return Guard(
        GuardPolicy.load({**policy.model_dump(), "roles": roles}).for_role("trader"),
        DuckDBOpinion(),
    )


@pytest.fixture(scope="module")
def whole() -> Database:
    """All rows, with some that have gaps where a filter looks."""
    database = Database()
    database.execute(ODD_ROWS)
    return database


@pytest.fixture(scope="module")
def reduced() -> Database:
    """Only the rows that the filters keep."""
    database = Database()
    database.execute(ODD_ROWS)
    for table, condition in FILTERS.items():
        kept = condition.replace(":desk", "'FX'").replace(":country", "'DE'")
        database.execute(f"DELETE FROM {table} WHERE ({kept}) IS NOT TRUE")
    return database


@pytest.mark.parametrize("sql", STATEMENTS)
def test_the_other_rows_might_as_well_not_exist(
    filtered: Guard, whole: Database, reduced: Database, sql: str
) -> None:
    """Filtered on all rows equals unfiltered on the rows that are left, in every clause."""
    verdict = filtered.check(sql, parameters=VALUES)

    assert verdict.sql is not None, verdict.violations
    named = {name: value for name, value in VALUES.items() if f"${name}" in sql}
    assert reduced.rows(sql, named) == whole.rows(
        verdict.sql, {name: VALUES[name] for name in verdict.parameters}
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT desk FROM risk.positions USING SAMPLE 5 ROWS",
        "SELECT desk FROM risk.positions TABLESAMPLE reservoir(5 ROWS)",
        "SELECT desk FROM (SELECT * FROM risk.positions USING SAMPLE 5 ROWS)",
    ],
)
def test_a_sample_is_drawn_of_the_filtered_rows(filtered: Guard, whole: Database, sql: str) -> None:
    """It has its full number of rows: none is spent on rows that the filter leaves out."""
    verdict = filtered.check(sql, parameters=VALUES)

    assert verdict.sql is not None
    assert ["('FX',)"] * 5 == whole.rows(verdict.sql, {"desk": "FX"})


@pytest.mark.parametrize(
    "sql",
    [
        "SUMMARIZE risk.positions",
        "SELECT * FROM (SUMMARIZE risk.positions)",
        "SELECT max FROM (SUMMARIZE risk.limits)",
        "SELECT rowid FROM risk.positions",
        "SELECT * FROM query_table('risk.positions')",
        "SELECT * FROM histogram_values(risk.positions, desk)",
    ],
)
def test_what_cannot_be_filtered_is_refused(filtered: Guard, sql: str) -> None:
    """A reading that no condition can be put into does not run."""
    assert not filtered.check(sql, parameters=VALUES).allowed
