"""How the command line speaks: data on stdout, everything else on stderr, words before colour."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.table import Table

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@cache
def out() -> Console:
    """The console of stdout, for data that people read."""
    return _console(stderr=False)


@cache
def err() -> Console:
    """The console of stderr, for everything that is not data."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        highlight=False,
        markup=False,
        emoji=False,
        # Whoever reads a file or a pipe gets whole lines; a terminal wraps at its own width.
        width=None if stream.isatty() else 240,
        no_color=True if os.environ.get("TERM") == "dumb" else None,
    )


@cache
def program() -> str:
    """How this program is called from here: `assay` where the shell finds it, else its path."""
    called = Path(sys.argv[0])
    if called.name != "assay" or shutil.which("assay"):
        return "assay"
    return shlex.quote(os.path.relpath(called))


def is_interactive(*, no_input: bool) -> bool:
    """Whether a person can be asked right now."""
    return not no_input and sys.stdin.isatty() and sys.stderr.isatty()


def print_json(document: BaseModel | dict[str, Any] | list[Any]) -> None:
    """One JSON document on stdout."""
    from pydantic import BaseModel

    plain = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    sys.stdout.write(json.dumps(plain, ensure_ascii=False, indent=2, default=str) + "\n")


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table with these heads; those named in *right* are aligned right."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def print_error(error: Exception) -> int:
    """Say what happened, why, and what to do; the exit code."""
    from services.errors import AssayError, TextRefused

    if isinstance(error, TextRefused):
        for word, why in error.problems:
            err().print(f"{word}: {why}" if word else why, markup=False)
    if isinstance(error, AssayError):
        return print_failure(error.code, error.message, error.hint, error.exit_code)
    return print_failure(
        "A000",
        f"Unexpected error ({type(error).__name__})",
        f"the traceback is in {write_log(error)}; `assay --debug ...` shows it here",
        1,
    )


def print_failure(code: str, message: str, hint: str, exit_code: int) -> int:
    """An error in the one form that all errors have."""
    from rich.text import Text

    err().print(Text.assemble((f"error {code}", "bold red"), f"  {message}"))
    if hint:
        err().print(f"  try: {hint}")
    err().print(f"  see: docs/errors.md#{code.lower()}")
    return exit_code


def write_log(error: Exception) -> str:
    """Keep the traceback of *error* in a file of its own; where."""
    import tempfile
    import traceback

    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = Path(tempfile.gettempdir()) / f"assay-{os.getuid()}-{stamp}-{os.getpid()}.log"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return "no log (the temporary folder cannot be written)"
    return str(path)


def ago(moment: datetime) -> str:
    """How long ago, in the largest unit that says it."""
    seconds = int((datetime.now(UTC) - moment).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{max(seconds, 0)} s ago"


def local(moment: datetime) -> str:
    """A moment in the local zone, with the zone's name."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
