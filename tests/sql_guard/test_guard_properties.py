"""Whatever the text: the guard answers, and what it allows reads only what is listed."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sql_guard import Guard

CASES = [
    json.loads(line)["sql"]
    for path in sorted((Path(__file__).parent / "fixtures" / "cases").glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
TEXTS = [sql for sql in CASES if len(sql) < 600]
PIECES = [
    *sorted({word for sql in TEXTS for word in sql.split()}),
    *("\u200b", "\ufeff", "{#", "#}", "/*", "*/", "--", "\n", ";", "'", '"', "(", ")", "lei"),
    *("hr.salaries", "SHOW TABLES", "*", "c", "COLUMNS(*)", "#6", "$x$"),
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A text of the fixtures with words swapped, dropped or put in, or two of them joined."""
    words = draw(st.sampled_from(TEXTS)).split(" ")
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(words)))
        match draw(st.sampled_from(["insert", "drop", "replace", "join"])):
            case "insert":
                words.insert(index, draw(st.sampled_from(PIECES)))
            case "drop":
                del words[index : index + 1]
            case "replace":
                words[index : index + 1] = [draw(st.sampled_from(PIECES))]
            case _:
                words += draw(st.sampled_from(TEXTS)).split(" ")
    return " ".join(words)


@given(st.one_of(mutated(), st.text(max_size=80)))
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
def test_what_is_allowed_reads_only_what_is_listed(
    guard: Guard, database, listed_only, sql: str
) -> None:
    """No text makes the guard fail, and an allowed one needs nothing that is not listed."""
    verdict = guard.check(sql)
    if not verdict.allowed:
        assert verdict.violations
        return
    assert verdict.sql is not None
    try:
        database.rows(f"EXPLAIN {verdict.sql}")
    except duckdb.Error:
        return

    listed_only.rows(f"EXPLAIN {verdict.sql}")
