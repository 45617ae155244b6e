"""How often somebody may ask: a steady rate, and bursts up to what it allows in its time."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final, NamedTuple, Self

from redis.asyncio import Redis

from services.failpoints import failpoint

from ._connection import redis_errors

_LIMIT: Final = "assay:limit:"
_UNITS: Final = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}

# The generic cell rate algorithm: the key holds when all that was admitted is used up. By the
# server's clock, so that no process is early or late; one step, so that no two share a turn.
_TAKE: Final = """
local moment = redis.call('TIME')
local now = moment[1] * 1000000 + moment[2]
local turn, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local used = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local wait = used + turn - burst - now
if wait > 0 then return math.ceil(wait) end
local left = used + turn - now
redis.call('SET', KEYS[1], string.format('%.0f', used + turn), 'PX', math.ceil(left / 1000))
return 0
"""


class Rate(NamedTuple):
    """So many times in so long, such as `120/m`."""

    times: int
    period: timedelta

    @classmethod
    def parse(cls, text: str) -> Self:
        """The rate that `COUNT/s`, `COUNT/m` or `COUNT/h` says; `ValueError` for another text."""
        found = re.fullmatch(r"([1-9]\d{0,8})/([smh])", text.strip())
        if found is None:
            raise ValueError("a rate is a number by second, minute or hour, such as 120/m")
        return cls(int(found[1]), _UNITS[found[2]])


class RateLimits:
    """Admits callers at their rates, whichever process they come to."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("limits.take")
    async def take(self, who: str, rate: Rate) -> timedelta:
        """Admit *who* once more, and give zero; or how long they have to wait, and change nothing."""
        period = rate.period / timedelta(microseconds=1)
        with redis_errors():
            wait = await self._redis.register_script(_TAKE)(
                keys=[_LIMIT + who], args=[period / rate.times, period]
            )
        return timedelta(microseconds=int(wait))
