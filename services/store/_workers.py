"""Which workers are alive, and how busy each is, as they last said themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from redis.asyncio import Redis

from services.evidence import Frozen

from ._connection import redis_errors

_SEEN: Final = "assay:workers:seen"
_LOAD: Final = "assay:workers:load"

_SAY: Final = """
local moment = redis.call('TIME')
local now = moment[1] * 1000 + math.floor(moment[2] / 1000)
local silent = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
for _, worker in ipairs(silent) do
  redis.call('ZREM', KEYS[1], worker)
  redis.call('HDEL', KEYS[2], worker)
end
if ARGV[2] ~= '' then
  redis.call('ZADD', KEYS[1], now, ARGV[1])
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
elseif ARGV[1] ~= '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return redis.call('HVALS', KEYS[2])
"""


class WorkerLoad(Frozen):
    """What a worker is at. Of its queries and model calls: at the moment when it said so."""

    driving: bool = False
    queries_running: int = 0
    queries_waiting: int = 0
    query_slots: int = 0
    """Queries that it can run at a time."""
    model_calls: int = 0


class WorkerBoard:
    """Where workers say that they are there; one that is silent for longer than *patience* is not."""

    def __init__(self, redis: Redis, *, patience: timedelta = timedelta(seconds=15)) -> None:
        self._redis = redis
        self._patience = patience

    async def beat(self, worker: str, load: WorkerLoad) -> None:
        """Say that *worker* is there."""
        await self._say(worker, load.model_dump_json())

    async def leave(self, worker: str) -> None:
        """Say that *worker* is gone."""
        await self._say(worker, "")

    async def alive(self) -> tuple[WorkerLoad, ...]:
        """The load of each worker that is there."""
        return tuple(WorkerLoad.model_validate_json(one) for one in await self._say("", ""))

    async def _say(self, worker: str, load: str) -> list[bytes]:
        milliseconds = int(self._patience / timedelta(milliseconds=1))
        with redis_errors():
            said: list[bytes] = await self._redis.register_script(_SAY)(
                keys=[_SEEN, _LOAD], args=[worker, load, milliseconds]
            )
        return said
