"""`assay guard`: would this statement be let through, and by which policy?"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.console import JsonFlag, err, out, print_json

if TYPE_CHECKING:
    from services.semantics import SemanticModel
    from services.warehouse import Catalog
    from sql_guard import Guard, GuardPolicy, Verdict, Violation

# Of a long line only what surrounds the mark is shown, so that no terminal breaks it.
_BEFORE_MARK = 40
_SHOWN = 90

app = typer.Typer(help="The allow-list that every statement passes.", no_args_is_help=True)

_PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy", metavar="FILE", help="A policy file; without it the warehouse's own policy."
    ),
]


@app.command()
def check(
    sql: Annotated[str | None, typer.Argument(help="One SQL statement.")] = None,
    *,
    policy: _PolicyOption = None,
    role: Annotated[
        str | None, typer.Option(metavar="NAME", help="A role that the policy names.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            metavar="NAME=VALUE",
            help="A value that a row filter or the statement takes, as $NAME; repeat for more.",
        ),
    ] = None,
    jsonl: Annotated[
        bool,
        typer.Option(
            "--jsonl",
            help='Check one {"id": ..., "sql": ...} a line of stdin, "parameters" if it has any; exit 0 at the end.',
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check a statement against a policy; exit 5 when it is refused."""
    if jsonl == (sql is not None):
        raise typer.BadParameter("give either one statement or --jsonl with statements on stdin")
    asked = _parameters(param or ())
    guard, settled = _guard(policy, role)
    given = {**settled, **asked}
    if jsonl:
        for line in sys.stdin.buffer:
            sys.stdout.write(answer(guard, line, given) + "\n")
            sys.stdout.flush()
        return
    assert sql is not None
    verdict = guard.check(sql, parameters=given)
    if as_json:
        print_json(verdict)
    else:
        _print(sql, verdict)
    if not verdict.allowed:
        raise typer.Exit(5)


@app.command("policy")
def show_policy(
    *,
    deny_confidential: Annotated[
        bool,
        typer.Option(
            "--deny-confidential",
            help="Deny the columns that the semantic model calls confidential.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print the policy of the current warehouse, as a file that `--policy` takes."""
    from services.semantics import derive_model

    with _retriever() as retriever:
        catalog = retriever.warehouse.catalog()
        made = retriever.guard.policy
    if deny_confidential:
        denied = tuple(_confidential(catalog, derive_model(catalog)))
        made = made.model_copy(update={"deny": denied})
    if as_json:
        print_json(made)
    else:
        sys.stdout.write(made.to_yaml())


def answer(guard: Guard, line: bytes, given: Mapping[str, Any]) -> str:
    """The JSON line that answers *line*, whatever it holds; *given* goes before its own parameters."""
    request = _request(line)
    sql, own = request.get("sql"), request.get("parameters")
    own = {} if own is None else own
    if "id" not in request or not isinstance(sql, str) or not _are_plain(own):
        message = (
            'The line is no object {"id": ..., "sql": ...} with a text as "sql", and plain values '
            'by name as "parameters" if it has any.'
        )
        return _line(request.get("id"), "block", "input", message, None)
    verdict = guard.check(sql, parameters={**own, **given})
    if verdict.allowed:
        return _line(request["id"], "allow", None, None, verdict.sql)
    first = verdict.violations[0]
    return _line(request["id"], "block", first.rule, first.message, None)


def _request(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return request if isinstance(request, dict) else {}


def _are_plain(parameters: Any) -> bool:
    """Whether these are values by name, lists of values among them, as JSON writes them."""
    return isinstance(parameters, dict) and all(
        not isinstance(part, dict | list)
        for value in parameters.values()
        for part in (value if isinstance(value, list) else [value])
    )


def _parameters(texts: Sequence[str]) -> dict[str, Any]:
    """Values by name from texts such as `desk=Rates`; each name stands once."""
    given: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier() or name in given:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE, or its name stands twice")
        given[name] = _value(value)
    return given


def _value(text: str) -> Any:
    """*text* as the truth value, number or date that it looks like; in quotes it stays a text."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"-?(0|[1-9]\d{0,17})", text):
        return int(text)
    if re.fullmatch(r"-?\d{1,18}\.\d{1,18}", text):
        return Decimal(text)
    with suppress(ValueError):
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text)
    return text


def _line(name: Any, verdict: str, rule: str | None, message: str | None, sql: str | None) -> str:
    answered = {"id": name, "verdict": verdict, "rule": rule, "message": message, "sql": sql}
    return json.dumps(answered)


def _guard(path: Path | None, role: str | None) -> tuple[Guard, Mapping[str, Any]]:
    """
    The guard of the policy at *path*, or of the current warehouse, with the engine's parser.

    Beside it the values that its filters are set to take; a policy file brings none.
    """
    from agent.roles import of_role, read_policy
    from services.warehouse import DuckDBOpinion
    from sql_guard import Guard

    values: Mapping[str, Any] = {}
    if path is None:
        with _retriever() as retriever:
            made: GuardPolicy = retriever.guard.policy
            values = retriever.parameters
    else:
        made = read_policy(path)
    if role is not None:
        made = of_role(made, role)
    return Guard(made, DuckDBOpinion() if made.dialect == "duckdb" else None), values


def _confidential(catalog: Catalog, model: SemanticModel) -> list[str]:
    """Confidential columns as `schema.table.column`, by the catalog or by the semantic model."""
    found = {
        f"main.{table.name}.{column.name}"
        for table in catalog.tables
        for column in table.columns
        if column.sensitivity == "confidential"
    }
    for dataset in model.datasets:
        known = {column.name for column in catalog.table(dataset.table).columns}
        found.update(
            f"main.{dataset.table}.{field.expression}"
            for field in dataset.fields
            if "confidential" in (field.sensitivity, dataset.sensitivity)
            and field.expression in known
        )
    return sorted(found)


def _retriever() -> Any:
    from contextlib import closing

    from agent.cli.report import ensure_warehouse
    from agent.opening import open_retriever
    from services.settings import load_settings

    settings = load_settings()
    ensure_warehouse(settings)
    return closing(open_retriever(settings))


def _print(sql: str, verdict: Verdict) -> None:
    if verdict.allowed:
        err().print(f"allowed: reads {', '.join(verdict.tables) or 'no table'}")
        out().print(verdict.sql)
    for violation in verdict.violations:
        err().print(f"refused by {violation.rule}: {violation.message}")
        _underline(sql, violation)
        if violation.hint:
            err().print(f"  try: {violation.hint}")


def _underline(sql: str, violation: Violation) -> None:
    from rich.cells import cell_len

    lines = sql.split("\n")
    line, column = violation.line, violation.column
    if not line or not column or line > len(lines):
        return
    # A statement may hold characters that move a terminal's cursor.
    shown = "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in lines[line - 1])
    start = max(0, column - 1 - _BEFORE_MARK)
    end = start + _SHOWN
    marked = shown[column - 1 : min(end, column - 1 + violation.length)]
    cut = ("…" if start else "", "…" if len(shown) > end else "")
    before = " " * (len(cut[0]) + cell_len(shown[start : column - 1]))
    err().print(f"  {line:>3} | {cut[0]}{shown[start:end]}{cut[1]}", soft_wrap=True)
    err().print(f"      | {before}{'^' * max(1, cell_len(marked))}", soft_wrap=True)
