"""`assay review texts`: what may be edited of a draft."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import JsonFlag, err, out, print_json, table
from agent.cli.review import ItemArgument

if TYPE_CHECKING:
    from services.analysis.editing import EditableText


def texts(
    item: ItemArgument,
    finding: Annotated[
        str | None, typer.Argument(metavar="FINDING", help="One of them, with its placeholders.")
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """
    Print the texts of a draft's findings, to be edited with `assay review edit --finding`.

    Placeholders such as {npl_ratio} are bound to evidence: they may be moved, and not left out.
    """
    from services.errors import NotFound

    found = asyncio.run(_texts(item))
    chosen = [text for text in found if finding in (None, text.finding)]
    if finding is not None and not chosen:
        raise NotFound("The draft has no such finding.", hint=f"See `assay review texts {item}`.")
    if as_json:
        print_json([text.model_dump(mode="json") for text in chosen])
    elif not chosen:
        err().print("this item has no texts to edit")
    elif finding is None:
        _print_all(chosen)
    else:
        _print_one(chosen[0])


def _print_all(found: list[EditableText]) -> None:
    rows = table("finding", "severity", "reads")
    for text in found:
        edited = " (edited)" if text.edited else ""
        rows.add_row(text.finding, f"{text.severity}{edited}", text.reads)
    out().print(rows)


def _print_one(text: EditableText) -> None:
    console = out()
    console.print(f"reads  {text.reads}", markup=False)
    console.print(f"text   {text.text}", markup=False, soft_wrap=True)
    rows = table("placeholder", "prints", "what it is", "to keep", "or instead of its word")
    for one in text.placeholders:
        needed = "yes" if one.needed else ""
        rows.add_row(one.name, one.prints, one.label, needed, ", ".join(one.words))
    console.print(rows)


async def _texts(ref: str) -> tuple[EditableText, ...]:
    from agent.opening import open_runner
    from agent.texts import texts_of
    from services.settings import load_settings

    async with open_runner(load_settings()) as runner:
        item = await runner.stores.reviews.find(ref)
        return await texts_of(runner.stores, runner.graph, item)
