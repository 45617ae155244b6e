"""The registry of runs: what was asked, how far it is, and what came of it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Final

from redis.asyncio import Redis

from services.errors import InputConflict, NotFound
from services.failpoints import failpoint

from ._connection import redis_errors
from ._leases import Lease, Wish, grant, hold, holder, lease_key, wish, wished
from ._listing import (
    BY_TIME,
    RUN,
    Fits,
    RunFilter,
    RunPage,
    RunPlace,
    micros,
    newest_runs,
    page_of_runs,
)
from ._outbox import OUTBOX_KEYS, PUT, lines
from ._record import RunRecord, RunStatus, asks_the_same, events_of
from ._scripts import Call, run_all
from ._tenants import ids_of, of_tenant
from ._values import as_bytes

BY_NAME: Final = "assay:runs:name"
LEFT: Final = "assay:runs:left"
STATES: Final = "assay:runs:states"
FORKS: Final = "assay:forks:{%s}"
_RECENT: Final = 200

_GOES_ON: Final = frozenset({"queued", "running"})
"""In other states a run waits for a person, or is finished."""

# The counts are there or not: of a store that an earlier version filled, they are made when they are
# asked for. What changes a status changes those that are there, in the same script.
_CREATE: Final = f"""{PUT}
local known = redis.call('GET', KEYS[1])
if known then return known end
if redis.call('ZCARD', KEYS[2]) == 0 then redis.call('HSET', KEYS[5], 'queued', 0) end
if redis.call('EXISTS', KEYS[5]) == 1 then redis.call('HINCRBY', KEYS[5], ARGV[5], 1) end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[3], 0, ARGV[3])
redis.call('ZADD', KEYS[8], ARGV[2], ARGV[3])
if KEYS[9] then redis.call('ZADD', KEYS[9], ARGV[2], ARGV[3]) end
if ARGV[4] == '1' then redis.call('SADD', KEYS[4], ARGV[3]) end
put(KEYS[6], KEYS[7], 6)
return ARGV[1]
"""

# A retry after a lost answer finds its own value in place: that is a success too.
_UPDATE: Final = f"""{PUT}
local current = redis.call('GET', KEYS[1])
if current ~= ARGV[1] and current ~= ARGV[2] then return 0 end
if current ~= ARGV[2] and redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('HINCRBY', KEYS[3], ARGV[5], -1)
  redis.call('HINCRBY', KEYS[3], ARGV[6], 1)
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call(ARGV[3] == '1' and 'SADD' or 'SREM', KEYS[2], ARGV[4])
if current == ARGV[1] then put(KEYS[4], KEYS[5], 7) end
return 1
"""

_COUNT: Final = """
if redis.call('EXISTS', KEYS[2]) == 0 then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    local record = redis.call('GET', ARGV[1] .. id)
    if record then redis.call('HINCRBY', KEYS[2], cjson.decode(record).status, 1) end
  end
