"""The command tree, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from typing import Annotated

import typer

from agent.cli import (
    access,
    ask,
    audit,
    away,
    config,
    decide,
    doctor,
    guard,
    mcp,
    model,
    report,
    review,
    rewind,
    run,
    schedule,
    serve,
    store,
    texts,
    warehouse,
    webhook,
)
from agent.cli.console import err, print_error

app = typer.Typer(
    name="assay",
    help="Financial risk reports that prove their own figures.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"assay {version('assay')}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Financial risk reports that prove their own figures."""
    del version
    if debug:
        os.environ["ASSAY_DEBUG"] = "1"


app.command("report")(report.report)
app.command("ask")(ask.ask)
for command in (
    *(rewind.cancel, rewind.rollback, rewind.fork, rewind.withdraw),
    *(rewind.history, rewind.diff),
):
    run.app.command()(command)
for leave in (away.away, away.back, away.absences):
    review.app.command()(leave)
for answer in (decide.approve, decide.reject, decide.respond, decide.edit, texts.texts):
    review.app.command()(answer)
app.add_typer(run.app, name="run")
app.add_typer(review.app, name="review")
app.add_typer(schedule.app, name="schedule")
app.add_typer(warehouse.app, name="warehouse")
app.add_typer(store.app, name="store")
app.add_typer(guard.app, name="guard")
app.add_typer(audit.app, name="audit")
app.add_typer(webhook.app, name="webhook")
app.add_typer(model.app, name="model")
app.add_typer(access.app, name="access")
app.add_typer(config.app, name="config")
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("mcp")(mcp.mcp)


def main() -> None:
    """Run the command line; every way out has its documented exit code."""
    # A command makes many long-lived values and soon ends: looking for garbage as often as the
    # default does costs a report a tenth of its time.
    gc.set_threshold(100_000, 50, 50)
    try:
        app()
    except KeyboardInterrupt:
        err().print("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone; writing more, at exit too, would only fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 (the last seam: a person reads what comes out)
        if os.environ.get("ASSAY_DEBUG"):
            traceback.print_exc()
        sys.exit(print_error(error))
