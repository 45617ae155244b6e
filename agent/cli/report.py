"""`assay report`: the main job."""

from __future__ import annotations

import asyncio
import webbrowser
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import JsonFlag, err, is_interactive

if TYPE_CHECKING:
    from agent.runner import Runner
    from services.settings import Settings
    from services.store import RunRecord

_FORMATS = "html,pdf,xlsx,md,json"


def report(  # noqa: PLR0913 (one parameter an option)
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help="Ask one question instead.")
    ] = None,
    *,
    template: Annotated[str, typer.Option(help="Name of the report template.")] = "quarterly",
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Date to report on; default: the last in the data."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files; default: ./assay-reports/RUN.")
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Comma-separated list of formats.")
    ] = _FORMATS,
    run_id: Annotated[
        str | None, typer.Option(help="Name the run; a run of that name is continued.")
    ] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Never ask.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """
    Write a risk report: plan, query, check every figure, compose, and wait for approval.

    Exit code 3 says that the draft is written and waits for a person.
    """
    err().print(f"assay report  {question or template}")
    from agent.cli.drive import drive, finish
    from agent.opening import open_runner
    from services.settings import load_settings

    settings = load_settings()
    ensure_warehouse(settings)
    wanted = _Wanted(question or "", template, as_of.date() if as_of else None, out, formats)

    async def work() -> int:
        async with open_runner(settings) as runner:
            name = await _accept(runner, run_id, wanted)
            record = await drive(runner, name)
            if open_:
                _open(record)
            if record.status == "waiting" and is_interactive(no_input=no_input):
                record = await _ask(runner, record)
            return await finish(runner, record, as_json=as_json)

    raise typer.Exit(asyncio.run(work()))


@dataclass(frozen=True)
class _Wanted:
    """The command's options, as given."""

    question: str
    template: str
    as_of: date | None
    out: Path | None
    formats: str

    @property
    def is_default(self) -> bool:
        """Whether nothing was asked for but a run's name."""
        return self == _Wanted("", "quarterly", None, None, _FORMATS)


async def _accept(runner: Runner, run_id: str | None, wanted: _Wanted) -> str:
    """The id of the run: a new one, or the one of that name, which must ask for the same."""
    from agent.intake import new_run_id, prepare
    from services.errors import NotFound

    name = new_run_id(run_id, question=wanted.question, template=wanted.template)
    if run_id is not None and wanted.is_default:
        with suppress(NotFound):
            await runner.stores.runs.get(name)
            return name
    accepted = await asyncio.to_thread(
        prepare,
        runner.settings,
        name,
        question=wanted.question,
        template=wanted.template,
        as_of=wanted.as_of,
        output=wanted.out,
        formats=wanted.formats.split(","),
    )
    await runner.accept(name, accepted)
    if wanted.as_of not in (None, accepted.request.as_of):
        err().print(f"no data as of {wanted.as_of}: the last before it is taken")
    err().print(f"run {name}  as of {accepted.request.as_of}  snapshot {accepted.snapshot[:16]}")
    return name


def ensure_warehouse(settings: Settings) -> None:
    """Build the sample when there is no warehouse at all; a damaged one is left for its owner."""
    from services.warehouse import build_sample, current_snapshot

    if current_snapshot(settings.warehouse_dir) is None:
        err().print("no warehouse yet: building the sample of a fictional bank ...")
        build_sample(settings.warehouse_dir)


async def _ask(runner: Runner, record: RunRecord) -> RunRecord:
    """Offer the decision to the person at the terminal."""
    from rich.prompt import Prompt

    from services.review import Approve, Decision, Reject, Respond

    items = [i for i in await runner.stores.reviews.of_run(record.id) if i.status == "open"]
    for item in items:
        for line in (item.title, item.question, *item.detail):
            err().print(line)
        choices = [choice for choice in item.choices if choice != "edit"]
        answer = Prompt.ask("decision", choices=[*choices, "later"], default="later", console=err())
        decision: Decision
        match answer:
            case "approve":
                decision = Approve()
            case "reject":
                decision = Reject(reason=_words("reason"))
            case "respond":
                decision = Respond(text=_words("answer"))
            case _:
                continue
        await runner.decide(item.id, decision, by=runner.settings.reviewer)
    from agent.cli.drive import drive

    return await drive(runner, record.id)


def _words(what: str) -> str:
    from rich.prompt import Prompt

    while not (text := Prompt.ask(what, console=err()).strip()):
        continue
    return text


def _open(record: RunRecord) -> None:
    from agent.cli.drive import report_files

    pages = [path for path in report_files(record) if path.suffix == ".html"]
    if pages:
        webbrowser.open(pages[0].as_uri())
