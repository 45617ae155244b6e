"""What was asked under a key of the caller's own: the same key gives the same again."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

from redis.asyncio import Redis

from services.errors import InputConflict
from services.evidence import Frozen
from services.failpoints import failpoint

from ._connection import redis_errors
from ._values import as_bytes

KEPT: Final = timedelta(hours=48)
"""How long a key is known; callers are promised half of it."""
_REPEAT: Final = "assay:repeat:"

# The first of two that come at once decides what both get.
_CLAIM: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'asked', ARGV[1], 'intent', ARGV[2])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return redis.call('HMGET', KEYS[1], 'asked', 'intent', 'done')
"""

_DONE: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'done', '1') end
return 1
"""


class Repeat(Frozen):
    """What a key stands for."""

    asked: str
    """Digest of what was asked."""
    intent: str
    """What was going to be done for it, settled in all that may differ another time."""
    is_done: bool = False


class Repeats:
    """
    Keys that callers give what they ask for, each in its tenant.

    What is to be done is written down before it is done: after a crash in between, the same key
    does exactly that, and no second thing.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def get(self, key: str, asked: str, *, tenant: str) -> Repeat | None:
        """What *key* stands for, if anything; `InputConflict` when it is not what is *asked* now."""
        with redis_errors():
            found = await self._redis.hmget(_name(key, tenant), ["asked", "intent", "done"])
        return None if found[0] is None else _same(_repeat(found), asked)

    @failpoint("repeats.claim")
    async def claim(self, key: str, asked: str, intent: str, *, tenant: str) -> Repeat:
        """Have *key* stand for *intent*, unless it stands for something; what it stands for."""
        script = self._redis.register_script(_CLAIM)
        seconds = int(KEPT.total_seconds())
        with redis_errors():
            found = await script(keys=[_name(key, tenant)], args=[asked, intent, seconds])
        return _same(_repeat(found), asked)

    @failpoint("repeats.done")
    async def done(self, key: str, *, tenant: str) -> None:
        """What the key stands for has been done."""
        with redis_errors():
            await self._redis.register_script(_DONE)(keys=[_name(key, tenant)])


def _repeat(found: list[bytes | str | None]) -> Repeat:
    asked, intent, done = found
    return Repeat(
        asked=as_bytes(asked).decode(), intent=as_bytes(intent).decode(), is_done=done is not None
    )


def _same(repeat: Repeat, asked: str) -> Repeat:
    if repeat.asked != asked:
        raise InputConflict(
            "This idempotency key was used for something else.",
            hint="Send a new key with what is new.",
        )
    return repeat


def _name(key: str, tenant: str) -> str:
    return _REPEAT + hashlib.sha256(f"{tenant}\0{key}".encode()).hexdigest()
