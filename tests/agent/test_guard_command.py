"""`assay guard` from the outside."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent.cli.guard import _parameters
from sql_guard import GuardPolicy
from tests.agent.homes import Home

POLICY = Path("tests/sql_guard/fixtures/policy.yaml").resolve()


def assay(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "agent", "guard", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )


def batch(*lines: bytes) -> list[dict[str, Any]]:
    done = assay("check", "--policy", str(POLICY), "--jsonl", stdin=b"\n".join(lines))
    assert (0, b"") == (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_batch_is_answered_line_by_line() -> None:
    """One answer a line, in order, with exactly the keys that other programs read."""
    answers = batch(
        b'{"id": "a", "sql": "SELECT desk FROM risk.limits"}',
        b'{"id": 2, "sql": "SELECT employee FROM hr.salaries"}',
    )

    assert {
        "id": "a",
        "verdict": "allow",
        "rule": None,
        "message": None,
        "sql": 'SELECT "desk" FROM "risk"."limits"',
    } == answers[0]
    assert (2, "block", "tables", None) == tuple(
        answers[1][key] for key in ("id", "verdict", "rule", "sql")
    )
    assert answers[1]["message"]


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"",
        b"[1]",
        b'{"id": 1}',
        b'{"sql": "SELECT 1"}',
        b'{"id": 1, "sql": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"id": ' + b"9" * 5_000 + b', "sql": "SELECT 1"}',
    ],
)
def test_a_line_that_is_no_request_is_blocked(line: bytes) -> None:
    """A line that cannot be read is answered by the rule `input`, and the next one is read."""
    answers = batch(line, b'{"id": 9, "sql": "SELECT 1"}')

    assert ["block", "allow"] == [answer["verdict"] for answer in answers]
    assert ("input", None) == (answers[0]["rule"], answers[0]["sql"])


ROLES = """
tables: {main.trades: {desk: VARCHAR, day: DATE, amount: DOUBLE}}
roles: {trader: {tables: {main.trades: {filter: "desk = :desk AND day >= :since"}}}}
"""


@pytest.fixture
def roles(tmp_path: Path) -> tuple[str, ...]:
    file = tmp_path / "roles.yaml"
    file.write_text(ROLES, encoding="utf-8")
    return ("check", "--policy", str(file), "--role", "trader")


def test_a_role_takes_the_values_of_its_filters(roles: tuple[str, ...]) -> None:
    """With all of them the statement is shown with its filter; without one it is refused."""
    given = ("--param", "desk=Rates", "--param", "since=2026-01-01")
    whole = assay(*roles, *given, "SELECT sum(amount) FROM trades")
    lacking = assay(*roles, *given[:2], "SELECT sum(amount) FROM trades")

    assert b'"trades"."desk" = $desk AND "trades"."day" >= $since' in whole.stdout
    assert (0, 5) == (whole.returncode, lacking.returncode)
    assert b"refused by parameters" in lacking.stderr


def test_lines_may_bring_their_own_values(roles: tuple[str, ...]) -> None:
    """What the command line gives holds; the rest may come with each line."""
    sql = "SELECT amount FROM trades WHERE amount > $least"
    asked = [
        {"id": 0, "sql": sql, "parameters": {"since": "2026-01-01", "least": 5}},
        {"id": 1, "sql": sql, "parameters": {"since": "2026-01-01"}},
        {"id": 2, "sql": sql, "parameters": {"least": {"a": 1}}},
        {"id": 3, "sql": "SELECT 1", "parameters": [1]},
        {"id": 4, "sql": "SELECT 1", "parameters": None},
    ]
    stdin = "\n".join(map(json.dumps, asked)).encode()
    done = assay(*roles, "--param", "desk=FX", "--jsonl", stdin=stdin)
    answers = [json.loads(line) for line in done.stdout.splitlines()]

    assert ["allow", "block", "block", "block", "allow"] == [a["verdict"] for a in answers]
    assert ["input", "input"] == [a["rule"] for a in answers[2:4]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Rates", "Rates"),
        ("12", 12),
        ("-1.50", Decimal("-1.50")),
        ("2026-09-30", date(2026, 9, 30)),
        ("2026-13-30", "2026-13-30"),
        ("true", True),
        ("'12'", "12"),
        ("0123", "0123"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_a_value_is_what_it_looks_like(text: str, value: Any) -> None:
    """Numbers, dates and truth values are read as such; quotes keep a text."""
    found = _parameters([f"x={text}"])["x"]

    assert (type(value), value) == (type(found), found)


def test_no_text_ends_a_batch() -> None:
    """Texts that break parsers, and half characters, are refused like any other."""
    texts = ["\ud800", "\x00", "(" * 19_000, "SELECT " * 2_000, "'", "{#", "\U0001f600" * 500]
    answers = batch(*(json.dumps({"id": n, "sql": t}).encode() for n, t in enumerate(texts)))

    assert [(n, "block") for n in range(len(texts))] == [(a["id"], a["verdict"]) for a in answers]


def test_a_refusal_points_at_the_place() -> None:
    """Like a compiler: rule, sentence, line, the place underlined, a hint, exit code 5."""
    done = assay("check", "--policy", str(POLICY), "SELECT name,\n  lei FROM risk.counterparties")

    assert 5 == done.returncode
    assert [
        "refused by denied_columns: A column is read that must not be read.",
        "    2 |   lei FROM risk.counterparties",
        "      |   ^^^",
    ] == done.stderr.decode().splitlines()[:3]


def test_an_allowed_statement_is_printed_as_it_would_run() -> None:
    """The canonical text goes to stdout, and with --json the whole verdict."""
    text = assay("check", "--policy", str(POLICY), "select desk from risk.limits -- x")
    told = assay("check", "--policy", str(POLICY), "--json", "select desk from risk.limits")

    assert b'SELECT "desk" FROM "risk"."limits"\n' == text.stdout
    assert ["risk.limits"] == json.loads(told.stdout)["tables"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("check",), "either one statement or --jsonl"),
        (("check", "--jsonl", "SELECT 1"), "either one statement or --jsonl"),
        (("check", "--policy", "nowhere.yaml", "SELECT 1"), "A410"),
        (("check", "--policy", "Makefile", "SELECT 1"), "A410"),
        (("check", "--policy", str(POLICY), "--role", "nobody", "SELECT 1"), "A406"),
        (("check", "--param", "desk", "SELECT 1"), "NAME=VALUE"),
        (("check", "--param", "a=1", "--param", "a=2", "SELECT 1"), "twice"),
    ],
)
def test_wrong_use_is_told(arguments: tuple[str, ...], expected: str) -> None:
    """Exit code 2 and a sentence, never a traceback."""
    done = assay(*arguments)

    assert 2 == done.returncode
    assert expected in done.stderr.decode()


def test_the_policy_of_the_warehouse_is_a_policy_file(shared: Home, tmp_path: Path) -> None:
    """`assay guard policy` prints what `--policy` takes; confidential columns can be denied."""
    plain = GuardPolicy.load(shared.run("guard", "policy").stdout)
    strict = shared.run("guard", "policy", "--deny-confidential")
    file = tmp_path / "policy.yaml"
    file.write_text(strict.stdout, encoding="utf-8")
    table, _, column = GuardPolicy.load(strict.stdout).deny[0].rpartition(".")
    sql = f"SELECT {column} FROM {table}"

    assert plain.tables
    assert not plain.deny
    assert 0 == shared.run("guard", "check", sql).returncode
    assert 5 == shared.run("guard", "check", "--policy", str(file), sql).returncode


@pytest.mark.parametrize(
    ("sql", "shown", "mark"),
    [
        ("SELECT\n\tdesk,\n\t wrong\nFROM risk.limits", "    3 |   wrong", "      |   ^^^^^"),
        ("SELECT '名前', wrong FROM risk.limits", "wrong FROM", "      | " + " " * 15 + "^^^^^"),
        (f"SELECT {'1, ' * 100}wrong FROM risk.limits", "…", "      | " + " " * 41 + "^^^^^"),
        ("SELECT desk FROM risk.limits GROUP desk", "GROUP desk", "      | " + " " * 35 + "^^^^"),
    ],
)
def test_the_place_of_a_refusal_is_underlined(sql: str, shown: str, mark: str) -> None:
    """The mark stands below the word, after tabs and wide letters and in long lines."""
    lines = assay("check", "--policy", str(POLICY), sql).stderr.decode().splitlines()

    assert mark in lines
    assert shown in lines[lines.index(mark) - 1]


@pytest.fixture
def desk_role(shared: Home, tmp_path: Path) -> dict[str, str]:
    """Settings for a person who sees one desk."""
    policy = GuardPolicy.load(shared.run("guard", "policy").stdout)
    seen = {"main.syn_positions": {"filter": "desk = :desk"}}
    file = tmp_path / "policy.yaml"
    roles = {"roles": {"trader": {"tables": seen}}}
    file.write_text(policy.model_copy(update=roles).to_yaml(), encoding="utf-8")
    return {
        "ASSAY_POLICY": str(file),
        "ASSAY_ROLE": "trader",
        "ASSAY_ROLE_PARAMETERS": '{"desk": "EM FX"}',
    }


def test_questions_are_answered_within_the_role(shared: Home, desk_role: dict[str, str]) -> None:
    """The role of the settings holds at every door, its values included."""
    question = "net exposure by desk"
    everything = shared.json("ask", question)["rows"]
    own = shared.json("ask", question, **desk_role)["rows"]
    checked = shared.run("guard", "check", "SELECT desk FROM syn_positions", **desk_role)

    assert len(everything) > 1
    assert [row for row in everything if row["desk"] == "EM FX"] == own
    assert "= $desk" in checked.stdout
    assert 5 == shared.run("guard", "check", "SELECT 1 FROM syn_loans", **desk_role).returncode


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ASSAY_ROLE": "nobody"}, "it names trader"),
        ({"ASSAY_POLICY": ""}, "without the policy"),
        ({"ASSAY_POLICY": "/nowhere"}, "cannot be read"),
        ({"ASSAY_ROLE_PARAMETERS": "desk=x"}, "role_parameters"),
        ({"ASSAY_ROLE_PARAMETERS": "{}"}, "A row filter"),
    ],
)
def test_a_role_that_is_set_wrong_answers_nothing(
    shared: Home, desk_role: dict[str, str], change: dict[str, str], expected: str
) -> None:
    """A sentence, and no row: a mistake in the settings does not open the whole warehouse."""
    done = shared.run("ask", "net exposure by desk", **(desk_role | change))

    assert (True, "") == (done.returncode in (1, 2, 5), done.stdout)
    assert expected in done.stderr
