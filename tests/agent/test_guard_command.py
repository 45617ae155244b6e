"""`assay guard` from the outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
