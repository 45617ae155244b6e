"""What people ask of runs that others may be driving: kept until somebody has done it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal, TypeAlias

from redis.asyncio import Redis

from services.errors import InputConflict
from services.evidence import Frozen
from services.failpoints import failpoint

from ._connection import redis_errors
from ._values import UtcTime, as_bytes

ASKS: Final = "assay:asks"
_TAKEN: Final = "assay:asks:taken:"
_LASTS: Final = timedelta(seconds=40)
"""Longer than a driver that is asked to let go may take; then whoever was at it is dead."""

AskKind: TypeAlias = Literal["cancel", "rollback", "withdraw"]

# One at a time: a run that is to be cancelled is not also taken back. A cancellation overrides.
_PUT: Final = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and (ARGV[3] ~= 'cancel' or cjson.decode(known).kind == 'cancel') then return known end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]
"""

_DONE: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
"""


class Ask(Frozen):
    """What somebody asked of a run."""

    id: str
    run_id: str
    kind: AskKind
    by: str
    reason: str = ""
    to: str = ""
    """The step to go back to."""
    at: UtcTime


class Asks:
    """One ask a run, at most, that nobody has seen to."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("asks.put")
    async def put(self, ask: Ask) -> Ask:
        """
        Keep *ask*; what is kept: an earlier one that asks for the same, or this.

        Raises `InputConflict` while something else is asked of the run.
        """
        script = self._redis.register_script(_PUT)
        with redis_errors():
            kept = Ask.model_validate_json(
                await script(keys=[ASKS], args=[ask.run_id, ask.model_dump_json(), ask.kind])
            )
        if (kept.kind, kept.to) != (ask.kind, ask.to):
            raise InputConflict(
                f"Something else is asked of run {ask.run_id} already: {kept.kind} {kept.to}".strip(),
                hint="Wait until the run's events say that it is done.",
            )
        return kept

    async def is_open(self, ask: Ask) -> bool:
        """Whether nobody has done it yet."""
        with redis_errors():
            kept = await self._redis.hget(ASKS, ask.run_id)
        return kept is not None and Ask.model_validate_json(kept) == ask

    async def open(self) -> tuple[Ask, ...]:
        """All that is to be seen to, the oldest first."""
        with redis_errors():
            kept = await self._redis.hvals(ASKS)
        asks = [Ask.model_validate_json(as_bytes(content)) for content in kept]
        return tuple(sorted(asks, key=lambda ask: (ask.at, ask.id)))

    @failpoint("asks.take")
    async def take(self, ask: Ask) -> bool:
        """Whether the caller is to see to it: nobody else is at it, or whoever was is dead."""
        with redis_errors():
            return bool(
                await self._redis.set(
                    _TAKEN + ask.run_id, ask.id, nx=True, px=int(_LASTS.total_seconds() * 1000)
                )
            )

    @failpoint("asks.leave")
    async def leave(self, ask: Ask) -> None:
        """Somebody else may see to what the caller has taken."""
        with redis_errors():
            await self._redis.unlink(_TAKEN + ask.run_id)

    @failpoint("asks.done")
    async def done(self, ask: Ask) -> None:
        """It is done, or can't be."""
        with redis_errors():
            await self._redis.register_script(_DONE)(
                keys=[ASKS], args=[ask.run_id, ask.model_dump_json()]
            )
