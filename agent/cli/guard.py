"""`assay guard`: would this statement be let through?"""

from __future__ import annotations

from typing import Annotated

import typer

from agent.cli.console import JsonFlag, err, out, print_json

app = typer.Typer(help="The allow-list that every statement passes.", no_args_is_help=True)


@app.command()
def check(
    sql: Annotated[str, typer.Argument(help="One SQL statement.")], *, as_json: JsonFlag = False
) -> None:
    """Check a statement against the policy of the current warehouse; exit 5 when refused."""
    from agent.cli.report import ensure_warehouse
    from agent.opening import open_retriever
    from services.settings import load_settings

    settings = load_settings()
    ensure_warehouse(settings)
    retriever = open_retriever(settings)
    try:
        verdict = retriever.guard.check(sql)
    finally:
        retriever.close()
    if as_json:
        print_json(verdict)
    elif verdict.allowed:
        err().print(f"allowed: reads {', '.join(verdict.tables) or 'no table'}")
        out().print(verdict.sql)
    else:
        for violation in verdict.violations:
            err().print(f"refused by {violation.rule}: {violation.message}")
            _underline(sql, violation.line, violation.column)
            if violation.hint:
                err().print(f"  try: {violation.hint}")
    if not verdict.allowed:
        raise typer.Exit(5)


def _underline(sql: str, line: int | None, column: int | None) -> None:
    lines = sql.splitlines()
    if not line or not column or line > len(lines):
        return
    err().print(f"  {line:>3} | {lines[line - 1]}")
    err().print(f"      | {' ' * (column - 1)}^")
