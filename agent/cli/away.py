"""`assay review away|back|absences`: who stands in for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agent.cli.console import JsonFlag, err, out, print_json, table
from agent.cli.review import ByOption

if TYPE_CHECKING:
    from agent.absences import StandIns
    from services.review import Absence

_T = TypeVar("_T")
ForOption = Annotated[
    str | None, typer.Option("--for", metavar="NAME", help="Who is away; default: yourself.")
]


def away(
    to: Annotated[str, typer.Argument(metavar="NAME", help="Who stands in.")],
    *,
    until: Annotated[
        datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="The last day away.")
    ],
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="The first day away; default: today."),
    ] = None,
    person: ForOption = None,
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """
    Have reviews go to somebody else from one day to another: new ones, and those not begun.

    Afterwards what nobody has begun with comes back. Days are those of the review policy's zone.
    """

    async def work(rota: StandIns, me: str) -> Absence:
        first = since.date() if since else rota.today()
        name = person or me
        tenant = await rota.tenant_of(name)
        return await rota.set(name, to, first, until.date(), by=me, tenant=tenant)

    _tell(_working(by, work), "reviews of {} go to {}, {}", as_json=as_json)


def back(*, person: ForOption = None, by: ByOption = None, as_json: JsonFlag = False) -> None:
    """End an absence: what nobody has begun with comes back."""

    async def work(rota: StandIns, me: str) -> Absence:
        name = person or me
        return await rota.end(name, by=me, tenant=await rota.tenant_of(name))

    _tell(_working(by, work), "reviews of {} no longer go to {}", as_json=as_json)


def absences(*, as_json: JsonFlag = False) -> None:
    """List who is away, or will be, and who stands in."""

    async def work(rota: StandIns, _: str) -> tuple[Absence, ...]:
        return await rota.stores.absences.list()

    found = _working(None, work)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    if not found:
        err().print("nobody is away; `assay review away NAME --until DATE` says so")
        return
    rows = table("who", "first day", "last day", "stands in", "set by")
    for one in found:
        rows.add_row(one.person, str(one.first), str(one.last), one.to, one.set_by)
    out().print(rows)


def _tell(absence: Absence, said: str, *, as_json: bool) -> None:
    days = _days(absence.first, absence.last)
    err().print(said.format(absence.person, absence.to, days))
    if as_json:
        print_json(absence)


def _days(first: date, last: date) -> str:
    return f"from {first} to {last}"


def _working(by: str | None, work: Callable[[StandIns, str], Awaitable[_T]]) -> _T:
    from agent.absences import StandIns
    from agent.driving import now
    from agent.stores import open_stores
    from services.settings import load_settings

    settings = load_settings(reviewer=by)

    async def opened() -> _T:
        async with open_stores(settings) as stores:
            return await work(StandIns(stores, now), settings.reviewer)

    return asyncio.run(opened())
