"""Runs in pages: newest first, by what people look for, and never all of them at once."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Final, TypeAlias, cast

from pydantic import Field
from redis.asyncio import Redis

from services.evidence import Frozen

from ._connection import redis_errors
from ._record import RunRecord, RunStatus
from ._tenants import of_tenant
from ._values import UtcTime, as_bytes

RUN: Final = "assay:run:"
BY_TIME: Final = "assay:runs:time"
_BATCH: Final = 200
_LOOKED_AT: Final = 2_000
"""Most records that one page reads, whatever it looks for."""

Fits: TypeAlias = Callable[[RunRecord], Awaitable[bool]]
"""What else a run has to be, where that takes more than its record to tell."""


class RunFilter(Frozen):
    """Which runs; what is left out lets every run through."""

    status: RunStatus | None = None
    template: str = ""
    requested_by: str = ""
    tenant: str | None = None
    created_after: UtcTime | None = None
    created_before: UtcTime | None = None
    words: str = ""
    """What the id or the title holds."""

    def lets_through(self, record: RunRecord) -> bool:
        return (
            self.status in (None, record.status)
            and self.template in ("", record.template)
            and self.requested_by in ("", record.request.get("requested_by"))
            and self.words.casefold() in f"{record.id}\n{record.title}".casefold()
        )


class RunPlace(Frozen):
    """Behind which run a page goes on: one that was created then, of that id."""

    at: Annotated[int, Field(ge=0, le=10**17)]
    """In microseconds."""
    id: Annotated[str, Field(min_length=1)]

    @classmethod
    def of(cls, record: RunRecord) -> RunPlace:
        return cls(at=micros(record.created_at), id=record.id)


class RunPage(Frozen):
    """Some runs, newest first, and where the next page begins; None behind the last."""

    runs: tuple[RunRecord, ...]
    next: RunPlace | None = None


async def page_of_runs(
    redis: Redis,
    wanted: RunFilter,
    *,
    limit: int,
    after: RunPlace | None = None,
    fits: Fits | None = None,
) -> RunPage:
    """
    A page of runs.

    It begins at its place in the order of time, whatever came since, and reads on until it is full,
    or has read so many records of its tenant that its caller should rather hear of what there is.
    So a page that looks for something may be short, or empty, and still have a next.
    """
    found: list[RunRecord] = []
    seen: RunRecord | None = None
    looked_at = 0
    async for record in newest_runs(redis, wanted, after=after):
        if seen is not None and looked_at == _LOOKED_AT:
            return RunPage(runs=tuple(found), next=RunPlace.of(seen))
        if wanted.lets_through(record) and (fits is None or await fits(record)):
            if len(found) == limit:
                return RunPage(runs=tuple(found), next=RunPlace.of(found[-1]))
            found.append(record)
        seen, looked_at = record, looked_at + 1
    return RunPage(runs=tuple(found))


async def newest_runs(
    redis: Redis, wanted: RunFilter, *, after: RunPlace | None = None
) -> AsyncIterator[RunRecord]:
    """The runs of a tenant, or of all, in a span of time, newest first, a batch at a time."""
    index = of_tenant(BY_TIME, wanted.tenant)
    newest = math.inf if wanted.created_before is None else micros(wanted.created_before)
    oldest = -math.inf if wanted.created_after is None else micros(wanted.created_after)
    newest, skipped = min(newest, math.inf if after is None else after.at), 0
    while True:
        with redis_errors():
            reply: Any = await redis.zrevrangebyscore(
                index, newest, oldest, start=skipped, num=_BATCH, withscores=True
            )
        scored = [(as_bytes(name).decode(), int(score)) for name, score in reply]
        # Of one microsecond the ids are in falling order.
        names = [name for name, at in scored if after is None or (at, name) < (after.at, after.id)]
        for record in await _records(redis, names):
            yield record
        if len(scored) < _BATCH:
            return
        # From a time on, not from a rank: what comes or goes meanwhile moves nothing.
        end = scored[-1][1]
        same = sum(at == end for _, at in scored)
        newest, skipped = end, same + (skipped if end == newest else 0)


async def _records(redis: Redis, names: list[str]) -> list[RunRecord]:
    if not names:
        return []
    with redis_errors():
        contents = await redis.mget([RUN + name for name in names])
    return [RunRecord.model_validate_json(cast("bytes", one)) for one in contents if one]


def micros(moment: UtcTime) -> int:
    return int(moment.timestamp() * 1_000_000)
