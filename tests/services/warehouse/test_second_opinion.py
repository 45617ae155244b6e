"""How DuckDB's own parser reads a text, for the guard."""

from __future__ import annotations

import pytest

from services.warehouse._second_opinion import DuckDBOpinion
from sql_guard import Guard, GuardPolicy

OPINION = DuckDBOpinion()
POLICY = GuardPolicy(
    catalog="bank", tables={"risk.limits": {"desk": "VARCHAR", "threshold": "DOUBLE"}}
)


def test_tables_functions_and_kinds_are_named() -> None:
    """A reading names base tables, functions and functions in FROM, without operators."""
    [reading] = OPINION("SELECT sum(a) + 1 FROM Bank.risk.limits, range(3) WHERE EXISTS (FROM u)")

    assert ("select",) == reading.statements
    assert {("bank", "risk", "limits"), ("u",)} == reading.tables
    assert {"sum", "range"} == reading.functions
    assert {"range"} == reading.table_functions


def test_names_of_ctes_are_no_tables_where_they_are_in_sight() -> None:
    """A CTE hides a table only after it was defined, and not in its own body."""
    [reading] = OPINION("WITH a AS (FROM a), b AS (FROM a) FROM b, (WITH c AS (FROM b) FROM c), c")

    assert {("a",), ("c",)} == reading.tables


def test_ctes_inside_a_recursive_one_are_read_too() -> None:
    """What a recursive CTE defines for its two arms is looked into, and is no table in them."""
    [reading] = OPINION(
        "WITH RECURSIVE n AS (WITH a AS (FROM t) SELECT x FROM a UNION SELECT x FROM n, a) FROM n"
    )

    assert {("t",)} == reading.tables


@pytest.mark.parametrize(
    "sql",
    [
        "SELEC",
        "WITH x AS (DELETE FROM t RETURNING *) FROM x",
        "FROM (SHOW TABLES)",
        "SELECT 1; SELECT",
    ],
)
def test_what_is_no_query_is_a_problem(sql: str) -> None:
    """Text that DuckDB cannot parse, and a statement that changes or shows things, has a problem."""
    [reading] = OPINION(sql)

    assert reading.problem is not None


def test_statements_that_have_no_tree_are_named_by_kind() -> None:
    """For what DuckDB does not serialise there are at least the kinds of its statements."""
    drop, pivot = OPINION("SELECT 1; DROP TABLE t", "PIVOT t ON a USING sum(b)")

    assert (("select", "drop"), None) == (drop.statements, drop.tables)
    assert ("multi",) == pivot.statements


def test_the_guard_and_the_engine_agree_on_honest_queries() -> None:
    """Queries of many forms pass both parsers."""
    guard = Guard(POLICY, OPINION)
    texts = [
        "SELECT desk, sum(threshold) FROM bank.risk.limits GROUP BY ALL",
        "PIVOT risk.limits ON desk USING sum(threshold)",
        "SELECT threshold.round(1)::DECIMAL(9, 2) FROM risk.limits WHERE desk SIMILAR TO 'F.*'",
        "WITH limits AS (FROM risk.limits) SELECT count(*), list(desk)[1] FROM limits, range(3)",
        "SELECT extract(year FROM DATE '2026-01-01' + INTERVAL 1 MONTH), [x + 1 for x in [1, 2]]",
    ]

    assert [True] * len(texts) == [guard.check(sql).allowed for sql in texts]


def test_the_engine_refuses_what_only_the_other_parser_can_read() -> None:
    """Syntax of other dialects is refused, although the tree of it would be harmless."""
    guard = Guard(POLICY, OPINION)
    verdict = guard.check("SELECT desk FROM risk.limits LIMIT 5, 10")

    assert ["second_opinion"] == [violation.rule for violation in verdict.violations]
