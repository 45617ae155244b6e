"""`assay serve` and `assay worker`: the HTTP door, and the process that drives what it accepts."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import err

if TYPE_CHECKING:
    from agent.runner import Runner


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
    """Drive queued runs, one at a time, until stopped. Any number of workers may run."""
    from agent.opening import open_runner
    from services.settings import load_settings

    settings = load_settings()

    async def work() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with open_runner(settings) as runner:
            err().print("worker ready")
            while not stop.is_set():
                if not await _drive_one(runner, stop):
                    await _pause(stop)
        err().print("worker stopped")

    asyncio.run(work())


async def _drive_one(runner: Runner, stop: asyncio.Event) -> bool:
    """Drive the oldest queued run; False when there is none. A stop leaves it resumable."""
    from agent.cli.drive import Progress
    from services.errors import AssayError

    queued = await runner.stores.runs.list(status="queued", limit=100)
    for record in reversed(queued):
        drive = asyncio.create_task(runner.drive(record.id, Progress()))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({drive, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        drive.cancel()
        try:
            done = await drive
        except asyncio.CancelledError:
            return True
        except AssayError as error:
            err().print(f"{record.id}: {error.code} {error.message}")
            continue
        err().print(f"{done.id}: {done.status}")
        return True
    return False


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(1):
            await stop.wait()
    except TimeoutError:
        return


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
