"""`assay run`: what runs there are, how far each is, and going on with one."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import typer

from agent.cli.console import JsonFlag, ago, err, local, out, print_json, table

app = typer.Typer(help="Runs: list, show, resume, delete, trace.", no_args_is_help=True)
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run id.")]


@app.command("list")
def list_runs(
    *,
    limit: Annotated[int, typer.Option(min=1, help="Most runs to show.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List runs, newest first."""
    from agent.cli.drive import standing
    from agent.stores import open_stores
    from services.settings import load_settings
    from services.store import Accepted, Journal, RunRecord

    settings = load_settings()

    async def found() -> tuple[tuple[RunRecord, ...], frozenset[str], tuple[Accepted, ...]]:
        async with open_stores(settings) as stores:
            records = await stores.runs.list(limit=limit)
            driven = await stores.runs.driven([record.id for record in records])
            return records, driven, await Journal(settings.home).lost(stores.redis)

    records, driven, lost = asyncio.run(found())
    for run in lost:
        err().print(f"accepted but lost: {run.run_id}, {ago(run.at)}; see `assay doctor`")
    if as_json:
        print_json([record.model_dump(mode="json") for record in records])
        return
    if not records:
        err().print("no runs yet; `assay report` starts one")
        return
    rows = table("run", "status", "what", "as of", "started")
    for record in records:
        rows.add_row(
            record.id,
            standing(record, driven=record.id in driven),
            record.title,
            str(record.as_of),
            ago(record.created_at),
        )
    out().print(rows)


@app.command()
def start(
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help="Ask one question instead.")
    ] = None,
    *,
    template: Annotated[str, typer.Option(help="Name of the report template.")] = "quarterly",
    run_id: Annotated[str | None, typer.Option(help="Name the run.")] = None,
    priority: Annotated[
        Literal["high", "normal", "low"], typer.Option(help="Higher ones go first.")
    ] = "normal",
    tenant: Annotated[str, typer.Option(help="For whom; tenants of one priority take turns.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Accept a run and leave it to a worker (`assay worker`)."""
    from agent.cli.report import ensure_warehouse
    from agent.intake import new_run_id, prepare
    from agent.opening import open_runner
    from services.access import check_tenant
    from services.settings import load_settings
    from services.store import RunRecord

    settings = load_settings()
    ensure_warehouse(settings)
    check_tenant(tenant)
    name = new_run_id(run_id, question=question or "", template=template, tenant=tenant)
    accepted = prepare(settings, name, question=question or "", template=template)

    async def accept() -> RunRecord:
        async with open_runner(settings) as runner:
            return await runner.accept(name, accepted, left=True, tenant=tenant, priority=priority)

    record = asyncio.run(accept())
    if as_json:
        print_json(record)
    else:
        out().print(record.id)
        err().print(f"{record.status}; `assay worker` drives it, or: assay run resume {record.id}")


@app.command()
def show(run: RunArgument, *, as_json: JsonFlag = False) -> None:
    """Print how far a run is, what it waits for, and the next command."""
    from agent.cli.drive import next_command, report_files, standing
    from agent.stores import open_stores
    from services.review import ReviewItem
    from services.settings import load_settings
    from services.store import Journal, RunRecord

    settings = load_settings()

    async def found() -> tuple[RunRecord, tuple[ReviewItem, ...], bool]:
        async with open_stores(settings) as stores:
            await Journal(settings.home).check(stores.redis, run)
            record = await stores.runs.get(run)
            driven = run in await stores.runs.driven([run])
            return record, await stores.reviews.of_run(run), driven

    record, items, driven = asyncio.run(found())
    waiting = [item for item in items if item.status == "open"]
    if as_json:
        print_json(
            {
                **record.model_dump(mode="json"),
                "driven": driven,
                "items": [item.model_dump(mode="json") for item in items],
                "files": [str(path) for path in report_files(record)],
                "next": next_command(record, waiting),
            }
        )
        return
    console = out()
    console.print(f"{record.id}  {standing(record, driven=driven)}  {record.title}")
    console.print(f"as of     {record.as_of}, snapshot {record.snapshot[:16]}")
    console.print(f"started   {local(record.created_at)}, last change {ago(record.updated_at)}")
    if record.failure:
        console.print(f"failed    {record.failure.code} {record.failure.message}")
    if record.report_digest:
        console.print(f"digest    {record.report_digest}")
    for path in report_files(record):
        console.print(f"file      {path}")
    for item in waiting:
        console.print(f"waits     {item.id} {item.kind}: {item.title}")
    if command := next_command(record, waiting):
        console.print(f"next      {command}")


@app.command()
def resume(run: RunArgument, *, as_json: JsonFlag = False) -> None:
    """Go on with a run: one that was interrupted or killed, or whose step failed."""
    from agent.cli.drive import drive, finish
    from agent.opening import open_runner
    from services.settings import load_settings
    from services.store import Journal

    settings = load_settings()

    async def work() -> int:
        async with open_runner(settings) as runner:
            await Journal(settings.home).check(runner.stores.redis, run)
            record = await drive(runner, run, retry=True)
            return await finish(runner, record, as_json=as_json)

    raise typer.Exit(asyncio.run(work()))


@app.command()
def delete(
    run: RunArgument,
    *,
    files: Annotated[bool, typer.Option("--files", help="Delete its report files too.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete all that a run has; its audit log stays verifiable. A run under way is left."""
    from agent.cli.store import keep, print_removed

    removed = keep(lambda house: house.delete_run(run, files=files, dry_run=dry_run))
    print_removed(removed, dry_run=dry_run, as_json=as_json)


@app.command()
def trace(run: RunArgument, *, as_json: JsonFlag = False) -> None:
    """Print a run's spans as a tree with their times."""
    from agent.cli.tree import trace_tree
    from agent.stores import open_stores
    from services.settings import load_settings
    from services.telemetry import read_trace

    settings = load_settings()
    spans = read_trace(settings.trace_dir, run)
    if as_json:
        print_json([span.model_dump(mode="json") for span in spans])
        return
    if not spans:

        async def known() -> None:
            async with open_stores(settings) as stores:
                await stores.runs.get(run)

        asyncio.run(known())
        err().print("this run has left no trace here yet")
        return
    out().print(trace_tree(run, spans))
