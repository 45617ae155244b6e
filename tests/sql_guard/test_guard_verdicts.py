"""What a verdict tells, and what it must not tell."""

from __future__ import annotations

import pytest

from sql_guard import Guard, GuardPolicy, Reading


def test_an_allowed_verdict_names_what_is_read(guard: Guard) -> None:
    """Tables, columns and functions are listed, and the text is canonical."""
    verdict = guard.check("select Desk, sum(notional) n from risk.positions group by 1 -- sum")

    assert ("risk.positions",) == verdict.tables
    assert ("risk.positions.desk", "risk.positions.notional") == verdict.columns
    assert ("sum",) == verdict.functions
    assert 'SELECT "Desk", SUM("notional") AS "n" FROM "risk"."positions" GROUP BY 1' == verdict.sql


@pytest.mark.parametrize(
    ("sql", "rule", "line", "column"),
    [
        ("SELECT desk\nFROM hr.salaries", "tables", 2, 9),
        ("SELECT desk, lei\nFROM risk.counterparties", "columns", 1, 8),
        ("SELECT name,\n  lei FROM risk.counterparties", "denied_columns", 2, 3),
        ("SELECT read_text('x')", "functions", 1, 8),
        ("SELECT 1; SELECT 2", "one_statement", 1, 9),
        ("DROP TABLE risk.limits", "only_select", 1, 1),
        ("SELECT count(*) FROM range(100000000)", "max_generated_rows", 1, 22),
        ("SELECT repeat('x', 99999)", "max_string", 1, 8),
        ("SELECT {# x #} 1", "templates", 1, 8),
        ("SELECT 1\u200b", "characters", 1, 9),
        ("SELECT $name", "parameters", None, None),
        ("SELECT 'x'::regclass", "types", 1, 8),
    ],
)
def test_a_refusal_says_which_rule_and_where(
    guard: Guard, sql: str, rule: str, line: int | None, column: int | None
) -> None:
    """The first violation carries its rule and the place of what is at fault."""
    first = guard.check(sql).violations[0]

    assert (rule, line, column) == (first.rule, first.line, first.column)
    assert first.hint


def test_a_refusal_never_repeats_the_statement(guard: Guard) -> None:
    """Messages and hints hold no word that only the statement holds."""
    verdict = guard.check("SELECT zzsecret, yysecret(1) FROM xx.wwsecret WHERE 'vvsecret' = 1")
    told = " ".join(f"{v.message} {v.hint}" for v in verdict.violations)

    assert not verdict.allowed
    assert "secret" not in told


def test_a_misspelt_column_is_answered_with_the_right_one(guard: Guard) -> None:
    """The hint on an unknown column names the closest listed one."""
    hint = guard.check("SELECT notionl FROM risk.positions").violations[0].hint

    assert "Did you mean notional?" == hint


def test_named_parameters_need_values(guard: Guard, database) -> None:
    """`$name` passes with a value, keeps its name, and its value counts for the bounds."""
    sql = "SELECT count(*) FROM risk.limits WHERE desk = $desk"
    verdict = guard.check(sql, parameters={"desk": "FX"})
    many = guard.check("SELECT * FROM range($n)", parameters={"n": 10**12})

    assert verdict.sql is not None
    assert ["(1,)"] == database.rows(verdict.sql, {"desk": "FX"})
    assert not guard.check(sql).allowed
    assert "max_generated_rows" == many.violations[0].rule


def test_a_catalog_is_dropped_from_the_canonical_text(guard: Guard) -> None:
    """A table qualified with the policy's catalog reads the same table; another catalog is refused."""
    verdict = guard.check("SELECT warehouse.risk.limits.desk FROM warehouse.risk.limits")

    assert 'SELECT "risk"."limits"."desk" FROM "risk"."limits"' == verdict.sql
    assert not guard.check("SELECT desk FROM other.risk.limits").allowed


def test_a_star_reads_the_listed_columns_only() -> None:
    """A star over a table with more columns than are listed gives the listed ones."""
    guard = Guard(GuardPolicy(tables={"main.t": {"a": "INTEGER", "b": "INTEGER"}}))

    assert (
        'SELECT * FROM (SELECT "a", "b" FROM "main"."t") AS "t"'
        == guard.check("SELECT * FROM t").sql
    )


