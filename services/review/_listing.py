"""Review items in pages, by what people look for."""

from __future__ import annotations

from typing import Annotated, Final, cast

from pydantic import Field
from redis.asyncio import Redis

from services.evidence import Frozen
from services.store import as_bytes, of_tenant, redis_errors

from ._items import ItemKind, ItemStatus, ReviewItem
from ._queue import _BY_RUN, _BY_TIME, _ITEM, _OPEN

_BATCH: Final = 200
_LOOKED_AT: Final = 2_000
"""Most items that one page reads, whatever it looks for."""


class ItemFilter(Frozen):
    """Which items; what is left out lets every item through."""

    status: ItemStatus | None = "open"
    kind: ItemKind | None = None
    run: str = ""
    tenant: str | None = None

    def lets_through(self, item: ReviewItem) -> bool:
        return (
            self.tenant in (None, item.tenant)
            and self.status in (None, item.status)
            and self.kind in (None, item.kind)
            and self.run in ("", item.run_id)
        )


class ItemPlace(Frozen):
    """Behind which item a page goes on: one that was opened then, of that id."""

    at: Annotated[int, Field(ge=0, le=10**17)]
    id: Annotated[str, Field(min_length=1)]


class ItemPage(Frozen):
    """Some items, open ones with the oldest first, others with the newest first."""

    items: tuple[ReviewItem, ...]
    next: ItemPlace | None = None


class ItemListing:
    """Pages of items; like those of runs, one that looks for something may be short and have a next."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def page(
        self, wanted: ItemFilter, *, limit: int, after: ItemPlace | None = None
    ) -> ItemPage:
        oldest_first = wanted.status == "open"
        found: list[ReviewItem] = []
        looked_at = 0
        while looked_at < _LOOKED_AT:
            names = await self._names(wanted, after, looked_at)
            for item in await self._items([name for name, _ in names]):
                if _is_behind(item, after, oldest_first) and wanted.lets_through(item):
                    found.append(item)
                    if len(found) > limit:
                        last = found[limit - 1]
                        place = ItemPlace(at=_micros(last), id=last.id)
                        return ItemPage(items=tuple(found[:limit]), next=place)
            looked_at += len(names)
            if len(names) < _BATCH:
                return ItemPage(items=tuple(found))
        last_read, at = names[-1]
        return ItemPage(items=tuple(found), next=ItemPlace(at=at, id=last_read.decode()))

    async def _names(
        self, wanted: ItemFilter, after: ItemPlace | None, skipped: int
    ) -> list[tuple[bytes, int]]:
        with redis_errors():
            if wanted.run:
                return await self._of_run(wanted, skipped)
            if wanted.status == "open":
                start: int | str = after.at if after else "-inf"
                found = await self._redis.zrangebyscore(
                    of_tenant(_OPEN, wanted.tenant),
                    start,
                    "+inf",
                    start=skipped,
                    num=_BATCH,
                    withscores=True,
                )
            else:
                start = after.at if after else "+inf"
                found = await self._redis.zrevrangebyscore(
                    of_tenant(_BY_TIME, wanted.tenant),
                    start,
                    "-inf",
                    start=skipped,
                    num=_BATCH,
                    withscores=True,
                )
        pairs = cast("list[tuple[bytes, float]]", found)
        return [(name, int(score)) for name, score in pairs]

    async def _of_run(self, wanted: ItemFilter, skipped: int) -> list[tuple[bytes, int]]:
        """The items of one run, which are few."""
        names = [as_bytes(name) for name in await self._redis.smembers(_BY_RUN + wanted.run)]
        items = [item for item in await self._items(names) if wanted.lets_through(item)]
        items.sort(key=lambda i: (_micros(i), i.id), reverse=wanted.status != "open")
        found = [(item.id.encode(), _micros(item)) for item in items]
        return found[skipped : skipped + _BATCH]

    async def _items(self, names: list[bytes]) -> list[ReviewItem]:
        if not names:
            return []
        with redis_errors():
            contents = await self._redis.mget([_ITEM.encode() + name for name in names])
        return [ReviewItem.model_validate_json(content) for content in contents if content]


def _micros(item: ReviewItem) -> int:
    return int(item.created_at.timestamp() * 1_000_000)


def _is_behind(item: ReviewItem, after: ItemPlace | None, oldest_first: bool) -> bool:
    if after is None:
        return True
    mine, theirs = (_micros(item), item.id), (after.at, after.id)
    return mine > theirs if oldest_first else mine < theirs
