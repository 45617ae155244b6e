"""`assay review`: what waits for a person, and the answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli.console import JsonFlag, ago, err, local, out, print_json, table

if TYPE_CHECKING:
    from services.review import Decision, ItemStatus, ReviewItem

app = typer.Typer(help="Decide what a machine may not.", no_args_is_help=True)
ItemArgument = Annotated[
    str, typer.Argument(metavar="ITEM", help="Item id, or a run id when the run has one open item.")
]
ByOption = Annotated[
    str | None, typer.Option("--by", help="Name to decide under; default: the reviewer setting.")
]

_DONE = {"approve": "approved", "edit": "edited", "reject": "rejected", "respond": "answered"}


@app.command("list")
def list_items(
    *,
    status: Annotated[
        Literal["open", "decided", "superseded", "all"], typer.Option(help="Which items.")
    ] = "open",
    as_json: JsonFlag = False,
) -> None:
    """List what waits for a person, oldest first."""
    items = asyncio.run(_list(None if status == "all" else status))
    if as_json:
        print_json([item.model_dump(mode="json") for item in items])
        return
    if not items:
        err().print("nothing waits" if status == "open" else "no items")
        return
    rows = table("item", "run", "kind", "what is asked", "age", "status")
    for item in items:
        rows.add_row(item.id, item.run_id, item.kind, item.title, ago(item.created_at), item.status)
    out().print(rows)


@app.command()
def show(item: ItemArgument, *, as_json: JsonFlag = False) -> None:
    """Print one item with everything a decision needs."""
    found = asyncio.run(_find(item))
    if as_json:
        print_json(found)
        return
    console = out()
    console.print(f"{found.id}  {found.kind}  {found.status}")
    console.print(
        f"run       {found.run_id}" + (f", section {found.section}" if found.section else "")
    )
    console.print(f"opened    {local(found.created_at)} ({ago(found.created_at)})")
    console.print(f"title     {found.title}")
    console.print(f"question  {found.question}")
    for line in found.detail:
        console.print(f"          {line}")
    if found.report_digest:
        console.print(f"digest    {found.report_digest}")
    if found.decision is not None and found.decided_at is not None:
        console.print(
            f"decision  {found.decision.kind} by {found.decided_by}, {local(found.decided_at)}"
        )
    else:
        console.print(f"answers   {', '.join(found.choices)}")


@app.command()
def approve(
    item: ItemArgument,
    *,
    note: Annotated[str, typer.Option(help="A note for the record.")] = "",
    digest: Annotated[
        str | None, typer.Option(help="Approve only if the report still has this digest.")
    ] = None,
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Approve: publish the report, or try the failed step again."""
    from services.review import Approve

    _decide(item, Approve(note=note), by=by, digest=digest, as_json=as_json)


@app.command()
def reject(
    item: ItemArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; it goes into the record.")],
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Reject: do not publish, or leave the failed section out."""
    from services.review import parse_decision

    decision = parse_decision({"kind": "reject", "reason": reason})
    _decide(item, decision, by=by, digest=None, as_json=as_json)


@app.command()
def respond(
    item: ItemArgument,
    text: Annotated[str, typer.Argument(help="The answer, such as the question worded anew.")],
    *,
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Answer a clarification; the run goes on with it."""
    from services.review import parse_decision

    decision = parse_decision({"kind": "respond", "text": text})
    _decide(item, decision, by=by, digest=None, as_json=as_json)


@app.command()
def edit(
    item: ItemArgument,
    text: Annotated[str, typer.Argument(help="What to go on with, such as the question anew.")],
    *,
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Go on with another input than the one that failed."""
    from services.review import parse_decision

    decision = parse_decision({"kind": "edit", "text": text})
    _decide(item, decision, by=by, digest=None, as_json=as_json)


def _decide(
    ref: str, decision: Decision, *, by: str | None, digest: str | None, as_json: bool
) -> None:
    from agent.cli.drive import drive, finish
    from agent.opening import open_runner
    from services.settings import load_settings

    settings = load_settings(reviewer=by)

    async def work() -> int:
        async with open_runner(settings) as runner:
            item = await runner.decide(ref, decision, by=settings.reviewer, digest=digest)
            err().print(f"{_DONE[decision.kind]} by {settings.reviewer}: {item.title}")
            record = await drive(runner, item.run_id)
            return await finish(runner, record, as_json=as_json)

    raise typer.Exit(asyncio.run(work()))


async def _list(status: ItemStatus | None) -> tuple[ReviewItem, ...]:
    from agent.stores import open_stores
    from services.settings import load_settings

    async with open_stores(load_settings()) as stores:
        return await stores.reviews.list(status)


async def _find(ref: str) -> ReviewItem:
    from agent.stores import open_stores
    from services.settings import load_settings

    async with open_stores(load_settings()) as stores:
        return await stores.reviews.find(ref)