def test_an_unlisted_column_cannot_hide_behind_an_alias() -> None:
    """Where a name could be an unlisted column, the table is read through its listed columns."""
    guard = Guard(GuardPolicy(tables={"main.t": {"a": "INTEGER"}}))
    sql = guard.check("SELECT 1 AS secret, secret + a AS b FROM t").sql

    assert sql is not None
    assert 'FROM (SELECT "a" FROM "main"."t") AS "t"' in sql


def test_functions_can_be_added_and_cut() -> None:
    """The policy's lists extend and cut the default, for every spelling of a function."""
    tables = {"main.t": {"a": "INTEGER"}}
    guard = Guard(
        GuardPolicy.load({"tables": tables, "functions": {"allow": ["var99"], "deny": ["LISTAGG"]}})
    )

    assert guard.check("SELECT var99(a) FROM t").allowed
    assert not guard.check("SELECT string_agg(a, ',') FROM t").allowed


def test_a_row_limit_is_added_where_one_is_missing_or_larger(policy: GuardPolicy) -> None:
    """`add_row_limit` bounds the rows and leaves a smaller limit alone."""
    limits = policy.limits.model_copy(update={"add_row_limit": 10})
    guard = Guard(policy.model_copy(update={"limits": limits}))
    texts = ["SELECT desk FROM risk.limits", "SELECT desk FROM risk.limits LIMIT 3"]

    assert ["LIMIT 10", "LIMIT 3"] == [str(guard.check(sql).sql)[-8:].strip() for sql in texts]
    assert "LIMIT 10" in str(guard.check("SELECT desk FROM risk.limits LIMIT 99").sql)


@pytest.mark.parametrize(
    "source",
    [
        {"tables": {"nothing": {"a": "INTEGER"}}},
        {"tables": {"main.t": {"a": "INTEGER"}}, "deny": ["main.u.a"]},
        {"tables": {"main.t": {"a": "INTEGER"}}, "limits": {"max_depth": 0}},
        {"tables": {"main.t": {"a": "INTEGER"}}, "unknown": 1},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(source: dict) -> None:
    """Names that are not whole, and keys and bounds that do not exist, are errors."""
    with pytest.raises(ValueError):
        GuardPolicy.load(source)


def test_a_failing_rule_refuses(policy: GuardPolicy) -> None:
    """Whatever breaks inside a check, the answer is a refusal."""

    def broken(*_texts: str) -> list[Reading]:
        raise ValueError

    verdict = Guard(policy, broken).check("SELECT desk FROM risk.limits")

    assert (False, None) == (verdict.allowed, verdict.sql)


@pytest.mark.parametrize(
    "reading",
    [
        Reading(problem="unreadable"),
        Reading(statements=("select", "drop")),
        Reading(statements=("multi",)),
        Reading(statements=("select",), tables=frozenset({("hr", "salaries")})),
        Reading(statements=("select",), tables=frozenset()),
        Reading(
            statements=("select",),
            tables=frozenset({("risk", "limits")}),
            functions=frozenset({"getenv"}),
        ),
        Reading(
            statements=("select",),
            tables=frozenset({("risk", "limits")}),
            table_functions=frozenset({"read_csv"}),
        ),
    ],
)
def test_a_second_opinion_that_differs_refuses(policy: GuardPolicy, reading: Reading) -> None:
    """Other statements, tables or functions in the eyes of another parser end in a refusal."""
    verdict = Guard(policy, lambda *texts: [reading] * len(texts)).check(
        "SELECT desk FROM risk.limits"
    )

    assert ["second_opinion"] == [violation.rule for violation in verdict.violations]


def test_the_parser_logs_no_statement(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """Texts that the parser half understands do not reach a log."""
    for sql in ("CALL secret()", "WITH x AS (VACUUM secret) SELECT 1", "SELECT 1 AT secret"):
        guard.check(sql)

    assert "" == caplog.text
