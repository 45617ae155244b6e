"""`assay serve` and `assay worker`: the HTTP door, and the process that drives what it accepts."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from typing import Annotated

import typer

from agent.cli.console import err


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve the HTTP API. Without an API key it listens on the loopback address only."""
    from services.errors import SettingInvalid
    from services.settings import load_settings

    settings = load_settings()
    if settings.api_key is None and not _is_loopback(host):
        raise SettingInvalid(
            f"Without an API key the server listens on the loopback address only, not on {host}",
            hint="set ASSAY_API_KEY, or leave --host out",
        )
    import uvicorn

    from agent.cli.report import ensure_warehouse
    from agent.web.app import make_app

    ensure_warehouse(settings)
    err().print(f"listening on http://{host}:{port}")
    uvicorn.run(make_app(settings), host=host, port=port, log_level="warning")


def worker() -> None:
    """
    Drive queued runs, one at a time, until stopped. Any number of workers may run.

    A stop (SIGTERM, Ctrl-C) finishes the steps under way and hands the run over; a second one
    ends at once, and loses nothing either.
    """
    from agent.cli.drive import Progress
    from agent.opening import open_runner
    from agent.worker import Worker
    from services.settings import load_settings

    settings = load_settings()

    async def work() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _told_to_stop, stop, number)
        async with open_runner(settings) as runner:
            err().print("worker ready")
            await Worker(runner, stop, Progress(), err().print).serve()
        err().print("worker stopped")

    asyncio.run(work())


def _told_to_stop(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    stop.set()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
