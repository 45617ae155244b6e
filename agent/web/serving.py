"""What the routes share: the runner, and how long a caller may be kept by a silent store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from fastapi import Request

from agent.runner import Runner
from services.access import Identity
from services.errors import StoreUnavailable
from services.store import RunRecord

PATIENCE: Final = timedelta(seconds=2)
"""Whoever asks waits for the answer: a store that is away or silent for longer is told at once."""


def runner_of(request: Request) -> Runner:
    runner: Runner = request.app.state.runner
    return runner


async def visible_run(request: Request, who: Identity, run_id: str) -> RunRecord:
    """A run of their tenant; raises `NotFound`, in the same words, for another's and for none."""
    async with promptly():
        return await runner_of(request).stores.runs.get(run_id, tenant=who.tenant)


@asynccontextmanager
async def promptly() -> AsyncIterator[None]:
    """Bounds how long a silent store may keep a caller; its answer then is `StoreUnavailable`."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds() * 1.5):
            yield
    except TimeoutError:
        raise StoreUnavailable("The store does not answer in time.") from None
