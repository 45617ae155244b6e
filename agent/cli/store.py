"""`assay store`: the server that holds runs, evidence and reviews; backups, and what is kept."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agent.cli.console import JsonFlag, err, out, print_json, table

if TYPE_CHECKING:
    from agent.housekeeping import Housekeeping, Removed

_T = TypeVar("_T")

app = typer.Typer(help="The store: its server, backups, what is kept.", no_args_is_help=True)
DryRunFlag = Annotated[
    bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")
]


@app.command()
def status(*, as_json: JsonFlag = False) -> None:
    """Say whether the embedded server runs, where, and how much it holds."""
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


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    *,
    with_warehouse: Annotated[
        bool, typer.Option("--with-warehouse", help="Add the warehouse's snapshots.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Copy everything into one file while runs go on: runs, reviews, audit, evidence, journal."""
    summary = keep(lambda house: house.backup(file, with_warehouse=with_warehouse))
    if as_json:
        print_json(summary)
        return
    err().print(f"{summary.keys:,} keys, {summary.objects:,} large results")
    if summary.missing:
        err().print(f"{len(summary.missing)} large results are not in the folder (ASSAY_OBJECTS)")
    out().print(str(file))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `backup` made.")],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a store that holds something.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Put a backup back, all of it or nothing. The file is proven before anything is changed."""
    summary = keep(lambda house: house.restore(file, force=force))
    if as_json:
        print_json(summary)
    else:
        err().print(
            f"{summary.keys:,} keys, {summary.objects:,} large results, as of {summary.made_at}"
        )


@app.command()
def prune(*, dry_run: DryRunFlag = False, as_json: JsonFlag = False) -> None:
    """
    Remove what has been kept long enough, and contents that no run needs.

    The settings `keep_...` say how long. What waits for a person or is under way always stays, and
    by default so do published files and the audit log.
    """
    print_removed(
        keep(lambda house: house.prune(dry_run=dry_run)), dry_run=dry_run, as_json=as_json
    )


@app.command()
def forget(
    *,
    person: Annotated[str, typer.Option(metavar="NAME", help="Name as runs and reviews have it.")],
    files: Annotated[bool, typer.Option("--files", help="Delete report files too.")] = False,
    dry_run: DryRunFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete the runs that a person asked for, and the name in decisions on others' runs."""
    removed = keep(lambda house: house.forget(person, files=files, dry_run=dry_run))
    print_removed(removed, dry_run=dry_run, as_json=as_json)


def keep(work: Callable[[Housekeeping], Awaitable[_T]]) -> _T:
    """Do some housekeeping on the configured stores."""
    from agent.driving import now
    from agent.housekeeping import Housekeeping
    from agent.stores import open_stores
    from services.settings import load_settings

    settings = load_settings()

    async def run() -> _T:
        async with open_stores(settings) as stores:
            return await work(Housekeeping(settings=settings, stores=stores, clock=now))

    return asyncio.run(run())


def print_removed(removed: Removed, *, dry_run: bool, as_json: bool) -> None:
    """What went, or would go."""
    if as_json:
        print_json({"dry_run": dry_run, **removed.model_dump(mode="json")})
        return
    lines = (
        ("run", removed.runs),
        ("contents of run", removed.emptied),
        ("file", removed.files),
        ("name in decision", removed.decisions),
    )
    for what, names in lines:
        for name in names:
            out().print(f"{what}  {name}")
    for name in removed.busy:
        err().print(f"{name} is being driven, and was left")
    verb = "would be removed" if dry_run else "removed"
    err().print(
        f"{verb}: {len(removed.runs)} runs, {removed.contents:,} contents, {removed.bytes:,} bytes"
    )
