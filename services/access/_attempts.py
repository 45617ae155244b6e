"""Failed attempts to sign in, counted by name and by address, so that nobody can try for long."""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from redis.asyncio import Redis

from services.errors import TooManyRequests
from services.failpoints import failpoint
from services.store import redis_errors

_FAILED: Final = "assay:access:failed:"
_WINDOW: Final = timedelta(minutes=15)
_LIMITS: Final = (5, 30, 50)
"""
Most attempts in a window: on one name from one address, on one name, from one address.

The first is what a person meets. With the second alone anybody could keep a person out by failing
in their name, so it is wider; the third bounds who tries many names.
"""
_VISITS: Final = 100
"""Most departures for the identity provider from one address in a window."""

# An attempt counts before its password is looked at: a thousand at once are a thousand. When one
# limit is reached it counts nowhere, and the answer is how long to wait.
_ATTEMPT: Final = """
local wait = 0
for number, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[number + 1]) then
    wait = math.max(wait, redis.call('PTTL', key), 1)
  end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
  if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
end
return 0
"""

_SUCCESS: Final = """
redis.call('UNLINK', KEYS[1], KEYS[2])
if tonumber(redis.call('GET', KEYS[3]) or 0) > 0 then redis.call('DECR', KEYS[3]) end
return 1
"""


class Attempts:
    """What was tried lately. Of names and addresses only digests are kept."""

    def __init__(self, redis: Redis, *, window: timedelta = _WINDOW) -> None:
        self._redis = redis
        self._window = window

    @failpoint("access.count_attempt")
    async def count(self, name: str, address: str) -> None:
        """Note an attempt; raises `TooManyRequests` when there were too many already."""
        await self._count(_keys(name, address), _LIMITS)

    @failpoint("access.count_visit")
    async def count_visit(self, address: str) -> None:
        """Note that a browser leaves for the identity provider, for which something is kept."""
        await self._count([_key(f"visits:{_network(address)}")], (_VISITS,))

    async def _count(self, keys: Sequence[str], limits: Sequence[int]) -> None:
        script = self._redis.register_script(_ATTEMPT)
        milliseconds = int(self._window.total_seconds() * 1_000)
        with redis_errors():
            wait = await script(keys=keys, args=[milliseconds, *limits])
        if wait:
            seconds = math.ceil(wait / 1_000)
            raise TooManyRequests(
                "Too many attempts to sign in.",
                hint=f"Try again in {math.ceil(seconds / 60)} min.",
                retry_after=seconds,
            )

    @failpoint("access.forgive_attempts")
    async def forgive(self, name: str, address: str) -> None:
        """Forget the attempts in a name whose person has signed in."""
        script = self._redis.register_script(_SUCCESS)
        with redis_errors():
            await script(keys=_keys(name, address), args=[])


def _keys(name: str, address: str) -> list[str]:
    network = _network(address)
    parts = (f"both:{network}:{name}", f"name:{name}", f"address:{network}")
    return [_key(part) for part in parts]


def _key(what: str) -> str:
    return _FAILED + hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()


def _network(address: str) -> str:
    """What one attacker has for themselves: an address, or with version 6 a whole /64."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return str(known)
    return str(ipaddress.ip_network((known, 64), strict=False))
