"""`assay config`: every setting, its value, and where it came from."""

from __future__ import annotations

import typer

from agent.cli.console import JsonFlag, out, print_json, table

app = typer.Typer(help="Show settings.", no_args_is_help=True)


@app.command()
def show(*, as_json: JsonFlag = False) -> None:
    """Print every setting with its value and origin. Secrets are masked."""
    from services.settings import load_settings, origins

    settings = load_settings()
    where = origins(settings)
    values = settings.model_dump(mode="json")
    if as_json:
        print_json(
            {name: {"value": value, "origin": where[name]} for name, value in values.items()}
        )
        return
    rows = table("setting", "value", "origin", "environment")
    for name, value in values.items():
        shown = "" if value is None else str(value)
        rows.add_row(name, shown or "(unset)", where[name], f"ASSAY_{name.upper()}")
    out().print(rows)