end
return redis.call('HGETALL', KEYS[2])
"""


class RunRegistry:
    """Runs by id. Every change is atomic: of two writers the later sees the earlier's."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("runs.create")
    async def create(self, record: RunRecord) -> RunRecord:
        """
        The stored record: *record* itself, or the one its id already had.

        A known id with another request, or of another tenant, is an `InputConflict`, and nothing
        changes.
        """
        [stored] = await self._create([record])
        if not asks_the_same(stored, record):
            raise InputConflict(
                f"Run {record.id} exists and asks for something else.",
                hint=f"Name the new run differently, or continue it with `assay run resume {record.id}`.",
            )
        return stored

    @failpoint("runs.create_all")
    async def create_all(self, records: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
        """The stored record of each, in one round trip; whoever asked compares the requests."""
        return await self._create(records)

    async def _create(self, records: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
        lines = [record.model_dump_json().encode() for record in records]
        calls = [_creation(record, line) for record, line in zip(records, lines, strict=True)]
        stored = await run_all(self._redis, calls)
        return tuple(
            record if found == line else RunRecord.model_validate_json(found)
            for record, line, found in zip(records, lines, stored, strict=True)
        )

    @failpoint("runs.update")
    async def update(
        self,
        run_id: str,
        *,
        at: datetime,
        expect: Collection[RunStatus] | None = None,
        **changes: Any,
    ) -> RunRecord:
        """
        Change fields of a run; the new record.

        With *expect*, a run in another status is left alone and `InputConflict` raised.
        """
        while True:
            old = await self._content(run_id)
            current = RunRecord.model_validate_json(old)
            if expect is not None and current.status not in expect:
                raise InputConflict(
                    f"Run {run_id} is {current.status}; this needs one that is {' or '.join(sorted(expect))}."
                )
            changed = RunRecord.model_validate(
                {**dict(current), **changes, "id": current.id, "updated_at": at}
            )
            if await self._replace(old, changed, was=current.status):
                return changed

    async def _replace(self, old: bytes, new: RunRecord, *, was: RunStatus) -> bool:
        """Put *new* in place of *old* and tell of it, unless somebody else replaced it first."""
        is_left = new.left and new.status in _GOES_ON
        told = lines(events_of(new, was=was))
        script = self._redis.register_script(_UPDATE)
        with redis_errors():
            return bool(
                await script(
                    keys=[RUN + new.id, LEFT, STATES, *OUTBOX_KEYS],
                    args=[old, new.model_dump_json(), int(is_left), new.id, was, new.status, *told],
                )
            )

    async def get(self, run_id: str, *, tenant: str | None = None) -> RunRecord:
        """
        The run; `NotFound`, naming the ids that come close, when there is none.

        A *tenant* may say its own name of a run instead of the id. The runs of others do not exist
        for it, and no other ids are named.
        """
        if tenant is None:
            return RunRecord.model_validate_json(await self._content(run_id))
        with redis_errors():
            contents = await self._redis.mget([RUN + one for one in ids_of(run_id, tenant)])
        for content in contents:
            record = RunRecord.model_validate_json(content) if content is not None else None
            if record is not None and record.tenant == tenant:
                return record
        raise NotFound("There is no run of that id.")

    async def page(
        self,
        wanted: RunFilter,
        *,
        limit: int,
        after: RunPlace | None = None,
        fits: Fits | None = None,
    ) -> RunPage:
        """The newest runs that are *wanted* and fit, behind a place or from the newest on."""
        return await page_of_runs(self._redis, wanted, limit=limit, after=after, fits=fits)

    async def list(
        self, *, limit: int = 20, status: RunStatus | None = None, tenant: str | None = None
    ) -> tuple[RunRecord, ...]:
        """The newest runs, newest first, however many have to be read for it."""
        wanted = RunFilter(status=status, tenant=tenant)
        found: list[RunRecord] = []
        async for record in newest_runs(self._redis, wanted):
            if len(found) == limit:
                break
            if wanted.lets_through(record):
                found.append(record)
        return tuple(found)

    async def forks(self, run_id: str, *, limit: int = 100) -> tuple[RunRecord, ...]:
        """The newest runs that began as copies of a run, newest first; they are of its tenant."""
        with redis_errors():
            ids = await self._redis.zrevrange(FORKS % run_id, 0, limit - 1)
            contents = await self._redis.mget([RUN + _text(one) for one in ids]) if ids else []
        return tuple(RunRecord.model_validate_json(one) for one in contents if one)

    async def states(self) -> dict[str, int]:
        """How many runs there are of each status; counted when it changes, not when it is asked."""
        script = self._redis.register_script(_COUNT)
        with redis_errors():
            found = await script(keys=[BY_TIME, STATES], args=[RUN])
        return {_text(found[i]): int(found[i + 1]) for i in range(0, len(found), 2)}

    async def matching(self, prefix: str, *, limit: int = 10) -> tuple[str, ...]:
        """Ids that start with *prefix*, in order."""
        low = b"[" + prefix.encode()
        with redis_errors():
            ids = await self._redis.zrangebylex(BY_NAME, low, low + b"\xff", start=0, num=limit)
        return tuple(_text(run_id) for run_id in ids)

    def lease(
        self, run_id: str, *, wait: timedelta = timedelta()
    ) -> AbstractAsyncContextManager[Lease]:
        """Drive a run alone; `RunBusy` when another still drives it after *wait*."""
        return hold(self._redis, run_id, wait=wait)

    async def left(self) -> frozenset[str]:
        """The runs that are left to workers, and neither wait for a person nor are finished."""
        with redis_errors():
            return frozenset(_text(run_id) for run_id in await self._redis.smembers(LEFT))

    @failpoint("runs.wish")
    async def wish(self, run_id: str, what: Wish) -> None:
        """Ask whoever drives a run to end it or to let go of it; heard within a second."""
        await wish(self._redis, run_id, what)

    @failpoint("runs.grant")
    async def grant(self, run_id: str) -> None:
        """Forget what was asked of a run's driver."""
        await grant(self._redis, run_id)

    async def driver(self, run_id: str) -> str:
        """Who drives a run right now, such as `process 12 on host`; empty when nobody does."""
        return await holder(self._redis, run_id)

    async def wished(self, run_id: str) -> Wish | None:
        """What a run's driver is asked for, and has not done yet."""
        return await wished(self._redis, run_id)

    async def driven(self, run_ids: Collection[str]) -> frozenset[str]:
        """Those of *run_ids* that some process drives right now."""
        names = list(run_ids)
        if not names:
            return frozenset()
        with redis_errors():
            holders = await self._redis.mget([lease_key(name) for name in names])
        return frozenset(name for name, holder in zip(names, holders, strict=True) if holder)

    async def _content(self, run_id: str) -> bytes:
        with redis_errors():
            content = await self._redis.get(RUN + run_id)
        if content is None:
            close = await self._close_to(run_id)
            raise NotFound(
                "There is no run of that id.",
                hint=f"Did you mean {', '.join(close)}?" if close else "See `assay run list`.",
            )
        return as_bytes(content)

    async def _close_to(self, run_id: str) -> tuple[str, ...]:
        if starting := await self.matching(run_id, limit=3):
            return starting
        with redis_errors():
            recent = await self._redis.zrevrange(BY_TIME, 0, _RECENT - 1)
        return tuple(difflib.get_close_matches(run_id, [_text(name) for name in recent], n=3))


def _text(reply: object) -> str:
    return as_bytes(reply).decode()


def _creation(record: RunRecord, line: bytes) -> Call:
    keys = [RUN + record.id, BY_TIME, BY_NAME, LEFT, STATES, *OUTBOX_KEYS]
    keys += [of_tenant(BY_TIME, record.tenant)]
    keys += [FORKS % record.forked_from] if record.forked_from else []
    told = lines(events_of(record, was=None))
    score = micros(record.created_at)
    return Call(_CREATE, keys, [line, score, record.id, int(record.left), record.status, *told])
