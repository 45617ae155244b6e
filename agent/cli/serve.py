"""`assay serve` and `assay worker`: the HTTP door, and the process that drives what it accepts."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import err

if TYPE_CHECKING:
    from services.settings import Settings


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the port.")
    ] = 1,
    proxy: Annotated[
        str,
        typer.Option(
            metavar="ADDRESSES",
            help="Reverse proxies (addresses or networks, with commas) whose X-Forwarded-For and X-Forwarded-Proto are believed.",
        ),
    ] = "",
) -> None:
    """Serve the pages and the HTTP API. Without keys or users: on the loopback address only."""
    from services.errors import SettingInvalid
    from services.settings import load_settings

    settings = load_settings()
    _check_proxies(proxy)
    if asyncio.run(_is_open(settings)):
        if not _is_loopback(host):
            raise SettingInvalid(
                f"Without keys or users the server listens on the loopback address only, not on {host}",
                hint="make a key with `assay access key add`, set ASSAY_API_KEY, or leave --host out",
            )
        if proxy:
            raise SettingInvalid(
                "Without keys or users nobody may ask through a proxy: all would seem to be here",
                hint="make a key with `assay access key add`, set ASSAY_API_KEY, or leave --proxy out",
            )
        err().print(f"no keys, no users: open to {settings.reviewer} on this machine only")

    from agent.cli.report import ensure_warehouse
    from agent.web.server import listen

    ensure_warehouse(settings)
    err().print(f"listening on http://{host}:{port}")
    listen(host, port, proxy=proxy, processes=processes)


async def _is_open(settings: Settings) -> bool:
    from agent.stores import open_stores
    from agent.web.access import is_open

    async with open_stores(settings) as stores:
        return await is_open(stores.redis, settings)


def worker() -> None:
    """
    Drive queued runs, one at a time, until stopped. Any number of workers may run.

    A stop (SIGTERM, Ctrl-C) finishes the steps under way and hands the run over; a second one
    ends at once, and loses nothing either.
    """
    from agent.chores import chores_of
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
            async with chores_of(runner, err().print) as chores:
                await Worker(runner, stop, Progress(), err().print, chores).serve()
        err().print("worker stopped")

    asyncio.run(work())


def _told_to_stop(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    stop.set()


def _check_proxies(proxies: str) -> None:
    """Raise `SettingInvalid` for what is no list of addresses; `*` would believe anybody."""
    from services.errors import SettingInvalid

    try:
        for part in filter(None, proxies.split(",")):
            ipaddress.ip_network(part.strip())
    except ValueError:
        raise SettingInvalid(
            "--proxy takes the addresses or networks of proxies",
            hint="such as 10.0.0.5 or 10.0.0.0/28, several with commas",
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
