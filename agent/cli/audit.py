"""`assay audit`: what happened in a run, and whether the record is whole."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import JsonFlag, local, out, print_json, table

if TYPE_CHECKING:
    from services.audit import AuditEntry, AuditVerdict

app = typer.Typer(help="The tamper-evident audit log.", no_args_is_help=True)
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run id.")]


@app.command()
def show(run: RunArgument, *, as_json: JsonFlag = False) -> None:
    """Print a run's audit log, oldest entry first."""
    from agent.stores import open_stores
    from services.settings import load_settings

    async def entries() -> tuple[AuditEntry, ...]:
        async with open_stores(load_settings()) as stores:
            await stores.runs.get(run)
            return await stores.audit.entries(run)

    found = asyncio.run(entries())
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in found])
        return
    rows = table("seq", "time", "event", "what", "digest", right=("seq",))
    for entry in found:
        what = ", ".join(f"{k} {v}" for k, v in entry.fields.items() if v not in ("", None))
        rows.add_row(str(entry.seq), local(entry.at), entry.event, what, entry.digest[:12])
    out().print(rows)


@app.command()
def verify(run: RunArgument, *, as_json: JsonFlag = False) -> None:
    """Recompute a run's hash chain; exit 6 when it is broken."""
    from agent.stores import open_stores
    from services.settings import load_settings

    async def verdict() -> AuditVerdict:
        async with open_stores(load_settings()) as stores:
            await stores.runs.get(run)
            return await stores.audit.verify(run)

    found = asyncio.run(verdict())
    if as_json:
        print_json(found)
    elif found.ok:
        out().print(f"ok: {found.entries} entries, head {found.head}")
    else:
        out().print(f"BROKEN at entry {found.broken_seq}: {found.reason}")
    if not found.ok:
        raise typer.Exit(6)
