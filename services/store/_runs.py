"""The registry of runs: what was asked, how far it is, and what came of it."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from redis.asyncio import Redis

from services.errors import InputConflict, Invalid, NotFound
from services.evidence import Frozen
from services.failpoints import failpoint

from ._connection import redis_errors
from ._leases import Lease, Wish, grant, hold, holder, lease_key, wish, wished
from ._outbox import OUTBOX_KEYS, PUT, Event, lines
from ._queue import Priority
from ._scripts import Call, run_all
from ._values import UtcTime, as_bytes

RunStatus: TypeAlias = Literal[
    "queued", "running", "waiting", "done", "failed", "cancelled", "rejected", "withdrawn"
]

_RUN: Final = "assay:run:"
_BY_TIME: Final = "assay:runs:time"
_BY_NAME: Final = "assay:runs:name"
_LEFT: Final = "assay:runs:left"
_STATES: Final = "assay:runs:states"
_PAGE: Final = 200

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


class Failure(Frozen):
    """Why a run ended, in the words of the error that ended it."""

    code: str
    message: str
    hint: str = ""


class RunRecord(Frozen):
    """All that is known of a run outside its graph's state."""

    id: str
    request: dict[str, Any]
    status: RunStatus = "queued"
    title: str = ""
    template: str = ""
    as_of: date | None = None
    snapshot: str = ""
    graph_version: str = ""
    created_at: UtcTime
    updated_at: UtcTime
    output_dir: str = ""
    left: bool = False
    """Whether it is left to workers; whoever started another one drives it."""
    tenant: str = ""
    priority: Priority = "normal"
    forked_from: str = ""
    forked_at: str = ""
    """The step of the other run before which this one begins."""
    report_digest: str | None = None
    failure: Failure | None = None
    receipt: dict[str, Any] | None = None
    """What publication left behind; None until the report is published."""


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
                    keys=[_RUN + new.id, _LEFT, _STATES, *OUTBOX_KEYS],
                    args=[old, new.model_dump_json(), int(is_left), new.id, was, new.status, *told],
                )
            )

    async def get(self, run_id: str, *, tenant: str | None = None) -> RunRecord:
        """
        The run; `NotFound`, naming the ids that come close, when there is none.

        For a *tenant* the runs of others do not exist, and no other ids are named.
        """
        if tenant is None:
            return RunRecord.model_validate_json(await self._content(run_id))
        with redis_errors():
            content = await self._redis.get(_RUN + run_id)
        record = RunRecord.model_validate_json(content) if content is not None else None
        if record is None or record.tenant != tenant:
            raise NotFound("There is no run of that id.")
        return record

    async def list(
        self, *, limit: int = 20, status: RunStatus | None = None, tenant: str | None = None
    ) -> tuple[RunRecord, ...]:
        """The newest runs, newest first; of one *tenant*, or of all."""
        found: list[RunRecord] = []
        all_count = status is None and tenant is None
        start, page = 0, min(limit, _PAGE) if all_count else _PAGE
        while len(found) < limit:
            with redis_errors():
                ids = await self._redis.zrevrange(_BY_TIME, start, start + page - 1)
                if not ids:
                    break
                contents = await self._redis.mget([_RUN + _text(run_id) for run_id in ids])
            records = [RunRecord.model_validate_json(content) for content in contents if content]
            found += [
                record
                for record in records
                if status in (None, record.status) and tenant in (None, record.tenant)
            ]
            start += page
        return tuple(found[:limit])

    async def newest(
        self, *, behind: str = "", tenant: str | None = None
    ) -> AsyncIterator[RunRecord]:
        """
        The runs of one *tenant*, or of all, newest first, read a page at a time.

        Those *behind* a place that `cursor_of` gave, which stays where it is when others come or go.
        """
        highest, last = _place(behind)
        start = 0
        while True:
            with redis_errors():
                ids = await self._redis.zrevrangebyscore(
                    _BY_TIME, highest, "-inf", start=start, num=_PAGE
                )
                if not ids:
                    return
                contents = await self._redis.mget([_RUN + _text(run_id) for run_id in ids])
            for content in contents:
                record = RunRecord.model_validate_json(content) if content else None
                if record is None or tenant not in (None, record.tenant):
                    continue
                if last and _score(record) == highest and record.id >= last:
                    continue  # of one microsecond the ids are in falling order
                yield record
            start += _PAGE

    async def states(self) -> dict[str, int]:
        """How many runs there are of each status; counted when it changes, not when it is asked."""
        script = self._redis.register_script(_COUNT)
        with redis_errors():
            found = await script(keys=[_BY_TIME, _STATES], args=[_RUN])
        return {_text(found[i]): int(found[i + 1]) for i in range(0, len(found), 2)}

    async def matching(self, prefix: str, *, limit: int = 10) -> tuple[str, ...]:
        """Ids that start with *prefix*, in order."""
        low = b"[" + prefix.encode()
        with redis_errors():
            ids = await self._redis.zrangebylex(_BY_NAME, low, low + b"\xff", start=0, num=limit)
        return tuple(_text(run_id) for run_id in ids)

    def lease(
        self, run_id: str, *, wait: timedelta = timedelta()
    ) -> AbstractAsyncContextManager[Lease]:
        """Drive a run alone; `RunBusy` when another still drives it after *wait*."""
        return hold(self._redis, run_id, wait=wait)

    async def left(self) -> frozenset[str]:
        """The runs that are left to workers, and neither wait for a person nor are finished."""
        with redis_errors():
            return frozenset(_text(run_id) for run_id in await self._redis.smembers(_LEFT))

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
            content = await self._redis.get(_RUN + run_id)
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
            recent = await self._redis.zrevrange(_BY_TIME, 0, _PAGE - 1)
        return tuple(difflib.get_close_matches(run_id, [_text(name) for name in recent], n=3))


