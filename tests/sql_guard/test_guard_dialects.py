"""The same rules before other warehouses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sql_guard import Guard, GuardPolicy

FIXTURES = Path(__file__).parent / "fixtures"
CASES = [
    json.loads(line)
    for line in (FIXTURES / "dialects.jsonl").read_text(encoding="utf-8").splitlines()
]


def guard_for(policy: GuardPolicy, dialect: str) -> Guard:
    return Guard(policy.model_copy(update={"dialect": dialect}))


@pytest.mark.parametrize("dialect", ["postgres", "snowflake", "trino"])
def test_cases_of_a_dialect_get_their_verdicts(policy: GuardPolicy, dialect: str) -> None:
    """Analytic SQL of the dialect passes, its attacks do not."""
    guard = guard_for(policy, dialect)
    wrong = [
        case["sql"]
        for case in CASES
        if case["dialect"] == dialect
        and guard.check(case["sql"]).allowed != (case["verdict"] == "allow")
    ]

    assert [] == wrong


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("duckdb", 'SELECT "Desk" FROM "risk"."Limits"'),
        ("trino", 'SELECT "Desk" FROM "risk"."Limits"'),
        ("postgres", 'SELECT "desk" FROM "risk"."limits"'),
        ("snowflake", 'SELECT "DESK" FROM "RISK"."LIMITS"'),
    ],
)
def test_quoting_keeps_what_an_unquoted_name_means(
    policy: GuardPolicy, dialect: str, expected: str
) -> None:
    """The canonical text quotes each name in the case that the engine gives it."""
    assert expected == guard_for(policy, dialect).check("SELECT Desk FROM risk.Limits").sql


def test_a_row_filter_is_written_in_the_dialect(policy: GuardPolicy) -> None:
    """Filters, names and placeholders follow the engine's own spelling."""
    source = {
        **policy.model_dump(),
        "dialect": "snowflake",
        "filters": {"risk.limits": "desk = :d"},
    }
    sql = (
        Guard(GuardPolicy.load(source))
        .check("SELECT metric FROM risk.limits", parameters={"d": 1})
        .sql
    )

    assert sql is not None
    assert 'WHERE ("LIMITS"."DESK" = :d)' in sql
