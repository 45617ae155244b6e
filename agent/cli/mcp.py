"""`assay mcp`: the tools for an MCP client."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.console import err, write_log


def mcp(
    *,
    key_file: Annotated[
        Path | None,
        typer.Option(help="File with the API key to ask under; default: the setting mcp_key."),
    ] = None,
    work: Annotated[
        bool, typer.Option("--work", help="Do what a worker does too: no other one is needed.")
    ] = False,
) -> None:
    """
    Serve ask, report, run_status, verify and review_status to an MCP client on stdin and stdout.

    A client reads and starts runs. What waits for a person is shown to it, and not decided by it.
    """
    from agent.cli.report import ensure_warehouse
    from agent.compat.stdio import serve_stdio
    from services.settings import load_settings

    settings = load_settings()
    key = settings.mcp_key.get_secret_value() if settings.mcp_key else None
    if key_file is not None:
        key = _read(key_file)
    ensure_warehouse(settings)
    err().print("assay mcp: serving on stdin and stdout")
    asyncio.run(serve_stdio(settings, key, works=work, told=err().print, note=_noted))


def _noted(error: Exception) -> str:
    return f"the traceback is in {write_log(error)} on the server's machine"


def _read(file: Path) -> str:
    from services.errors import FileUnreadable

    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadable(
            f"The key file {file} cannot be read ({type(error).__name__})",
            hint="it holds one line, the key that `assay access key add` has shown",
        ) from error
    if not key:
        raise FileUnreadable(f"The key file {file} is empty", hint="it holds one line, the key")
    return key
