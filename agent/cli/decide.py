"""`assay review approve|edit|reject|respond`: a decision, and what the run does with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import JsonFlag, err, print_json
from agent.cli.review import ByOption, ItemArgument, VersionOption

if TYPE_CHECKING:
    from services.review import Decision, ReviewItem

KeyOption = Annotated[
    str,
    typer.Option("--key", help="Of this decision: sent again with the same key it counts once."),
]
_DONE = {"approve": "approved", "edit": "edited", "reject": "rejected", "respond": "answered"}
_DONE_OF_BREACH = {"approve": "acknowledged", "reject": "disputed", "respond": "remarked on"}


def approve(
    item: ItemArgument,
    *,
    note: Annotated[
        str, typer.Option(help="A note for the record; of a breach: what is done about it.")
    ] = "",
    digest: Annotated[
        str | None, typer.Option(help="Approve only if the report still has this digest.")
    ] = None,
    version: VersionOption = None,
    key: KeyOption = "",
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Approve: publish the report, try the failed step again, or acknowledge a breach."""
    from services.review import Approve

    _decide(item, Approve(note=note), by, digest, version, key, as_json=as_json)


def reject(
    item: ItemArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; it goes into the record.")],
    version: VersionOption = None,
    key: KeyOption = "",
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Reject: do not publish, leave the failed section out, or dispute a breach."""
    from services.review import parse_decision

    decision = parse_decision({"kind": "reject", "reason": reason})
    _decide(item, decision, by, None, version, key, as_json=as_json)


def respond(
    item: ItemArgument,
    text: Annotated[str, typer.Argument(help="The answer, such as the question worded anew.")],
    *,
    version: VersionOption = None,
    key: KeyOption = "",
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Answer a clarification, and the run goes on with it; or add a remark to a breach."""
    from services.review import parse_decision

    decision = parse_decision({"kind": "respond", "text": text})
    _decide(item, decision, by, None, version, key, as_json=as_json)


def edit(  # noqa: PLR0913 (one parameter an option)
    item: ItemArgument,
    text: Annotated[str, typer.Argument(help="What to go on with, such as the question anew.")],
    *,
    query: Annotated[
        bool, typer.Option("--query", help="TEXT is SQL in place of the refused query.")
    ] = False,
    finding: Annotated[
        str,
        typer.Option(
            help="TEXT, with its placeholders, is in place of that of this finding of a draft."
        ),
    ] = "",
    version: VersionOption = None,
    key: KeyOption = "",
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """
    Go on with another input than the one that failed, or with another text of a draft.

    SQL passes the guard again first, a text the checks of its figures.
    """
    from services.review import parse_decision

    if query and finding:
        raise typer.BadParameter("Give --query or --finding, not both.")
    of = "finding" if finding else "query" if query else "question"
    decision = parse_decision({"kind": "edit", "text": text, "of": of, "finding": finding})
    _decide(item, decision, by, None, version, key, as_json=as_json)


def _decide(
    ref: str,
    decision: Decision,
    by: str | None,
    digest: str | None,
    version: int | None,
    key: str,
    *,
    as_json: bool,
) -> None:
    from agent.cli.drive import drive, finish
    from agent.opening import open_runner
    from services.settings import load_settings

    settings = load_settings(reviewer=by)

    async def work() -> int:
        async with open_runner(settings) as runner:
            item = await runner.decide(
                ref, decision, by=settings.reviewer, digest=digest, version=version, key=key
            )
            if not item.is_awaited:
                _tell_breach(
                    item, f"{_DONE_OF_BREACH[decision.kind]} by {settings.reviewer}", as_json
                )
                return 0
            err().print(f"{_DONE[decision.kind]} by {settings.reviewer}: {item.title}")
            if item.status == "open":
                err().print(
                    f"{len(item.approved_by)} of {item.needed} approvals; somebody else gives the next"
                )
            record = await drive(runner, item.run_id)
            return await finish(runner, record, as_json=as_json)

    raise typer.Exit(asyncio.run(work()))


def _tell_breach(item: ReviewItem, what: str, as_json: bool) -> None:
    """No run goes on with the answer."""
    err().print(f"{what}: {item.title}")
    if as_json:
        print_json(item)
    elif item.status == "open":
        err().print(f"{len(item.approved_by)} of {item.needed} approvals so far; it is open")
