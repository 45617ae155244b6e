"""Runs in pages: newest first, by what people look for, and never all of them at once."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Final, cast

from pydantic import Field
from redis.asyncio import Redis

from services.evidence import Frozen

from ._connection import redis_errors
from ._runs import _BY_TIME, _RUN, RunRecord, RunStatus
from ._values import UtcTime

_BATCH: Final = 200
_LOOKED_AT: Final = 2_000
"""Most records that one page reads, whatever it looks for."""


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
            self.tenant in (None, record.tenant)
            and self.status in (None, record.status)
            and self.template in ("", record.template)
            and self.requested_by in ("", record.request.get("requested_by"))
            and self.words.casefold() in f"{record.id}\n{record.title}".casefold()
        )


class RunPlace(Frozen):
    """Behind which run a page goes on: one that was created then, of that id."""

    at: Annotated[int, Field(ge=0, le=10**17)]
    """In microseconds."""
    id: str = ""
    """Empty: before all that were created at that time."""


class RunPage(Frozen):
    """Some runs, newest first, and where the next page begins; None behind the last."""

    runs: tuple[RunRecord, ...]
    next: RunPlace | None = None


class RunListing:
    """
    Pages of runs.

    A page begins at its place in the order of time, whatever came since, and reads on until it is
    full, or has read so many records that its caller should rather hear of what there is. So a
    page may be short, or empty, and still have a next.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def page(
        self, wanted: RunFilter, *, limit: int, after: RunPlace | None = None
    ) -> RunPage:
        found: list[RunRecord] = []
        looked_at = 0
        while looked_at < _LOOKED_AT:
            names = await self._names(wanted, after, looked_at)
            for record in await self._records([name for name, _ in names]):
                if _is_behind(record, after) and wanted.lets_through(record):
                    found.append(record)
                    if len(found) > limit:
                        last = found[limit - 1]
                        return RunPage(runs=tuple(found[:limit]), next=_place(last))
            looked_at += len(names)
            if len(names) < _BATCH:
                return RunPage(runs=tuple(found))
        # What was created with the last that was read is read again: its id may be another tenant's.
        end = names[-1][1]
        whole = tuple(record for record in found if _micros(record.created_at) != end)
        return RunPage(runs=whole, next=RunPlace(at=end))

    async def _names(
        self, wanted: RunFilter, after: RunPlace | None, skipped: int
    ) -> list[tuple[str, int]]:
        newest = min(_score(wanted.created_before), float(after.at) if after else math.inf)
        oldest = _micros(wanted.created_after) if wanted.created_after else "-inf"
        with redis_errors():
            found = await self._redis.zrevrangebyscore(
                _BY_TIME, newest, oldest, start=skipped, num=_BATCH, withscores=True
            )
        pairs = cast("list[tuple[bytes, float]]", found)
        return [(name.decode(), int(score)) for name, score in pairs]

    async def _records(self, names: list[str]) -> list[RunRecord]:
        if not names:
            return []
        with redis_errors():
            contents = await self._redis.mget([_RUN + name for name in names])
        return [RunRecord.model_validate_json(content) for content in contents if content]


def _score(before: datetime | None) -> float:
    return math.inf if before is None else float(_micros(before))


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def _place(record: RunRecord) -> RunPlace:
    return RunPlace(at=_micros(record.created_at), id=record.id)


def _is_behind(record: RunRecord, after: RunPlace | None) -> bool:
    if after is None or not after.id:
        return True
    return (_micros(record.created_at), record.id) < (after.at, after.id)
