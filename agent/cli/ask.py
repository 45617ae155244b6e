"""`assay ask`: one question, one governed query, rows."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import JsonFlag, err, out, print_json, table

if TYPE_CHECKING:
    from agent.answer import Answer
    from services.evidence import Column, Scalar


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    *,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Date to answer for; default: the last in the data."
        ),
    ] = None,
    show_sql: Annotated[bool, typer.Option("--sql", help="Print the statement too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """
    Answer a question with one query, and say how it was understood.

    What is not understood is refused with suggestions; nothing is guessed.
    """
    err().print(f"assay ask  {question}")
    from agent.answer import answer
    from agent.cli.report import ensure_warehouse
    from services.settings import load_settings

    settings = load_settings()
    ensure_warehouse(settings)
    found = asyncio.run(answer(settings, question, as_of.date() if as_of else None))
    if as_json:
        print_json(found.document())
        return
    err().print(f"understood: {found.restatement}")
    if show_sql:
        err().print(found.evidence.sql)
    _print_rows(found)


def _print_rows(found: Answer) -> None:
    from services.analysis.formats import head

    columns = found.table.columns
    heads = [" ".join(filter(None, (c.label or c.name, head(c.unit)))) for c in columns]
    numeric = tuple(
        head
        for head, column in zip(heads, columns, strict=True)
        if column.type in ("decimal", "double", "integer")
    )
    rows = table(*heads, right=numeric)
    for row in found.table.rows():
        rows.add_row(*(_shown(row[column.name], column) for column in columns))
    out().print(rows)
    evidence = found.evidence
    cut = "" if evidence.complete else ", cut at the row cap"
    err().print(
        f"{evidence.row_count:,} rows{cut}, as of {evidence.as_of}, evidence {evidence.id}, "
        f"snapshot {evidence.snapshot[:16]}"
    )


def _shown(value: Scalar, column: Column) -> str:
    """One cell as a person reads it: scaled and rounded by its unit, `n/a` when empty."""
    from services.analysis.formats import default_digits, short_display, significant

    if value is None:
        return "n/a"
    if isinstance(value, (Decimal, float)):
        return short_display(significant(value), column.unit, default_digits(column.unit, "one"))
    if isinstance(value, int) and not isinstance(value, bool) and column.unit:
        return f"{value:,}"
    return str(value)
