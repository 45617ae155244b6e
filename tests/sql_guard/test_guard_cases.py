"""Every case in the fixtures gets the verdict it should."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sql_guard import Guard

FIXTURES = Path(__file__).parent / "fixtures"
FILES = sorted((FIXTURES / "cases").glob("*.jsonl"))
USEFUL = [q for q in (FIXTURES / "useful.sql").read_text(encoding="utf-8").split(";\n") if q]
ABOUT_CHANCE = ("SAMPLE", "random()", "LIMIT 10%", "current_", "now()", "POSITIONAL")


def cases(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def allowed_texts() -> Iterator[str]:
    for path in FILES:
        yield from (case["sql"] for case in cases(path) if case["verdict"] == "allow")
    yield from USEFUL


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_class_of_cases_gets_its_verdicts(guard: Guard, path: Path) -> None:
    """Every attack of a class is refused, and every honest query of a class allowed."""
    wrong = [
        case["id"]
        for case in cases(path)
        if guard.check(case["sql"]).allowed != (case["verdict"] == "allow")
    ]

    assert [] == wrong


@pytest.mark.parametrize("sql", list(allowed_texts()))
def test_canonical_text_gives_the_rows_of_the_original(guard: Guard, database, sql: str) -> None:
    """What runs instead of an allowed text gives the same rows."""
    verdict = guard.check(sql)

    assert (True, ()) == (verdict.allowed, verdict.violations)
    assert verdict.sql is not None
    canonical = database.rows(verdict.sql)
    if not any(word in sql for word in ABOUT_CHANCE) and "LIMIT" not in sql:
        assert database.rows(sql) == canonical


@pytest.mark.parametrize("sql", list(allowed_texts()))
def test_canonical_text_needs_only_what_is_listed(
    guard: Guard, database, listed_only, sql: str
) -> None:
    """An allowed text runs on a warehouse from which everything unlisted was removed."""
    canonical = guard.check(sql).sql
    assert canonical is not None
    if any(word in sql for word in ABOUT_CHANCE):
        return

    assert database.rows(canonical) == listed_only.rows(canonical)


@pytest.mark.parametrize("sql", list(allowed_texts()))
def test_canonical_text_is_its_own_canonical_text(guard: Guard, sql: str) -> None:
    """Checking the canonical text again allows it and changes no table that it reads."""
    first = guard.check(sql)
    assert first.sql is not None
    again = guard.check(first.sql)

    assert (True, first.tables) == (again.allowed, again.tables)
