"""`assay schedule`: reports that come again by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from agent.cli.console import JsonFlag, err, local, out, print_json, table

if TYPE_CHECKING:
    from datetime import datetime

    from agent.scheduling import Scheduler
    from agent.stores import Stores
    from services.schedules import Schedule, Timing

app = typer.Typer(
    help="Schedules: reports that come again by the clock, started by any worker.",
    no_args_is_help=True,
)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.")]
TenantOption = Annotated[str, typer.Option(help="Whose schedules; runs belong to the same.")]
_T = TypeVar("_T")
_SHOWN = 5


@app.command()
def add(  # noqa: PLR0913 (one parameter an option)
    name: NameArgument,
    cron: Annotated[
        str, typer.Option(help='Minute hour day month weekday, such as "30 6 * * MON-FRI".')
    ],
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help="Ask one question instead.")
    ] = None,
    *,
    zone: Annotated[
        str, typer.Option(help="Time zone of the cron expression, such as Europe/Berlin.")
    ] = "UTC",
    template: Annotated[str, typer.Option(help="Name of the report template.")] = "",
    formats: Annotated[
        str, typer.Option("--format", help="Comma-separated list of formats.")
    ] = "html,pdf,xlsx,md,json",
    catch_up: Annotated[
        Literal["none", "last", "all"],
        typer.Option(help="What of ticks that were missed while no worker ran is made up for."),
    ] = "last",
    catch_up_limit: Annotated[
        int, typer.Option(min=1, max=100, help="With all: most ticks made up for at once.")
    ] = 10,
    priority: Annotated[
        Literal["high", "normal", "low"], typer.Option(help="Higher ones go first.")
    ] = "normal",
    tenant: TenantOption = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the next five ticks, and add nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Have a report made again and again; a worker (`assay worker`) starts it."""
    from agent.driving import now
    from agent.scheduling import NewSchedule
    from services.settings import load_settings

    asked = NewSchedule(
        name=name,
        cron=cron,
        zone=zone,
        question=question or "",
        template=template,
        formats=tuple(formats.split(",")),
        priority=priority,
        catch_up=catch_up,
        catch_up_limit=catch_up_limit,
    )
    made = asked.made(at=now(), by=load_settings().reviewer, tenant=tenant)
    if dry_run:
        _print_ticks(made.timing, now(), _SHOWN, as_json=as_json)
        return
    stored = _changing(lambda scheduler: scheduler.add(made))
    if as_json:
        print_json(stored)
        return
    out().print(stored.name)
    err().print(f"first run {_at(stored.next_at, zone)}; a worker starts it: assay worker")


@app.command("list")
def list_schedules(*, tenant: TenantOption = "", as_json: JsonFlag = False) -> None:
    """List schedules with their next tick, and what went wrong with the last."""
    schedules = _with_stores(lambda stores: stores.schedules.list(tenant=tenant))
    if as_json:
        print_json([schedule.model_dump(mode="json") for schedule in schedules])
        return
    if not schedules:
        err().print("no schedules yet; `assay schedule add` makes one")
        return
    rows = table("schedule", "when", "asks", "next", "last run", "trouble")
    for schedule in schedules:
        rows.add_row(
            schedule.name,
            f"{schedule.timing.cron} {schedule.timing.zone}",
            schedule.asks,
            "paused" if schedule.paused else _at(schedule.next_at, schedule.timing.zone),
            schedule.last_run or "none yet",
            _trouble(schedule),
        )
    out().print(rows)


@app.command()
def show(name: NameArgument, *, tenant: TenantOption = "", as_json: JsonFlag = False) -> None:
    """Print all that is known of a schedule."""
    schedule = _with_stores(lambda stores: stores.schedules.get(name, tenant=tenant))
    if as_json:
        print_json(schedule)
        return
    console, zone = out(), schedule.timing.zone
    console.print(f"{schedule.name}  {'paused' if schedule.paused else 'active'}  {schedule.asks}")
    console.print(f"when      {schedule.timing.cron} in {zone}")
    console.print(f"catch-up  {schedule.catch_up}, {schedule.left_out} missed ticks left out")
    console.print(f"priority  {schedule.priority}")
    console.print(f"formats   {', '.join(schedule.formats)}")
    console.print(f"added     {local(schedule.created_at)} by {schedule.created_by}")
    if not schedule.paused:
        console.print(f"next      {_at(schedule.next_at, zone)}")
    if schedule.last_at is not None:
        console.print(f"last      {_at(schedule.last_at, zone)}: {schedule.last_run}")
    if schedule.last_error is not None:
        console.print(f"trouble   {_trouble(schedule)}")
        console.print(f"          {schedule.last_error.hint}")


@app.command()
def pause(name: NameArgument, *, tenant: TenantOption = "", as_json: JsonFlag = False) -> None:
    """Start nothing of a schedule until it is resumed; runs under way go on."""
    schedule = _changing(lambda scheduler: scheduler.pause(name, tenant=tenant))
    _print_state(schedule, "paused", as_json=as_json)


@app.command()
def resume(name: NameArgument, *, tenant: TenantOption = "", as_json: JsonFlag = False) -> None:
    """Go on with a paused schedule from its next tick; what it missed stays missed."""
    from agent.driving import now

    schedule = _changing(lambda scheduler: scheduler.resume(name, at=now(), tenant=tenant))
    state = f"next run {_at(schedule.next_at, schedule.timing.zone)}"
    _print_state(schedule, state, as_json=as_json)


@app.command()
def remove(name: NameArgument, *, tenant: TenantOption = "", as_json: JsonFlag = False) -> None:
    """Remove a schedule; the runs that it started stay."""
    schedule = _changing(lambda scheduler: scheduler.remove(name, tenant=tenant))
    _print_state(schedule, "removed", as_json=as_json)


@app.command("next")
def next_ticks(
    name: NameArgument,
    *,
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many ticks.")] = _SHOWN,
    tenant: TenantOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Print when a schedule ticks next."""
    from agent.driving import now

    schedule = _with_stores(lambda stores: stores.schedules.get(name, tenant=tenant))
    if schedule.paused:
        err().print(f"{name} is paused; resumed, it would tick:")
    _print_ticks(schedule.timing, now(), count, as_json=as_json)


def _print_ticks(timing: Timing, after: datetime, count: int, *, as_json: bool) -> None:
    ticks = list(islice(timing.ticks(after), count))
    if as_json:
        print_json([tick.isoformat() for tick in ticks])
        return
    for tick in ticks:
        out().print(f"{_at(tick, timing.zone)}  {tick:%Y-%m-%d %H:%M} UTC")


def _print_state(schedule: Schedule, state: str, *, as_json: bool) -> None:
    if as_json:
        print_json(schedule)
    else:
        err().print(f"{schedule.name}: {state}")


def _trouble(schedule: Schedule) -> str:
    error = schedule.last_error
    return f"{error.code} {error.message}" if error else ""


def _at(moment: datetime, zone: str) -> str:
    """A moment as the clock of its schedule shows it."""
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M %Z")


def _changing(act: Callable[[Scheduler], Awaitable[_T]]) -> _T:
    from agent.scheduling import Scheduler
    from services.settings import load_settings

    return _with_stores(lambda stores: act(Scheduler(stores, by=load_settings().reviewer)))


def _with_stores(act: Callable[[Stores], Awaitable[_T]]) -> _T:
    from agent.stores import open_stores
    from services.settings import load_settings

    settings = load_settings()

    async def done() -> Any:
        async with open_stores(settings) as stores:
            return await act(stores)

    made: _T = asyncio.run(done())
    return made
