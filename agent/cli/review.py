"""`assay review`: what waits for a person, who has it, and the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli.console import JsonFlag, ago, err, local, out, print_json, table

if TYPE_CHECKING:
    from agent.desk import Desk
    from agent.exhibits import ReviewDetail
    from agent.stores import Stores
    from services.evidence import Plain
    from services.review import Breach, ItemStatus, ReviewItem, Tab

app = typer.Typer(help="Decide what a machine may not.", no_args_is_help=True)
ItemArgument = Annotated[
    str,
    typer.Argument(metavar="ITEM", help="Item id, or a run id when the run waits for one item."),
]
ByOption = Annotated[
    str | None, typer.Option("--by", help="Name to decide under; default: the reviewer setting.")
]
VersionOption = Annotated[
    int | None,
    typer.Option("--version", help="Only if the item is still of the version that you looked at."),
]


@app.command("list")
def list_items(  # noqa: PLR0913 (one parameter an option)
    *,
    status: Annotated[
        Literal["open", "decided", "superseded", "all"], typer.Option(help="Which items.")
    ] = "open",
    mine: Annotated[bool, typer.Option("--mine", help="Those that you have.")] = False,
    unassigned: Annotated[bool, typer.Option("--unassigned", help="Those nobody has.")] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="Those past their deadline.")] = False,
    second: Annotated[
        bool, typer.Option("--second", help="Those that wait for a second approval.")
    ] = False,
    done: Annotated[bool, typer.Option("--done", help="Those that wait no more.")] = False,
    by: Annotated[
        str | None, typer.Option("--by", help="Whose are yours; default: the reviewer setting.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List what waits for a person, oldest first; of a tab, what is due first."""
    tabs: dict[Tab, bool] = {
        "mine": mine,
        "unassigned": unassigned,
        "overdue": overdue,
        "second": second,
        "done": done,
    }
    chosen: list[Tab] = [name for name, wanted in tabs.items() if wanted]
    if len(chosen) > 1:
        raise typer.BadParameter("Choose one of --mine, --unassigned, --overdue, --second, --done.")
    if chosen:
        items, alone = asyncio.run(_tab(chosen[0], by))
    else:
        items, alone = asyncio.run(_list(None if status == "all" else status))
    if as_json:
        print_json([item.model_dump(mode="json") for item in items])
        return
    if not items:
        err().print("nothing waits" if status == "open" and not done else "no items")
        return
    _print_rows(items, alone=alone)


def _print_rows(items: tuple[ReviewItem, ...], *, alone: int | None) -> None:
    rows = table(
        "item", "run", "kind", "what is asked", "at risk", "age", "due", "with", "votes", "status"
    )
    for item in items:
        rows.add_row(
            item.id,
            item.run_id,
            item.kind,
            item.title,
            item.at_risk or "n/a",
            ago(item.created_at),
            _due(item),
            _holder(item),
            f"{len(item.approved_by)} of {min(item.needed, alone or item.needed)}",
            item.status,
        )
    out().print(rows)


@app.command()
def show(item: ItemArgument, *, as_json: JsonFlag = False) -> None:
    """Print one item with everything a decision needs."""
    found = asyncio.run(_find(item))
    if as_json:
        print_json(found)
        return
    console = out()
    console.print(f"{found.id}  {found.kind}  {found.status}  version {found.version}")
    console.print(
        f"run       {found.run_id}" + (f", section {found.section}" if found.section else "")
    )
    console.print(f"opened    {local(found.created_at)} ({ago(found.created_at)})")
    if found.deadline is not None and found.status == "open":
        console.print(f"due       {local(found.deadline.due_at)} ({_due(found)})")
    console.print(f"with      {_holder(found)}")
    console.print(f"title     {found.title}")
    console.print(f"question  {found.question}")
    for line in found.detail:
        console.print(f"          {line}")
    if found.breach is not None:
        _print_breach(found.breach)
    if found.at_risk:
        console.print(f"at risk   {found.at_risk}")
    _print_case(found)
    if found.report_digest:
        console.print(f"digest    {found.report_digest}")
    if found.edited_by:
        console.print(f"edited by {', '.join(found.edited_by)}")
    _print_votes(found)


def _print_breach(breach: Breach) -> None:
    console = out()
    if breach.change:
        console.print(f"change    {breach.change}")
    if breach.owner:
        role = f", {breach.owner_role}" if breach.owner_role else ""
        console.print(f"owner     {breach.owner}{role}")


def _print_case(found: ReviewDetail) -> None:
    """What failed first, then what is against it, then what it rests on."""
    from agent.exhibits import other_findings
    from reports.render import words
    from services.analysis.failures import MASK

    console = out()
    for claim in found.claims:
        console.print(f"failed    {claim.label} ({claim.claim}): {claim.reason}")
        console.print(f"          expected {claim.expected}")
        console.print(f"          found {claim.found}")
    if found.query:
        _print_sql("query", words.laid_out(found.query))
    for finding in other_findings(found):
        who = "guard" if found.query else "checks"
        console.print(f"{who:<9} {finding.rule}: {finding.message} {finding.hint}")
    for one in found.evidence:
        made = one.computation or one.kind.replace("_", " ")
        console.print(f"evidence  {one.id} ({made}), {one.row_count:,} rows, {one.page}")
        if one.sql:
            _print_sql("", words.laid_out(one.sql))
        rows = table(*(column.label or column.name for column in one.columns))
        for row in one.rows:
            shown = zip(row, one.columns, strict=True)
            rows.add_row(*(MASK if column.masked else _cell(value) for value, column in shown))
        console.print(rows)
        if one.more:
            console.print(f"          {one.more:,} more")


