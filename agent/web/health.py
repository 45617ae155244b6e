"""
Health, for whoever watches the process: whether it lives, whether it can serve, and how it stands.

Liveness asks nothing of others: a process is not started anew because a store is away.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from agent.runner import Runner
from agent.web.access import needs
from agent.web.metrics import CONTENT_TYPE, exposition
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.errors import AssayError, NotPermitted
from services.warehouse import check_current

router = APIRouter(tags=["health"])
_BOUND: Final = 2.0
"""Seconds in which a part has to answer, or it does not."""
_LEAST_FREE: Final = 50_000_000
"""Bytes; with fewer left, a report may not fit."""


class _NotReady(Exception):
    """Why a part cannot be used, in words that hold no path, address or name."""


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "A part is not ready"}})
async def readyz(request: Request) -> Response:
    """Whether it can take requests: each part with `ok`, or with why not."""
    runner = runner_of(request)
    checks: dict[str, Callable[[Runner], Awaitable[None]]] = {
        "store": _store,
        "queue": _queue,
        "warehouse": _warehouse,
        "disk": _disk,
    }
    said = await asyncio.gather(*(_said(check(runner)) for check in checks.values()))
    parts = dict(zip(checks, said, strict=True))
    if request.app.state.closing.is_set():
        parts["process"] = "is shutting down"
    is_ready = set(parts.values()) == {"ok"}
    document: dict[str, Any] = {"status": "ok" if is_ready else "not ready", "parts": parts}
    return JSONResponse(
        document, status_code=200 if is_ready else 503, headers={"Cache-Control": "no-store"}
    )


@router.get("/metrics")
async def metrics(
    request: Request, who: Annotated[Identity, Depends(needs("administer"))]
) -> Response:
    """How the whole stands, for Prometheus; for who administers it, as it counts all tenants."""
    if who.tenant:
        raise NotPermitted(
            "This counts the runs of all tenants, and you belong to one.",
            hint="Use a key of an operator without a tenant.",
        )
    runner = runner_of(request)
    async with promptly():
        text = await exposition(runner.stores, runner.settings)
    return Response(text, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})


async def _said(check: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(_BOUND):
            await check
    except TimeoutError:
        return "does not answer in time"
    except _NotReady as reason:
        return str(reason)
    except AssayError as error:
        return f"cannot be used ({error.code})"
    except OSError as error:
        return os.strerror(error.errno or 0).lower()
    return "ok"


async def _store(runner: Runner) -> None:
    await runner.stores.ping()


async def _queue(runner: Runner) -> None:
    if (await runner.stores.queue.state()).waiting >= runner.settings.queue_limit:
        raise _NotReady("is full")


async def _warehouse(runner: Runner) -> None:
    await asyncio.to_thread(check_current, runner.settings.warehouse_dir)


async def _disk(runner: Runner) -> None:
    for folder in (runner.settings.home, runner.settings.output):
        await asyncio.to_thread(_check_writable, folder)


def _check_writable(folder: Path) -> None:
    """Write a little; of a folder that is still to be made, look at the one it will be in."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if shutil.disk_usage(there).free < _LEAST_FREE:
        raise _NotReady("is nearly full")
    if there != folder.absolute():
        if not os.access(there, os.W_OK):
            raise _NotReady("cannot be written")
        return
    probe = there / f".assay-probe-{secrets.token_hex(4)}"
    try:
        probe.write_bytes(b"ready?")
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
