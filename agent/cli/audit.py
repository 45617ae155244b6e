"""`assay audit`: what happened in a run, and whether the record is whole."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import JsonFlag, err, local, out, print_json, table

if TYPE_CHECKING:
    from services.audit import Anchor, AuditVerdict

app = typer.Typer(help="The tamper-evident audit log.", no_args_is_help=True)
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run id.")]
OneOrAll = Annotated[
    str | None, typer.Argument(metavar="RUN", help="Run id; all logs when left out.")
]
AllFlag = Annotated[bool, typer.Option("--all", help="All logs, which is the default.")]


@app.command()
def show(run: RunArgument, *, as_json: JsonFlag = False) -> None:
    """Print a run's audit log, oldest entry first."""
    from agent.stores import open_stores
    from services.audit import SYSTEM, AuditEntry, revealed
    from services.settings import load_settings

    async def entries() -> list[AuditEntry]:
        async with open_stores(load_settings()) as stores:
            logged = await stores.audit.entries(run)
            if not logged and run != SYSTEM:
                await stores.runs.get(run)
            values = await stores.audit.personal(run)
        return [e.model_copy(update={"fields": revealed(e, values)}) for e in logged]

    found = asyncio.run(entries())
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in found])
        return
    rows = table("seq", "time", "event", "what", "digest", right=("seq",))
    for entry in found:
        rows.add_row(str(entry.seq), local(entry.at), entry.event, entry.words(), entry.digest[:12])
    out().print(rows)


@app.command()
def verify(
    run: OneOrAll = None,
    *,
    everything: AllFlag = False,
    head: Annotated[
        str | None, typer.Option(help="A head noted earlier, which the log has to hold.")
    ] = None,
    anchor: Annotated[
        Path | None, typer.Option(help="An anchor that the log over all runs has to go on behind.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="Whose signature the anchor has to have (PEM).")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Verify an export; no store is needed.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find any changed, missing, moved or added entry; exit 6 when there is one."""
    from services.audit import verify_file

    name = _chosen(run, everything=everything)
    noted = _anchor(anchor, public_key)
    if file is not None:
        found = verify_file(file, head=head, anchor=noted)
    else:
        found = asyncio.run(_verified(name, head, noted))
    if as_json:
        print_json(found)
    else:
        _tell(found)
    if not found.ok:
        raise typer.Exit(6)


@app.command()
def export(
    run: OneOrAll = None,
    *,
    everything: AllFlag = False,
    since: Annotated[
        datetime | None, typer.Option(help="Only entries from this time on (UTC).")
    ] = None,
) -> None:
    """Write logs to stdout as JSON Lines. What they say of persons stays in the store."""
    from agent.driving import now
    from agent.stores import open_stores
    from services.audit import export as exported
    from services.settings import load_settings

    name = _chosen(run, everything=everything)
    start = since.replace(tzinfo=since.tzinfo or UTC) if since else None

    async def write() -> None:
        async with open_stores(load_settings()) as stores:
            if name and not await stores.audit.lines(name):
                await stores.runs.get(name)
            async for line in exported(stores.audit, name, at=now(), since=start):
                sys.stdout.write(line)

    asyncio.run(write())


@app.command()
def anchor(
    *,
    key: Annotated[
        Path | None, typer.Option(help="Sign with this Ed25519 private key (PEM).")
    ] = None,
) -> None:
    """Print where the log over all runs ends, to be kept elsewhere."""
    from agent.driving import now
    from agent.stores import open_stores
    from services.audit import Anchor
    from services.settings import load_settings

    async def ending() -> tuple[int, str]:
        async with open_stores(load_settings()) as stores:
            return await stores.audit.global_head()

    entries, head = asyncio.run(ending())
    print_json(Anchor.of(entries, head, at=now(), key=key))


def _chosen(run: str | None, *, everything: bool) -> str:
    if run and everything:
        raise typer.BadParameter("name a run or give --all, not both")
    return run or ""


def _anchor(file: Path | None, public_key: Path | None) -> Anchor | None:
    """The anchor in *file*, once it is known to be the key's."""
    from services.audit import Anchor

    if file is None:
        if public_key is not None:
            raise typer.BadParameter("--public-key goes with --anchor")
        return None
    noted = Anchor.read(file)
    if public_key is None:
        err().print("the anchor's signature is not checked: give --public-key")
    elif not noted.is_signed_by(public_key):
        out().print(f"BROKEN: the anchor {file} is not signed by that key")
        raise typer.Exit(6)
    return noted


async def _verified(run: str, head: str | None, noted: Anchor | None) -> AuditVerdict:
    from agent.stores import open_stores
    from services.audit import verify_all, verify_run
    from services.settings import load_settings

    async with open_stores(load_settings()) as stores:
        if not run:
            return await verify_all(stores.audit, head=head, anchor=noted)
        found = await verify_run(stores.audit, run, head=head, anchor=noted)
        if found.ok and not found.entries and not found.removed:
            await stores.runs.get(run)
        return found


def _tell(found: AuditVerdict) -> None:
    console = out()
    logs = "" if found.run else f" in {found.logs} logs"
    if found.ok:
        console.print(f"ok: {found.entries} entries{logs}, head {found.head}")
    for flaw in found.flaws:
        console.print(f"BROKEN at entry {flaw.seq} of {flaw.run}: {flaw.reason}")
    if found.older:
        console.print(
            f"note: {found.older} entries are older than the log over all runs; "
            "their own chain alone holds them"
        )
    if found.erased:
        console.print(f"note: {found.erased} personal values were erased")
    if found.removed:
        console.print(f"note: {found.removed} logs were removed")
