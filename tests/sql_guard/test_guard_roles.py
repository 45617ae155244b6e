"""Roles: other columns, other rows, and no way around either."""

from __future__ import annotations

import pytest

from services.warehouse import DuckDBOpinion
from sql_guard import Guard, GuardPolicy

ROLES = {
    "trader": {
        "tables": {
            "risk.positions": {
                "columns": ["position_id", "desk", "notional"],
                "filter": "desk = :desk",
            },
            "risk.limits": {"filter": "desk = :desk"},
            "risk.counterparties": {},
        }
    },
    "blind": {"tables": {"risk.positions": {"columns": ["notional"], "filter": "book = 'AFS'"}}},
}


@pytest.fixture(scope="module")
def roles(policy: GuardPolicy) -> GuardPolicy:
    return GuardPolicy.load({**policy.model_dump(), "roles": ROLES})


@pytest.fixture(scope="module")
def trader(roles: GuardPolicy) -> Guard:
    return Guard(roles.for_role("trader"), DuckDBOpinion())


EVERYWHERE = [
    "SELECT desk FROM risk.positions",
    "SELECT desk FROM risk.positions WHERE desk = 'Rates' OR true",
    "SELECT p.desk FROM risk.limits l JOIN risk.positions p ON true",
    "SELECT desk FROM risk.limits UNION ALL SELECT desk FROM risk.positions",
    "WITH positions AS (SELECT * FROM risk.positions) SELECT desk FROM positions",
    "WITH positions AS (SELECT 'FX' AS desk) SELECT p.desk FROM risk.positions p, positions",
    "SELECT x.desk FROM (SELECT * FROM (SELECT * FROM risk.positions)) x",
    "SELECT unnest((SELECT list(desk) FROM risk.positions))",
    "SELECT (SELECT max(p.desk) FROM risk.positions p WHERE p.desk <> 'FX' OR true)",
    "SELECT desk FROM (risk.positions)",
    "SELECT desk FROM risk.positions TABLESAMPLE 100%",
    "SELECT t.b FROM risk.positions AS t(a, b, c)",
    "SELECT risk.positions.desk FROM risk.positions",
    "SELECT desk FROM (PIVOT risk.positions ON desk IN ('Rates', 'FX') USING sum(notional) GROUP BY desk)",
    "SELECT desk FROM (UNPIVOT risk.limits ON threshold)",
    "SELECT l.desk FROM risk.counterparties, LATERAL (SELECT desk FROM risk.limits) l",
    'SELECT "DESK" FROM "Risk"."Positions"',
    "SELECT desk FROM risk.limits WHERE desk = $desk",
    "SELECT #2 FROM risk.positions",
]


@pytest.mark.parametrize("sql", EVERYWHERE)
def test_a_row_filter_holds_wherever_its_table_is_read(trader: Guard, database, sql: str) -> None:
    """No scope and no spelling reads a row that the filter leaves out."""
    verdict = trader.check(sql, parameters={"desk": "FX"})

    assert (True, ("desk",)) == (verdict.allowed, verdict.parameters)
    assert verdict.sql is not None
    assert {"('FX',)"} == set(database.rows(verdict.sql, {"desk": "FX"}))


def test_a_filter_counts_rows_too(trader: Guard, database) -> None:
    """What no column shows, a count does not show either."""
    verdict = trader.check("SELECT count(*) FROM risk.positions", parameters={"desk": "FX"})

    assert verdict.sql is not None
    assert ["(15,)"] == database.rows(verdict.sql, {"desk": "FX"})


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT book FROM risk.positions", "columns"),
        ("SELECT close FROM risk.prices", "tables"),
        ("SELECT lei FROM risk.counterparties", "denied_columns"),
        ("SELECT market_value AS desk FROM risk.positions", "columns"),
    ],
)
def test_a_role_sees_its_tables_and_columns_only(trader: Guard, sql: str, rule: str) -> None:
    """What a role does not list does not exist for it; what is denied stays denied."""
    assert rule == trader.check(sql, parameters={"desk": "FX"}).violations[0].rule


