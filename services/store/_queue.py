"""Runs that wait for a worker: by priority, tenants in turn, and none lost with the worker that took it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from redis.asyncio import Redis

from services.errors import QueueFull
from services.failpoints import failpoint

from ._connection import redis_errors
from ._scripts import Call

Priority: TypeAlias = Literal["high", "normal", "low"]
_RANKS: Final[dict[Priority, int]] = {"high": 0, "normal": 1, "low": 2}

_PREFIX: Final = "assay:{queue}:"
_KEYS: Final = [
    _PREFIX + name
    for name in ("lanes", "served", "lane", "later", "taken", "deaths", "again", "since")
]
"""
All keys of the queue but the lanes themselves; scripts know them by place:
1 lanes in the order they are next served, 2 when each was last served, 3 each waiting or taken run's
lane, 4 runs that are put off until a time, 5 taken runs by time in microseconds, 6 how often a run's
worker died, 7 taken runs that are to be queued once more, 8 runs in lanes by when they came, in
milliseconds.
"""

# What the scripts share. A lane is `RANK:TENANT`; among lanes of a rank the one served longest ago
# comes first, so that a tenant with a thousand runs and one with one run take turns.
_COMMON: Final = """
local moment = redis.call('TIME')
local micros = moment[1] * 1000000 + moment[2]
local now = math.floor(micros / 1000)
-- Who was thought dead, and took a run before another did, may let go of nothing.
local function is_taken(run, ticket)
  return tonumber(redis.call('ZSCORE', KEYS[5], run) or -1) == tonumber(ticket)
end
local function list(lane) return ARGV[1] .. 'runs:' .. lane end
local function rank(lane)
  local served = tonumber(redis.call('HGET', KEYS[2], lane) or 0)
  redis.call('ZADD', KEYS[1], tonumber(string.sub(lane, 1, 1)) * 1e13 + served, lane)
end
local function push(run, side)
  local lane = redis.call('HGET', KEYS[3], run)
  redis.call(side, list(lane), run)
  redis.call('ZADD', KEYS[8], now, run)
  rank(lane)
end
local function waiting()
  local count = redis.call('ZCARD', KEYS[4])
  for _, lane in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    count = count + redis.call('LLEN', list(lane))
  end
  return count
end
"""

_PUT: Final = (
    _COMMON
    + """
local run, lane, delay = ARGV[2], ARGV[3], tonumber(ARGV[4])
if redis.call('ZSCORE', KEYS[5], run) then
  redis.call('SADD', KEYS[7], run)
  return 1
end
if redis.call('HEXISTS', KEYS[3], run) == 1 then return 1 end
redis.call('HSET', KEYS[3], run, lane)
if delay > 0 then redis.call('ZADD', KEYS[4], now + delay, run) else push(run, 'RPUSH') end
return 1
"""
)

_TAKE: Final = (
    _COMMON
    + """
for _, run in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now)) do
  redis.call('ZREM', KEYS[4], run)
  push(run, 'RPUSH')
end
local lane = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
if not lane then return false end
local run = redis.call('LPOP', list(lane))
redis.call('ZREM', KEYS[8], run)
redis.call('HSET', KEYS[2], lane, now)
if redis.call('EXISTS', list(lane)) == 1 then rank(lane) else redis.call('ZREM', KEYS[1], lane) end
local ticket = string.format('%.0f', micros)
redis.call('ZADD', KEYS[5], ticket, run)
return {run, ticket, redis.call('HGET', KEYS[6], run) or '0'}
"""
)

_GIVE_BACK: Final = (
    _COMMON
    + """
local run, delay, died = ARGV[2], tonumber(ARGV[4]), ARGV[5] == '1'
if not is_taken(run, ARGV[3]) then return 0 end
redis.call('ZREM', KEYS[5], run)
redis.call('SREM', KEYS[7], run)
if died then redis.call('HINCRBY', KEYS[6], run, 1) end
if delay > 0 then redis.call('ZADD', KEYS[4], now + delay, run) else push(run, 'LPUSH') end
return 1
"""
)

_FINISH: Final = (
    _COMMON
    + """