def _cell(value: Plain) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return format(value, ",.12g") if is_number else "NULL" if value is None else str(value)


def _print_sql(head: str, sql: str) -> None:
    for number, line in enumerate(sql.splitlines()):
        out().print(f"{'' if number else head:<9} {line}")


def _print_votes(found: ReviewItem) -> None:
    console = out()
    if found.needed > 1:
        said = f", by {', '.join(found.approved_by)}" if found.approved_by else ""
        console.print(f"approvals {len(found.approved_by)} of {found.needed}{said}")
    for remark in found.remarks:
        console.print(f"remark    {remark.by}, {local(remark.at)}: {remark.note}")
    if found.decision is not None and found.decided_at is not None:
        console.print(
            f"decision  {found.decision.kind} by {found.decided_by}, {local(found.decided_at)}"
        )
        if found.votes and found.votes[-1].note:
            console.print(f"          {found.votes[-1].note}")
    else:
        console.print(f"answers   {', '.join(found.choices)}")


@app.command()
def claim(
    item: ItemArgument,
    *,
    take: Annotated[
        bool, typer.Option("--take", help="Even if somebody else has it open.")
    ] = False,
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Have an item open: for a while nobody else decides it."""
    found = asyncio.run(_at_desk(by, lambda desk: desk.claim(item, take=take)))
    _tell(found, f"open with {found.claim.by if found.claim else 'nobody'}", as_json=as_json)


@app.command()
def release(item: ItemArgument, *, by: ByOption = None, as_json: JsonFlag = False) -> None:
    """Have an item open no more."""
    found = asyncio.run(_at_desk(by, lambda desk: desk.release(item)))
    _tell(found, "released", as_json=as_json)


@app.command()
def assign(
    item: ItemArgument,
    to: Annotated[str | None, typer.Argument(metavar="NAME", help="Who is to decide it.")] = None,
    *,
    nobody: Annotated[bool, typer.Option("--nobody", help="Take it from who has it.")] = False,
    version: VersionOption = None,
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Give an item to somebody, or with --nobody to nobody."""
    if (to is None) != nobody:
        raise typer.BadParameter("Name who is to decide it, or give --nobody.")
    found = asyncio.run(_at_desk(by, lambda desk: desk.assign(item, to, version=version)))
    _tell(found, f"assigned to {found.assignee or 'nobody'}", as_json=as_json)


@app.command()
def delegate(
    item: ItemArgument,
    to: Annotated[str, typer.Argument(metavar="NAME", help="Who decides it instead of you.")],
    *,
    version: VersionOption = None,
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Hand on an item that you have."""
    found = asyncio.run(_at_desk(by, lambda desk: desk.delegate(item, to, version=version)))
    _tell(found, f"delegated to {found.assignee}", as_json=as_json)


def _tell(item: ReviewItem, what: str, *, as_json: bool) -> None:
    err().print(f"{what}: {item.title}")
    if as_json:
        print_json(item)


def _due(item: ReviewItem) -> str:
    """How far the deadline is away, in words."""
    from datetime import UTC, datetime

    if item.deadline is None or item.status != "open":
        return ""
    left = int((item.deadline.due_at - datetime.now(UTC)).total_seconds())
    if left <= 0:
        return f"OVERDUE, {ago(item.deadline.due_at)}"
    hours, minutes = divmod(left // 60, 60)
    return f"in {hours // 24} d {hours % 24} h" if hours >= 24 else f"in {hours} h {minutes} min"


def _holder(item: ReviewItem) -> str:
    from datetime import UTC, datetime

    holder = item.claimed_by(datetime.now(UTC))
    if holder is not None and item.claim is not None:
        return f"open with {holder} since {ago(item.claim.at).removesuffix(' ago')}"
    if item.assignee:
        return f"{item.assignee}, {item.away}" if item.away else item.assignee
    return f"role {item.escalated_to}" if item.escalated_to else "nobody"


async def _at_desk(by: str | None, work: Callable[[Desk], Awaitable[ReviewItem]]) -> ReviewItem:
    from agent.desk import Desk
    from agent.stores import open_stores
    from services.settings import load_settings

    settings = load_settings(reviewer=by)
    async with open_stores(settings) as stores:
        return await work(Desk(stores, settings.reviewer))


async def _list(status: ItemStatus | None) -> tuple[tuple[ReviewItem, ...], int | None]:
    """The items, and how many approvals are enough where one person works alone."""
    from agent.stores import open_stores
    from services.settings import load_settings

    async with open_stores(load_settings()) as stores:
        return await stores.reviews.list(status), await _alone(stores)


async def _alone(stores: Stores) -> int | None:
    policy = stores.reviews.policy
    return policy.single_user_approvals if await stores.is_single_user() else None


async def _tab(tab: Tab, by: str | None) -> tuple[tuple[ReviewItem, ...], int | None]:
    from agent.driving import now
    from agent.stores import open_stores
    from services.access import ROLES
    from services.review import Filters, sort_into
    from services.settings import load_settings

    settings = load_settings(reviewer=by)
    async with open_stores(settings) as stores:
        items = await stores.reviews.list("open" if tab != "done" else None, limit=1_000)
        alone = await _alone(stores)
    inbox = sort_into(items, Filters(), person=settings.reviewer, roles=ROLES, at=now())
    return inbox.tabs[tab], alone


async def _find(ref: str) -> ReviewDetail:
    from agent.exhibits import detail_of
    from agent.stores import open_stores
    from services.settings import load_settings

    async with open_stores(load_settings()) as stores:
        return await detail_of(stores, await stores.reviews.find(ref))