def test_a_star_gives_the_columns_of_the_role(trader: Guard, database) -> None:
    """A star stands for the role's columns."""
    verdict = trader.check("SELECT * FROM risk.positions LIMIT 1", parameters={"desk": "FX"})

    assert verdict.sql is not None
    assert 3 == len(eval(database.rows(verdict.sql, {"desk": "FX"})[0]))


def test_a_filter_without_its_value_refuses(trader: Guard) -> None:
    """A statement is refused when the value that its filter needs is not given."""
    assert "parameters" == trader.check("SELECT desk FROM risk.limits").violations[0].rule
    assert trader.check("SELECT name FROM risk.counterparties").allowed


def test_a_filter_may_use_a_column_that_the_role_cannot_read(roles, database) -> None:
    """The filter's own columns need not be the role's."""
    guard = Guard(roles.for_role("blind"))
    verdict = guard.check("SELECT count(*) FROM risk.positions")

    assert not guard.check("SELECT book FROM risk.positions").allowed
    assert verdict.sql is not None
    assert database.rows("SELECT count(*) FROM risk.positions WHERE book = 'AFS'") == database.rows(
        verdict.sql
    )


def test_filters_of_the_policy_and_of_the_role_both_hold(policy: GuardPolicy, database) -> None:
    """A role's filter is added to the policy's own; neither can widen the other."""
    source = {
        **policy.model_dump(),
        "filters": {"risk.limits": "metric = 'VaR' -- the policy's"},
        "roles": {"r": {"tables": {"risk.limits": {"filter": "desk = 'FX' OR desk = 'Credit'"}}}},
    }
    guard = Guard(GuardPolicy.load(source).for_role("r"))
    sql = guard.check("SELECT desk FROM risk.limits").sql

    assert sql is not None
    assert ["('FX',)"] == database.rows(sql)


@pytest.mark.parametrize(
    "condition",
    [
        "desk) OR (1 = 1",
        "desk = 'x'; DROP TABLE t",
        "other.desk = 'x'",
        "nothere = 1",
        "desk IN (SELECT 1)",
        "desk = ?",
        "desk AS d",
        "",
    ],
)
def test_a_filter_is_one_condition_over_its_own_table(policy: GuardPolicy, condition: str) -> None:
    """A filter that is anything else makes the policy invalid."""
    source = {**policy.model_dump(), "filters": {"risk.limits": condition}}

    with pytest.raises(ValueError):
        GuardPolicy.load(source)


@pytest.mark.parametrize(
    "role",
    [
        {"tables": {"hr.salaries": {}}},
        {"tables": {"risk.limits": {"columns": ["nothere"]}}},
        {"tables": {"risk.limits": {"filter": "nothere = 1"}}},
    ],
)
def test_a_role_can_only_narrow(policy: GuardPolicy, role: dict) -> None:
    """A role that names what the policy does not list makes the policy invalid."""
    with pytest.raises(ValueError):
        GuardPolicy.load({**policy.model_dump(), "roles": {"r": role}})


def test_a_role_that_is_not_named_is_an_error(roles: GuardPolicy) -> None:
    """Nobody gets the whole policy by asking for a role that is not there."""
    with pytest.raises(KeyError):
        roles.for_role("nobody")


def test_a_policy_survives_its_own_file_format(roles: GuardPolicy) -> None:
    """What `to_yaml` writes, `load` reads as the same policy."""
    assert roles == GuardPolicy.load(roles.to_yaml())


def test_columns_may_have_the_names_of_yaml_booleans() -> None:
    """`on`, `off`, `yes` and `no` are names, and a key that stands twice is an error."""
    policy = GuardPolicy.load("tables: {main.t: {on: INT, no: INT, off: DATE}}")

    assert ["on", "no", "off"] == list(policy.tables["main.t"])
    with pytest.raises(Exception, match="twice"):
        GuardPolicy.load("tables: {main.t: {a: INT, a: DATE}}")


def test_a_changed_copy_keeps_nothing_of_the_old_one(policy: GuardPolicy) -> None:
    """A copy with other tables reads those, whatever was asked of the first before."""
    assert Guard(policy).check("SELECT close FROM risk.prices").allowed
    narrower = policy.model_copy(
        update={"tables": {"risk.limits": policy.tables["risk.limits"]}, "deny": ()}
    )

    assert not Guard(narrower).check("SELECT close FROM risk.prices").allowed
