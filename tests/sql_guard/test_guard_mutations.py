"""Each rule is needed: with any one of them switched off, a known attack passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from time import thread_time
from typing import Any

import pytest
from sqlglot import exp

from sql_guard import (
    Guard,
    GuardPolicy,
    _bounds,
    _chains,
    _columns,
    _counters,
    _expressions,
    _functions,
    _guard,
    _joins,
    _output,
    _parse,
    _recursion,
    _report,
    _resolve,
    _scope,
    _sources,
    _text,
    _work,
)
from sql_guard._names import fold

CASES = Path(__file__).parent / "fixtures" / "cases"


def attacks() -> Iterator[str]:
    """The texts to block, those found latest first: they are the hardest."""
    files = sorted(CASES.glob("block_*.jsonl"), key=lambda path: path.stem != "block_more")
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)["sql"]


ATTACKS = tuple(attacks())


def nothing(*_: Any, **__: Any) -> Iterator[Any]:
    return iter(())


def none(*_: Any, **__: Any) -> None:
    return None


def no(*_: Any, **__: Any) -> bool:
    return False


def yes(*_: Any, **__: Any) -> bool:
    return True


def one(*_: Any, **__: Any) -> float:
    return 1.0


def endless(*_: Any) -> float:
    return float("inf")


def move_given(_by: Any, move: Any) -> Any:
    return move


def rows_given(_self: Any, rows: float, *_: Any) -> float:
    return rows


def any_column(_self: Any, node: Any) -> str:
    return fold(node.name) if isinstance(node, exp.Column) else ""


def has_type(node: Any) -> bool:
    return isinstance(node, exp.Cast | exp.TryCast)


def without(rule: Any) -> tuple[Any, ...]:
    return tuple(each for each in _text._RULES if each is not rule)


MUTATIONS: dict[str, tuple[Any, str, Any]] = {
    "characters of the text": (_guard, "check_text", nothing),
    "odd characters": (_text, "_RULES", without(_text._plain_characters)),
    "template marks": (_text, "_RULES", without(_text._no_templates)),
    "single commas": (_text, "_RULES", without(_text._single_commas)),
    "queries that the parser drops": (_guard, "_lost_queries", no),
    "node types": (_guard, "unknown_syntax", none),
    "functions": (_functions.FunctionRule, "allowed_name", lambda *_: "f"),
    "functions named by a text": (_functions.FunctionRule, "_names_allowed", yes),
    "functions in FROM": (_functions.FunctionRule, "in_from", yes),
    "bounds of a node": (_bounds.Bounds, "of", none),
    "bounds of the whole": (_bounds.Bounds, "total", nothing),
    "denied columns": (_report.Report, "denied", none),
    "denied columns in stars and rows": (_report.Report, "denied_star", none),
    "rows as values": (_columns.Columns, "row_of", none),
    "stars": (_columns.Columns, "star", none),
    "column patterns": (_columns.Columns, "pattern", none),
    "natural joins": (_columns.Columns, "natural", none),
    "unknown columns": (_columns.Columns, "_unknown", none),
    "tables not listed": (_sources.Sources, "_unlisted", none),
    "other things in FROM": (_sources.Sources, "_refuse", none),
    "commands in parentheses": (_sources, "_may_be_a_command", no),
    "positions of columns": (_expressions.Expressions, "_position", nothing),
    "sizes of values": (_work.Work, "value", none),
    "sizes of aggregates": (_work.Work, "aggregate", none),
    "generated rows": (_work.Work, "generator", one),
    "volumes of values": (_work.Work, "volume", none),
    "columns put together": (_work.Work, "column", none),
    "items in all": (_work.Work, "_weigh", none),
    "bodies of lambdas": (_work.Work, "body", one),
    "work on pairs": (_work.Work, "_pairs", none),
    "groupings": (_work.Work, "groupings", none),
    "columns of pivots": (_sources.Sources, "_check_width", none),
    "different values of keys": (_scope.Relation, "keys", property(endless, none)),
    "values left by equalities": (_joins, "_equated", endless),
    "values that are the same in all rows": (_joins, "_varied", lambda *_: iter([endless()])),
    "aggregates of sub-selects": (_output, "_is_query", no),
    "rows of joins": (_work.Work, "check_rows", none),
    "scans of tables": (_work.Work, "check_scans", none),
    "recursion": (_resolve, "course", lambda *_: _recursion.Course(1.0)),
    "what a counter can hold": (_counters, "_grain", lambda *_: 0.0),
    "casts of counters": (_counters, "_cast_grain", lambda node: 0.0 if has_type(node) else None),
    "columns of the counter": (_counters.Recurring, "column", any_column),
    "circles of links": (_chains, "_paths", one),
    "kinds of links": (_chains, "_all_of", yes),
    "joins that only match": (_chains, "_is_inner", yes),
    "numbers that stay single": (_scope.Fact, "alone", lambda fact: fact),
    "numbers of single rows": (_output, "_multiplies", no),
    "growth in recursion": (_recursion, "grows", no),
    "growth in reductions": (_work, "grows", no),
    "fan-out in recursion": (_resolve.Resolver, "_fanout", one),
    "values joined again in recursion": (_resolve, "repeats", no),
    "steps too small to be taken": (_counters, "_rounded", move_given),
    "work for each row around": (_scope.Scope, "reach", none),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_an_attack_passes_without_the_rule(
    policy: GuardPolicy, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Switching one rule off lets through what the others do not stop."""
    owner, attribute, replacement = MUTATIONS[name]
    monkeypatch.setattr(owner, attribute, replacement)
    # On a busy machine the time budget would stand in for the rule that is off.
    patient = policy.limits.model_copy(update={"max_check_ms": 60_000})
    guard = Guard(policy.model_copy(update={"limits": patient}))

    assert any(guard.check(sql).allowed for sql in ATTACKS)


