"""Ways to keep a store still for a moment: nothing is let go, or nobody writes."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from redis.asyncio import Redis

from services.errors import StoreUnavailable

from ._connection import redis_errors
from ._references import HOLD

LEASES: Final = b"assay:lease:"

_HOLD_MS: Final = 120_000
_PAUSE_WITH_RUNS: Final = 6.0
"""Seconds. A driver gives its run up when the store is silent for ten."""
_PAUSE_WITHOUT: Final = 100.0


@asynccontextmanager
async def held(redis: Redis) -> AsyncIterator[str]:
    """Keep everything that is stored, until the end or for two minutes after a kill."""
    token = secrets.token_hex(16)
    with redis_errors():
        if not await redis.set(HOLD, token, nx=True, px=_HOLD_MS):
            raise StoreUnavailable(
                "Another backup or restore is under way.",
                hint="Try again once it is finished; one that was killed is forgotten after two minutes.",
            )
    try:
        yield token
    finally:
        with suppress(StoreUnavailable):
            await extend(redis, token, milliseconds=0)


_EXTEND: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


async def extend(redis: Redis, token: str, *, milliseconds: int = _HOLD_MS) -> None:
    with redis_errors():
        held = await redis.register_script(_EXTEND)(keys=[HOLD], args=[token, milliseconds])
    if not held:
        raise StoreUnavailable(
            "The backup or restore took too long between two steps, and was given up.",
            hint="Try again when the machine has less to do.",
        )


@asynccontextmanager
async def paused(redis: Redis) -> AsyncIterator[Callable[[], bool]]:
    """Let whoever writes to the store wait; gives a function that says whether they still do."""
    with redis_errors():
        drivers = [key async for key in redis.scan_iter(LEASES + b"*", count=1000)]
        seconds = _PAUSE_WITH_RUNS if drivers else _PAUSE_WITHOUT
        begun = time.monotonic()
        await redis.client_pause(int(seconds * 1000), all=False)
    try:
        yield lambda: time.monotonic() - begun < seconds
    finally:
        with suppress(StoreUnavailable), redis_errors():
            await redis.client_unpause()
