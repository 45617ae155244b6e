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


ALLOWED = list(allowed_texts())
# A test of its own for each text would take longer than the checks themselves.
LOTS = [ALLOWED[start : start + 50] for start in range(0, len(ALLOWED), 50)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_class_of_cases_gets_its_verdicts(guard: Guard, path: Path) -> None:
    """Every attack of a class is refused, and every honest query of a class allowed."""
    wrong = [
        case["id"]
        for case in cases(path)
        if guard.check(case["sql"]).allowed != (case["verdict"] == "allow")
    ]

    assert [] == wrong


@pytest.mark.parametrize("lot", LOTS)
def test_canonical_text_gives_the_rows_of_the_original(
    guard: Guard, database, lot: list[str]
) -> None:
    """What runs instead of an allowed text gives the same rows."""
    others = []
    for sql in lot:
        verdict = guard.check(sql)
        if not verdict.allowed or verdict.sql is None or verdict.violations:
            others.append((sql, "refused"))
            continue
        canonical = database.rows(verdict.sql)
        by_chance = any(word in sql for word in ABOUT_CHANCE) or "LIMIT" in sql
        if not by_chance and database.rows(sql) != canonical:
            others.append((sql, verdict.sql))

    assert [] == others


@pytest.mark.parametrize("lot", LOTS)
def test_canonical_text_needs_only_what_is_listed(
    guard: Guard, database, listed_only, lot: list[str]
) -> None:
    """An allowed text runs on a warehouse from which everything unlisted was removed."""
    texts = [sql for sql in lot if not any(word in sql for word in ABOUT_CHANCE)]
    canonical = [guard.check(sql).sql or sql for sql in texts]

    assert [] == [sql for sql in canonical if database.rows(sql) != listed_only.rows(sql)]


@pytest.mark.parametrize("lot", LOTS)
def test_canonical_text_is_its_own_canonical_text(guard: Guard, lot: list[str]) -> None:
    """Checking the canonical text again allows it and changes no table that it reads."""
    firsts = [guard.check(sql) for sql in lot]
    agains = [guard.check(first.sql or "") for first in firsts]

    assert [(True, first.tables) for first in firsts] == [
        (again.allowed, again.tables) for again in agains
    ]
