"""`assay guard`: would this statement be let through, and by which policy?"""

from __future__ import annotations

import json
import sys
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
    jsonl: Annotated[
        bool,
        typer.Option(
            "--jsonl", help='Check one {"id": ..., "sql": ...} a line of stdin; exit 0 at the end.'
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check a statement against a policy; exit 5 when it is refused."""
    if jsonl == (sql is not None):
        raise typer.BadParameter("give either one statement or --jsonl with statements on stdin")
    guard = _guard(policy, role)
    if jsonl:
        for line in sys.stdin.buffer:
            sys.stdout.write(answer(guard, line) + "\n")
            sys.stdout.flush()
        return
    assert sql is not None
    verdict = guard.check(sql)
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


def answer(guard: Guard, line: bytes) -> str:
    """The JSON line that answers *line*, whatever it holds."""
    name, sql = _request(line)
    if sql is None:
        message = 'The line is no object {"id": ..., "sql": ...} with a text as "sql".'
        return _line(name, "block", "input", message, None)
    verdict = guard.check(sql)
    if verdict.allowed:
        return _line(name, "allow", None, None, verdict.sql)
    first = verdict.violations[0]
    return _line(name, "block", first.rule, first.message, None)


def _request(line: bytes) -> tuple[Any, str | None]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(request, dict):
        return None, None
    sql = request.get("sql")
    return request.get("id"), sql if isinstance(sql, str) and "id" in request else None


def _line(name: Any, verdict: str, rule: str | None, message: str | None, sql: str | None) -> str:
    answered = {"id": name, "verdict": verdict, "rule": rule, "message": message, "sql": sql}
    return json.dumps(answered)


def _guard(path: Path | None, role: str | None) -> Guard:
    """The guard of the policy at *path*, or of the current warehouse, with the engine's parser."""
    if path is None:
        with _retriever() as retriever:
            made: GuardPolicy = retriever.guard.policy
    else:
        made = read_policy(path)
    from services.errors import NotFound
    from services.warehouse import DuckDBOpinion
    from sql_guard import Guard

    if role is not None:
        try:
            made = made.for_role(role)
        except KeyError:
            raise NotFound(
                "The policy names no such role.", hint=f"it names {', '.join(made.roles) or 'none'}"
            ) from None
    return Guard(made, DuckDBOpinion() if made.dialect == "duckdb" else None)


def read_policy(path: Path) -> GuardPolicy:
    """The policy in the file at *path*; `FileUnreadable` when it is none."""
    import yaml

    from services.errors import FileUnreadable
    from sql_guard import GuardPolicy

    try:
        return GuardPolicy.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileUnreadable(
            f"The policy file {path} cannot be read.", hint="check its path and its permissions"
        ) from error
    except (ValueError, yaml.YAMLError) as error:
        raise FileUnreadable(
            f"The policy file {path} is not a policy: {' '.join(str(error).split())[:500]}",
            hint="docs/guide.md shows its format",
        ) from error


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
