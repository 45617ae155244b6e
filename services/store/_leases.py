"""One run, one driver: a lease that its holder renews and that expires when the holder dies."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from redis.asyncio import Redis

from services.errors import RunBusy, StoreUnavailable

from ._connection import redis_errors

TTL: Final = timedelta(seconds=10)

_LEASE: Final = "assay:lease:"
_FENCE: Final = "assay:fence:"

# A retry after a lost answer finds its own value in place, and its number still the last.
_ACQUIRE: Final = """
local current = redis.call('GET', KEYS[1])
if current == ARGV[1] then return {tonumber(redis.call('GET', KEYS[2])), current} end
if current then return {0, current} end
local fence = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {fence, ARGV[1]}
"""

# An expired lease that nobody took since is still ours: the fence tells.
_RENEW: Final = """
local current = redis.call('GET', KEYS[1])
if current and current ~= ARGV[1] then return 0 end
if not current and redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

_RELEASE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


def lease_key(run_id: str) -> str:
    """Where the holder of a run's lease stands, while there is one."""
    return _LEASE + run_id


class Lease:
    """
    The right to drive a run. `fence` grows with every holder, so a late one can be told.

    `lost` is set once another may hold the lease: the store said so, or did not answer for as
    long as the lease lasts.
    """

    def __init__(self, redis: Redis, run_id: str, ttl: timedelta) -> None:
        self.run_id = run_id
        self.fence = 0
        self.lost = asyncio.Event()
        self._redis = redis
        self._ttl = ttl
        self._keys = [lease_key(run_id), _FENCE + run_id]
        self._value = f"{secrets.token_hex(8)} process {os.getpid()} on {socket.gethostname()}"

    def check(self) -> None:
        """Raise `RunBusy` when the lease was lost."""
        if self.lost.is_set():
            raise RunBusy(
                f"This process lost its hold of run {self.run_id}; another may drive it now.",
                hint=f"See `assay run show {self.run_id}`.",
            )

    async def acquire(self) -> str:
        """Try to take the lease; empty on success, else who holds it."""
        script = self._redis.register_script(_ACQUIRE)
        with redis_errors():
            fence, holder = await script(keys=self._keys, args=[self._value, self._milliseconds])
        self.fence = int(fence)
        return "" if self.fence else bytes(holder).decode().partition(" ")[2]

    async def keep(self) -> None:
        """Renew until cancelled or lost."""
        loop = asyncio.get_running_loop()
        good_until = loop.time() + self._ttl.total_seconds()
        while not self.lost.is_set():
            await asyncio.sleep(self._ttl.total_seconds() / 4)
            begun = loop.time()
            # At least one second, for a process that slept past the end: the store knows better.
            patience = max(good_until - begun, 1.0)
            try:
                async with asyncio.timeout(patience):
                    renewed = await self._renew()
            except (StoreUnavailable, TimeoutError):
                renewed = loop.time() < good_until
            else:
                good_until = begun + self._ttl.total_seconds()
            if not renewed:
                self.lost.set()

    async def release(self) -> None:
        script = self._redis.register_script(_RELEASE)
        # When the store is away the lease expires by itself.
        with suppress(StoreUnavailable), redis_errors():
            await script(keys=self._keys[:1], args=[self._value])

    async def _renew(self) -> bool:
        script = self._redis.register_script(_RENEW)
        with redis_errors():
            return bool(
                await script(keys=self._keys, args=[self._value, self._milliseconds, self.fence])
            )

    @property
    def _milliseconds(self) -> int:
        return int(self._ttl.total_seconds() * 1000)


@asynccontextmanager
async def hold(
    redis: Redis, run_id: str, *, wait: timedelta = timedelta(), ttl: timedelta = TTL
) -> AsyncIterator[Lease]:
    """Hold the lease of a run; `RunBusy` when another still holds it after *wait*."""
    lease = Lease(redis, run_id, ttl)
    deadline = asyncio.get_running_loop().time() + wait.total_seconds()
    while holder := await lease.acquire():
        if asyncio.get_running_loop().time() >= deadline:
            raise RunBusy(
                f"Run {run_id} is being driven by {holder}.",
                hint=f"Watch it with `assay run show {run_id}`; a dead driver is forgotten after {ttl.total_seconds():.0f} s.",
            )
        await asyncio.sleep(0.1)
    keeper = asyncio.create_task(lease.keep())
    try:
        yield lease
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await lease.release()
