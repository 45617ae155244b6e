"""`assay model`: do the models answer, and do they keep to a schema?"""

from __future__ import annotations

import asyncio

import typer

from agent.cli.console import JsonFlag, err, out, print_json, table

app = typer.Typer(help="The local models, where they are set.", no_args_is_help=True)


@app.command()
def check(*, as_json: JsonFlag = False) -> None:
    """Ask each role's model for a small structured answer; exit 1 when one does not give it."""
    from services.model import ModelCheck, Models
    from services.settings import load_settings

    models = Models(load_settings())

    async def checks() -> list[ModelCheck]:
        return [await models.check(role) for role in ("sql", "analyst", "narrator")]

    found = asyncio.run(checks())
    if as_json:
        print_json([check.model_dump(mode="json") for check in found])
    else:
        rows = table("role", "server", "model", "answers", "keeps to the schema", "seconds")
        for entry in found:
            rows.add_row(*entry.row())
        out().print(rows)
        if not models.any_set:
            err().print("no model is set: the rules write everything; ASSAY_MODEL_URL sets one")
    if any(entry.failed for entry in found):
        raise typer.Exit(1)
