"""One run, one driver: a lease that its holder renews and that expires when the holder dies."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final, Literal, TypeAlias, cast

from redis.asyncio import Redis

from services.errors import RunBusy, StoreUnavailable
from services.failpoints import failpoint

from ._connection import redis_errors
from ._values import as_bytes

TTL: Final = timedelta(seconds=4)
"""How long a driver that died is waited for; renewed four times as often."""
PATIENCE: Final = timedelta(minutes=5)
"""How long a driver whose store is away waits to hear whether it still holds the run."""

# The braces keep a run's keys in one slot of a cluster.
_LEASE: Final = "assay:lease:{%s}"
_FENCE: Final = "assay:fence:{%s}"
_WISH: Final = "assay:wish:{%s}"

# A retry after a lost answer finds its own value in place, and its number still the last. Numbers
# come from the clock: a server set back to older data gives none again that it gave and forgot.
_ACQUIRE: Final = """
local current = redis.call('GET', KEYS[1])
if current == ARGV[1] then return {tonumber(redis.call('GET', KEYS[2])), current} end
if current then return {0, current} end
local moment = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[2]) or 0)
local fence = math.max(last + 1, moment[1] * 1000000 + moment[2])
redis.call('SET', KEYS[2], string.format('%.0f', fence))
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {fence, ARGV[1]}
"""

# An expired lease that nobody took since is still ours: the fence tells. The answer carries what
# somebody wishes of the driver.
_RENEW: Final = """
local current = redis.call('GET', KEYS[1])
if current and current ~= ARGV[1] then return false end
if not current and redis.call('GET', KEYS[2]) ~= ARGV[3] then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('GET', KEYS[3]) or ''
"""

_RELEASE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

Wish: TypeAlias = Literal["cancel", "pause"]
"""What a person asks of whoever drives a run: to end it, or to let go of it."""


_WISH_SECONDS: Final[dict[Wish, int]] = {"cancel": 24 * 3_600, "pause": 60}
"""When a wish is forgotten whose owner died; nobody waits a minute for a driver to let go."""


def lease_key(run_id: str) -> str:
    """Where the holder of a run's lease stands, while there is one."""
    return _LEASE % run_id


def fence_key(run_id: str) -> str:
    """Where the number of the latest holder of a run's lease stands."""
    return _FENCE % run_id


async def wish(redis: Redis, run_id: str, what: Wish) -> None:
    """Ask the driver of a run, now or next, for *what*; it hears of it within a second."""
    with redis_errors():
        await redis.set(_WISH % run_id, what, ex=_WISH_SECONDS[what])


async def wished(redis: Redis, run_id: str) -> Wish | None:
    """What the driver of a run is asked for, and has not done yet."""
    with redis_errors():
        found = await redis.get(_WISH % run_id)
    text = as_bytes(found).decode() if found else ""
    return cast("Wish", text) if text in ("cancel", "pause") else None


async def holder(redis: Redis, run_id: str) -> str:
    """Who holds the lease of a run; empty when nobody does."""
    with redis_errors():
        found = await redis.get(_LEASE % run_id)
    return as_bytes(found).decode().partition(" ")[2] if found else ""


async def grant(redis: Redis, run_id: str) -> None:
    """Take back what was asked of a run's driver: it is done, or no longer wanted."""
    with redis_errors():
        await redis.delete(_WISH % run_id)


class Lease:
    """
    The right to drive a run. `fence` grows with every holder, so a late one can be told.

    `lost` is set once another may hold the lease: the store said so, or did not answer for very
    long. While the store is away nobody else can take the lease, and every write checks the fence.
    `wished` is set, with `wish`, once somebody asks the driver to stop; `away` while the store does
    not answer.
    """

    def __init__(
        self, redis: Redis, run_id: str, ttl: timedelta, patience: timedelta = PATIENCE
    ) -> None:
        self.run_id = run_id
        self.fence = 0
        self.lost = asyncio.Event()
        self.wished = asyncio.Event()
        self.away = asyncio.Event()
        self.wish: Wish | None = None
        self._redis = redis
        self._ttl = ttl
        self._patience = patience
        self._keys = [lease_key(run_id), fence_key(run_id), _WISH % run_id]
        self._value = f"{secrets.token_hex(8)} process {os.getpid()} on {socket.gethostname()}"

    def check(self) -> None:
        """Raise `RunBusy` when the lease was lost."""
        if self.lost.is_set():
            raise RunBusy(
                f"This process lost its hold of run {self.run_id}; another may drive it now.",
                hint=f"See `assay run show {self.run_id}`.",
            )

    @failpoint("lease.acquire")
    async def acquire(self) -> str:
        """Try to take the lease; empty on success, else who holds it."""
        script = self._redis.register_script(_ACQUIRE)
        keys = self._keys[:2]
        with redis_errors():
            fence, holder = await script(keys=keys, args=[self._value, self._milliseconds])
        self.fence = int(fence)
        return "" if self.fence else bytes(holder).decode().partition(" ")[2]

    async def keep(self) -> None:
        """Renew until cancelled or lost."""
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while not self.lost.is_set():
            await asyncio.sleep(self._ttl.total_seconds() / 4)
            try:
                async with asyncio.timeout(max(self._ttl.total_seconds(), 1.0)):
                    answer = await self._renew()
            except (StoreUnavailable, TimeoutError):
                self.away.set()
                if loop.time() - heard > self._patience.total_seconds():
                    self.lost.set()
                continue
            heard = loop.time()
            self.away.clear()
            if answer is None:
                self.lost.set()
            elif answer in ("cancel", "pause"):
                self.wish = cast("Wish", answer)
                self.wished.set()

    @failpoint("lease.release")
    async def release(self) -> None:
        script = self._redis.register_script(_RELEASE)
        # When the store is away the lease expires by itself.
        with suppress(StoreUnavailable), redis_errors():
            async with asyncio.timeout(max(self._ttl.total_seconds(), 1.0)):
                await script(keys=self._keys[:1], args=[self._value])

    async def _renew(self) -> str | None:
        """What is wished of the driver, or nothing; None when the lease is another's."""
        script = self._redis.register_script(_RENEW)
        with redis_errors():
            answer = await script(
                keys=self._keys, args=[self._value, self._milliseconds, self.fence]
            )
        return None if answer is None else bytes(answer).decode()

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