@pytest.mark.parametrize(
    ("owner", "attribute", "replacement", "sql"),
    [
        (_guard, "check_tokens", nothing, "SELECT " + "(" * 900 + "1" + ")" * 900),
        (_text, "_RULES", (), "SELECT " + "(" * 100 + "1" + ")" * 100),
        (_parse, "_only_queries", none, "DROP TABLE risk.limits"),
        (_sources.Sources, "_joins", none, "SELECT 1 FROM risk.limits JOIN hr.salaries ON true"),
    ],
)
def test_later_rules_stand_behind_earlier_ones(
    policy: GuardPolicy,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    attribute: str,
    replacement: Any,
    sql: str,
) -> None:
    """Where one rule is off or forgets a place, another refuses, at the latest the last count."""
    monkeypatch.setattr(owner, attribute, replacement)
    verdict = Guard(policy).check(sql)

    assert not verdict.allowed or "_RULES" == attribute


def test_what_no_rule_looked_at_is_refused(
    policy: GuardPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of the tree that the walk forgets is refused; without that last count it would pass."""
    sql = "SELECT desk FROM risk.limits JOIN hr.salaries ON true"
    monkeypatch.setattr(_sources.Sources, "_joins", none)
    refused = Guard(policy).check(sql)
    monkeypatch.setattr(_guard, "_RESOLVED", ())
    monkeypatch.setattr(_guard, "_lost_queries", no)
    passed = Guard(policy).check(sql)

    assert (False, True) == (refused.allowed, passed.allowed)


def test_a_check_that_runs_out_of_time_refuses(
    policy: GuardPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline that has passed refuses even a plain statement."""
    monkeypatch.setattr(_report, "thread_time", lambda: float("inf"))
    first = Guard(policy).check("SELECT desk FROM risk.limits").violations[0]

    assert "max_check_ms" == first.rule


def test_a_pause_of_the_interpreter_refuses_nothing(
    policy: GuardPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's collector may take all the time of a first try; a second has its own."""
    pauses = iter([1.0])
    monkeypatch.setattr(_guard, "tokens_of", paused(_guard.tokens_of, pauses))
    verdict = Guard(policy).check("SELECT desk FROM risk.limits")

    assert verdict.allowed
    assert [] == list(pauses)


def paused(function: Any, pauses: Iterator[float]) -> Any:
    """*function*, after as many seconds of work as *pauses* has next."""

    def slow(*args: Any) -> Any:
        until = thread_time() + next(pauses, 0.0)
        while thread_time() < until:
            pass
        return function(*args)

    return slow
