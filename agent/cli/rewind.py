"""`assay run` beyond going on: end a run, take it back, copy it, and see what happened in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.console import JsonFlag, err, local, out, print_json, table
from agent.cli.run import RunArgument

if TYPE_CHECKING:
    from agent.comparison import Comparison
    from agent.history import Moment
    from services.store import RunRecord

_Reason = Annotated[str, typer.Option(help="Why; it goes into the record.")]
_PLACE = "clarify, plan, compose or review, or retrieve:SECTION or analyse:SECTION."
_Later = Annotated[
    bool, typer.Option("--later", help="Do not go on now; `assay run resume` or a worker will.")
]


def cancel(run: RunArgument, *, reason: _Reason = "", as_json: JsonFlag = False) -> None:
    """End a run: its driver finishes the steps under way, or is cut off; drafts stay drafts."""
    from agent.opening import open_runner
    from services.settings import load_settings

    settings = load_settings()

    async def work() -> RunRecord:
        async with open_runner(settings) as runner:
            return await runner.cancel(run, by=settings.reviewer, reason=reason)

    record = asyncio.run(work())
    if as_json:
        print_json({"run_id": record.id, "status": record.status})
    else:
        err().print(f"{record.id}: {record.status}")


def rollback(
    run: RunArgument,
    *,
    to: Annotated[str, typer.Option(metavar="STEP", help=f"The step to do again: {_PLACE}")],
    reason: _Reason = "",
    later: _Later = False,
    as_json: JsonFlag = False,
) -> None:
    """Take a run back to a step and go on from there; what came after is superseded, not deleted."""
    from agent.cli.drive import drive, finish
    from agent.opening import open_runner
    from agent.rewind import Place
    from services.settings import load_settings

    settings = load_settings()
    place = Place.parse(to)

    async def work() -> int:
        async with open_runner(settings) as runner:
            rewound = await runner.rollback(run, place, by=settings.reviewer, reason=reason)
            err().print(f"{run}: back to {place}; superseded: {', '.join(rewound.superseded)}")
            if later:
                if as_json:
                    print_json(rewound)
                return 0
            return await finish(runner, await drive(runner, run), as_json=as_json)

    raise typer.Exit(asyncio.run(work()))


def fork(
    run: RunArgument,
    *,
    at: Annotated[str, typer.Option(metavar="STEP", help=f"Where the copy goes on: {_PLACE}")],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change the request: question, template, as_of or formats; may be repeated.",
        ),
    ] = None,
    run_id: Annotated[str | None, typer.Option(help="Name the copy.")] = None,
    later: _Later = False,
    as_json: JsonFlag = False,
) -> None:
    """Go on from a step of a run in a copy of it, with changes; the run itself stays as it is."""
    from agent.cli.drive import drive, finish
    from agent.intake import copy_run_id
    from agent.opening import open_runner
    from agent.rewind import Place
    from services.settings import load_settings

    settings = load_settings()
    place, changes = Place.parse(at), _changes(set_ or [])

    async def work() -> int:
        async with open_runner(settings) as runner:
            name = copy_run_id(run_id, await runner.stores.runs.get(run))
            await runner.fork(run, name, place, by=settings.reviewer, changes=changes)
            err().print(f"run {name}  from {run} at {place}")
            if later:
                if as_json:
                    print_json({"run_id": name, "status": "queued"})
                return 0
            return await finish(runner, await drive(runner, name), as_json=as_json)

    raise typer.Exit(asyncio.run(work()))


def withdraw(
    run: RunArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is printed on the report.")],
    as_json: JsonFlag = False,
) -> None:
    """Take a published report back: its files say WITHDRAWN, and why."""
    from agent.cli.drive import report_files
    from agent.opening import open_runner
    from services.settings import load_settings

    settings = load_settings()

    async def work() -> RunRecord:
        async with open_runner(settings) as runner:
            return await runner.withdraw(run, by=settings.reviewer, reason=reason)

    record = asyncio.run(work())
    if as_json:
        files = [str(path) for path in report_files(record)]
        print_json({"run_id": record.id, "status": record.status, "files": files})
    else:
        err().print(f"{record.id}: withdrawn; its files say so")


def history(run: RunArgument, *, as_json: JsonFlag = False) -> None:
    """Print what happened in a run, oldest first: checkpoints, tries, decisions, effects."""
    from agent.history import history as told
    from agent.opening import open_runner
    from services.settings import load_settings

    async def found() -> tuple[Moment, ...]:
        async with open_runner(load_settings()) as runner:
            return await told(runner.stores, runner.graph, run)

    moments = asyncio.run(found())
    if as_json:
        print_json([moment.model_dump(mode="json") for moment in moments])
        return
    rows = table("time", "kind", "what", "detail", "where")
    for moment in moments:
        rows.add_row(
            local(moment.at), moment.kind, moment.what, moment.detail[:120], moment.place[:18]
        )
    out().print(rows)


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="Run id.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Run id.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Print how the report of run B differs from that of run A."""
    from agent.comparison import compare
    from agent.opening import open_runner
    from services.settings import load_settings

    async def found() -> Comparison:
        async with open_runner(load_settings()) as runner:
            return await compare(runner.stores, runner.graph, first, second)

    compared = asyncio.run(found())
    if as_json:
        print_json(compared)
        return
    rows = table("what", "name", "", first, second, "by", right=("by",))
    for one in compared.differences:
        moved = "" if one.by is None else f"{one.by.normalize():+f}"
        rows.add_row(one.what, one.name[:80], one.change, one.before[:90], one.after[:90], moved)
    if compared.differences:
        out().print(rows)
    same = "the same report" if compared.same_report else "different reports"
    count = len(compared.differences)
    err().print(f"{same}: {count} differences, {compared.same_figures} figures the same")


def _changes(given: list[str]) -> dict[str, Any]:
    from services.errors import Invalid

    changes: dict[str, Any] = {}
    for text in given:
        key, found, value = text.partition("=")
        if not found or not key:
            raise Invalid(
                "A change is written KEY=VALUE.", hint="for example --set as_of=2026-06-30"
            )
        changes[key.strip()] = value.split(",") if key.strip() == "formats" else value
    return changes