local run = ARGV[2]
if not is_taken(run, ARGV[3]) then return 0 end
redis.call('ZREM', KEYS[5], run)
if ARGV[4] == '1' then redis.call('HDEL', KEYS[6], run) end
if redis.call('SREM', KEYS[7], run) == 1 then push(run, 'RPUSH')
else redis.call('HDEL', KEYS[3], run) end
return 1
"""
)

_REMOVE: Final = (
    _COMMON
    + """
local run = ARGV[2]
local lane = redis.call('HGET', KEYS[3], run)
redis.call('SREM', KEYS[7], run)
if not lane or redis.call('ZSCORE', KEYS[5], run) then return 0 end
redis.call('ZREM', KEYS[4], run)
redis.call('LREM', list(lane), 0, run)
redis.call('ZREM', KEYS[8], run)
if redis.call('EXISTS', list(lane)) == 0 then redis.call('ZREM', KEYS[1], lane) end
redis.call('HDEL', KEYS[3], run)
redis.call('HDEL', KEYS[6], run)
return 1
"""
)

_TAKEN: Final = (
    _COMMON
    + """
local found = {}
local last = string.format('%.0f', micros - tonumber(ARGV[2]) * 1000)
for _, run in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', last)) do
  local ticket = string.format('%.0f', tonumber(redis.call('ZSCORE', KEYS[5], run)))
  found[#found + 1] = {run, ticket, redis.call('HGET', KEYS[6], run) or '0'}
end
return found
"""
)

_COUNT: Final = _COMMON + "return {waiting(), redis.call('ZCARD', KEYS[5])}"


_LOOK: Final = (
    _COMMON
    + """
local found = {redis.call('ZCARD', KEYS[4]), 0, 0, 0, 0, 0, 0, 0}
for _, lane in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local place = 3 + tonumber(string.sub(lane, 1, 1))
  found[place] = found[place] + redis.call('LLEN', list(lane))
end
for _, run in ipairs(redis.call('ZRANGE', KEYS[5], 0, -1)) do
  local lane = redis.call('HGET', KEYS[3], run)
  if lane then
    local place = 6 + tonumber(string.sub(lane, 1, 1))
    found[place] = found[place] + 1
  end
end
local oldest = redis.call('ZRANGE', KEYS[8], 0, 0, 'WITHSCORES')[2]
if oldest then found[2] = math.max(now - tonumber(oldest), 0) end
return found
"""
)


class Taken(NamedTuple):
    """A run that a worker has taken, which time it was taken, and how many workers died of it before."""

    run_id: str
    ticket: int
    """Told by it, a worker that was thought dead lets go of nothing that another took since."""
    deaths: int


class QueueState(NamedTuple):
    """How many runs wait for a worker, and how many are with one."""

    waiting: int
    taken: int


class QueuePlace(NamedTuple):
    """Where one run is: with a worker, in its lane, or put off until a time; and whom it ended."""

    state: Literal["taken", "queued", "put off", "absent"]
    until: datetime | None
    """When a run that is put off comes back into its lane."""
    deaths: int


class QueueLoad(NamedTuple):
    """What whoever watches the queue wants to know."""

    waiting: dict[Priority, int]
    taken: dict[Priority, int]
    put_off: int
    """Runs that wait for a time before they wait for a worker."""
    oldest: timedelta
    """How long the one that waits longest has waited for a worker; zero when none does."""


class RunQueue:
    """
    Run ids, each at most once, in lanes by priority and tenant.

    A higher priority goes first; among the tenants of one priority the one served longest ago does.
    A taken run stays known until it is finished or given back, so that of a worker that died it can
    be told. Every operation is one script; repeating one after a lost answer does no harm.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("queue.put")
    async def put(
        self,
        run_id: str,
        *,
        tenant: str = "",
        priority: Priority = "normal",
        delay: timedelta = timedelta(),
    ) -> None:
        """Queue a run; one that waits already stays where it is, one that is taken comes once more."""
        await self._run(_PUT, run_id, f"{_RANKS[priority]}:{tenant}", _milliseconds(delay))

    @staticmethod
    def puts(runs: Sequence[tuple[str, str, Priority]]) -> list[Call]:
        """The calls that queue runs, each with its tenant and priority, in this order."""
        return [
            Call(_PUT, _KEYS, [_PREFIX, run_id, f"{_RANKS[priority]}:{tenant}", 0])
            for run_id, tenant, priority in runs
        ]

    async def check_room(self, limit: int) -> None:
        """Raise `QueueFull` when *limit* runs wait."""
        if (await self.state()).waiting >= limit:
            raise queue_full(limit)

    @failpoint("queue.take")
    async def take(self) -> Taken | None:
        """The next run, which now belongs to the caller; None when none waits."""
        taken = await self._run(_TAKE)
        return None if taken is None else _taken(taken)

    @failpoint("queue.finish")
    async def finish(self, taken: Taken, *, forgive: bool = True) -> None:
        """
        Let go of a taken run: it is done, or waits for a person. One put meanwhile is queued again.

        Its workers' deaths are forgotten, unless not to be forgiven. One that another took since is
        left alone.
        """
        await self._run(_FINISH, taken.run_id, taken.ticket, int(forgive))

    @failpoint("queue.remove")
    async def remove(self, run_id: str) -> None:
        """Have no worker take a run that waits for one."""
        await self._run(_REMOVE, run_id)

    @failpoint("queue.give_back")
    async def give_back(
        self, taken: Taken, *, delay: timedelta = timedelta(), died: bool = False
    ) -> bool:
        """
        Let another have a taken run, now as the next of its lane, or after *delay*.

        *died* counts a worker that it ended. False when it was not taken, or by another since.
        """
        return bool(
            await self._run(_GIVE_BACK, taken.run_id, taken.ticket, _milliseconds(delay), int(died))
        )

    async def taken(self, *, longer_than: timedelta = timedelta()) -> tuple[Taken, ...]:
        """Runs that were taken at least that long ago, the oldest first."""
        return tuple(_taken(one) for one in await self._run(_TAKEN, _milliseconds(longer_than)))

    async def holds(self, run_ids: Collection[str]) -> frozenset[str]:
        """Those of *run_ids* that wait here or are with a worker."""
        names = list(run_ids)
        if not names:
            return frozenset()
        with redis_errors():
            lanes = await self._redis.hmget(_PREFIX + "lane", names)
        return frozenset(name for name, lane in zip(names, lanes, strict=True) if lane is not None)

    async def place(self, run_id: str) -> QueuePlace:
        """Where a run is."""
        lane, later, taken, deaths = (_PREFIX + n for n in ("lane", "later", "taken", "deaths"))
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as commands:
                commands.hexists(lane, run_id)
                commands.zscore(later, run_id)
                commands.zscore(taken, run_id)
                commands.hget(deaths, run_id)
                is_known, put_off, ticket, died = await commands.execute()
        until = None if put_off is None else datetime.fromtimestamp(put_off / 1000, UTC)
        if ticket is not None:
            return QueuePlace("taken", None, int(died or 0))
        if until is not None:
            return QueuePlace("put off", until, int(died or 0))
        return QueuePlace("queued" if is_known else "absent", None, int(died or 0))

    async def state(self) -> QueueState:
        waiting, taken = await self._run(_COUNT)
        return QueueState(int(waiting), int(taken))

    async def load(self) -> QueueLoad:
        """Who waits, by priority, and for how long."""
        put_off, oldest, *counts = (int(one) for one in await self._run(_LOOK))
        return QueueLoad(
            waiting=dict(zip(_RANKS, counts[:3], strict=True)),
            taken=dict(zip(_RANKS, counts[3:], strict=True)),
            put_off=put_off,
            oldest=timedelta(milliseconds=oldest),
        )

    async def _run(self, script: str, *arguments: str | int) -> Any:
        with redis_errors():
            return await self._redis.register_script(script)(keys=_KEYS, args=[_PREFIX, *arguments])


def queue_full(limit: int) -> QueueFull:
    """What whoever asks for one more is told when *limit* runs wait."""
    return QueueFull(
        f"{limit} runs wait for a worker; no more are accepted until some are done.",
        hint="Try again later, or start more workers (`assay worker`).",
    )


def _taken(reply: Any) -> Taken:
    run_id, ticket, deaths = reply
    return Taken(run_id.decode(), int(ticket), int(deaths))


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
