"""`assay store`: the embedded server that holds runs, evidence and reviews."""

from __future__ import annotations

import dataclasses

import typer

from agent.cli.console import JsonFlag, err, out, print_json, table

app = typer.Typer(help="The embedded Valkey server.", no_args_is_help=True)


@app.command()
def status(*, as_json: JsonFlag = False) -> None:
    """Say whether the store runs, where, and how much it holds."""
    from services.settings import load_settings
    from services.store import EmbeddedServer

    settings = load_settings()
    state = EmbeddedServer(settings.home, idle=settings.store_idle).status()
    facts = dataclasses.asdict(state)
    if as_json:
        print_json({**facts, "uptime": state.uptime.total_seconds()})
        return
    if settings.redis_url:
        err().print("ASSAY_REDIS_URL is set: the embedded server is not used")
    rows = table("store", "")
    for name, value in facts.items():
        rows.add_row(name.replace("_", " "), "" if value is None else str(value))
    out().print(rows)


@app.command()
def stop() -> None:
    """Stop the embedded server. Nothing is lost; the next command starts it again."""
    from services.settings import load_settings
    from services.store import EmbeddedServer

    stopped = EmbeddedServer(load_settings().home).stop()
    err().print("store stopped" if stopped else "store was not running")