def asks_the_same(stored: RunRecord, record: RunRecord) -> bool:
    """Whether a stored run is the one that *record* would be."""
    if stored is record:
        return True
    asked = record.model_dump(mode="json")["request"]
    return stored.request == asked and stored.tenant == record.tenant


def _creation(record: RunRecord, line: bytes) -> Call:
    keys = [_RUN + record.id, _BY_TIME, _BY_NAME, _LEFT, _STATES, *OUTBOX_KEYS]
    told = lines(events_of(record, was=None))
    return Call(
        _CREATE, keys, [line, _score(record), record.id, int(record.left), record.status, *told]
    )


def events_of(run: RunRecord, *, was: RunStatus | None) -> tuple[Event, ...]:
    """What whoever listens is told of a run's new status; nothing when it *was* the same."""
    if run.status in {was, "running"} or (run.status == "queued" and was):
        return ()
    said: dict[str, Any] = {
        "run_id": run.id,
        "status": run.status,
        "template": run.template,
        "as_of": run.as_of.isoformat() if run.as_of else None,
        "url": f"/runs/{run.id}",
        "api_url": f"/v1/runs/{run.id}",
    }
    if run.failure is not None:
        said["code"] = run.failure.code
    types = ["run.accepted" if was is None else f"run.{run.status}"]
    if run.status == "done":
        types.append("report.published")
        said["report_digest"] = run.report_digest
    key = f"{run.id} {run.updated_at.isoformat()}"
    return tuple(
        Event.of(name, said, key=f"{name} {key}", at=run.updated_at, tenant=run.tenant)
        for name in types
    )


def cursor_of(record: RunRecord) -> str:
    """The place of a run among all by time, for `RunRegistry.newest`."""
    return f"{_score(record)}.{record.id}"


def _score(record: RunRecord) -> int:
    return int(record.created_at.timestamp() * 1_000_000)


def _place(cursor: str) -> tuple[int | str, str]:
    score, _, last = cursor.partition(".")
    if cursor and not (score.isascii() and score.isdigit() and len(score) < 20 and last):
        raise Invalid("The place to go on from is not valid.", hint="Begin with the newest runs.")
    return (int(score), last) if cursor else ("+inf", "")


def _text(reply: object) -> str:
    return as_bytes(reply).decode()
