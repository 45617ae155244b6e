"""Open items and decisions. Of two people who decide at once, one wins and the other is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final

from redis.asyncio import Redis

from services.errors import DecisionRefused, NotFound
from services.failpoints import failpoint
from services.store import redis_errors

from ._items import Approve, Decision, ItemStatus, ReviewItem

_ITEM: Final = "assay:review:item:"
_BY_TIME: Final = "assay:review:time"
_OPEN: Final = "assay:review:open"
_BY_RUN: Final = "assay:review:run:"
_ANSWERED: Final = "assay:review:answered"
_PAGE: Final = 200
_ALL: Final = 1_000_000_000
_NO_ITEM: Final = "There is no review item of that id."
_SEE: Final = "See `assay review list`."

_CREATE: Final = """
local known = redis.call('GET', KEYS[1])
if known then return known end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[3])
redis.call('SADD', KEYS[4], ARGV[3])
return ARGV[1]
"""

# A retry after a lost answer finds its own value in place: that is a success too.
_REPLACE: Final = """
local current = redis.call('GET', KEYS[1])
if current == ARGV[2] then return 1 end
if current ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[3])
if ARGV[4] == '1' then redis.call('SADD', KEYS[3], ARGV[3]) end
return 1
"""

_REMOVE: Final = """
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  redis.call('UNLINK', ARGV[1] .. id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
  redis.call('SREM', KEYS[4], id)
end
return redis.call('UNLINK', KEYS[1])
"""


class ReviewQueue:
    """Items by id, by run, and in the order they were opened."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("reviews.open")
    async def open_item(self, item: ReviewItem) -> ReviewItem:
        """The stored item: *item* itself, or the one that already stands for the same wait."""
        script = self._redis.register_script(_CREATE)
        with redis_errors():
            stored = await script(
                keys=[_ITEM + item.id, _BY_TIME, _OPEN, _BY_RUN + item.run_id],
                args=[
                    item.model_dump_json(),
                    int(item.created_at.timestamp() * 1_000_000),
                    item.id,
                ],
            )
        return ReviewItem.model_validate_json(stored)

    async def get(self, item_id: str, *, tenant: str | None = None) -> ReviewItem:
        """The item; for a *tenant* the items of others do not exist."""
        item = ReviewItem.model_validate_json(await self._content(item_id))
        if tenant not in (None, item.tenant):
            raise NotFound(_NO_ITEM, hint=_SEE)
        return item

    async def list(
        self,
        status: ItemStatus | None = "open",
        *,
        limit: int = 100,
        tenant: str | None = None,
    ) -> tuple[ReviewItem, ...]:
        """
        Open items with the oldest first; others, or all with None, with the newest first.

        Those of one *tenant*, or of all.
        """
        found: list[ReviewItem] = []
        start = 0
        while len(found) < limit:
            key, desc = (_OPEN, False) if status == "open" else (_BY_TIME, True)
            with redis_errors():
                ids = await self._redis.zrange(key, start, start + _PAGE - 1, desc=desc)
            if not ids:
                break
            found += [
                item
                for item in await self._load(ids)
                if status in (None, item.status) and tenant in (None, item.tenant)
            ]
            start += _PAGE
        return tuple(found[:limit])

    async def of_run(self, run_id: str) -> tuple[ReviewItem, ...]:
        """All items of a run, in the order they were opened."""
        with redis_errors():
            ids = await self._redis.smembers(_BY_RUN + run_id)
        return tuple(sorted(await self._load(ids), key=lambda item: (item.created_at, item.id)))

    async def find(self, ref: str) -> ReviewItem:
        """The item of that id, or the one open item of the run of that id."""
        with redis_errors():
            content = await self._redis.get(_ITEM + ref)
        if content is not None:
            return ReviewItem.model_validate_json(content)
        items = await self.of_run(ref)
        waiting = [item for item in items if item.status == "open"]
        if len(waiting) == 1:
            return waiting[0]
        if waiting:
            named = "; ".join(f"{item.id} ({item.title})" for item in waiting)
            raise NotFound(f"Run {ref} has {len(waiting)} open items.", hint=f"Name one: {named}.")
        if items:
            raise NotFound(f"Run {ref} waits for nobody.", hint=_last_word(items))
        raise NotFound(
            "There is no review item or run of that id.", hint="See `assay review list`."
        )

    @failpoint("reviews.decide")
    async def decide(
        self,
        item_id: str,
        decision: Decision,
        *,
        by: str,
        at: datetime,
        report_digest: str | None = None,
    ) -> ReviewItem:
        """
        Record a decision, once; the decided item.

        *report_digest* is what the person saw: an approval of anything else is refused. Until
        `followed` is told, `answered` names the item: a decision whose process died here is not lost.
        """

        def decided(item: ReviewItem) -> ReviewItem:
            _check(item, decision, report_digest)
            return ReviewItem.model_validate(
                {
                    **dict(item),
                    "status": "decided",
                    "decision": decision,
                    "decided_by": by,
                    "decided_at": at,
                }
            )

        return await self._change(item_id, decided, answered=True)

    async def answered(self) -> tuple[ReviewItem, ...]:
        """Decided items that nobody has seen to since."""
        with redis_errors():
            ids = await self._redis.smembers(_ANSWERED)
        return await self._load(ids)

    @failpoint("reviews.followed")
    async def followed(self, item_id: str) -> None:
        """Whatever a decision asks for is on its way."""
        with redis_errors():
            await self._redis.srem(_ANSWERED, item_id)

    @failpoint("reviews.supersede")
    async def supersede(self, run_id: str, *, still_waiting: Collection[str] = ()) -> None:
        """Close the open items of a run whose waits are gone: all but those *still_waiting*."""
        for item in await self.of_run(run_id):
            if item.status == "open" and item.interrupt_id not in still_waiting:
                await self._change(item.id, _superseded)

    @failpoint("reviews.remove")
    async def remove(self, run_id: str) -> None:
        """Remove all items of a run, in one step."""
        script = self._redis.register_script(_REMOVE)
        with redis_errors():
            await script(keys=[_BY_RUN + run_id, _BY_TIME, _OPEN, _ANSWERED], args=[_ITEM])

    async def forget(self, person: str, *, name: str) -> tuple[ReviewItem, ...]:
        """Put *name* in place of a person's in all that they decided; the changed items."""
        decided = [i for i in await self.list(None, limit=_ALL) if i.decided_by == person]
        return tuple(
            [
                await self._change(item.id, lambda i: i.model_copy(update={"decided_by": name}))
                for item in decided
            ]
        )

    async def _change(
        self, item_id: str, change: Callable[[ReviewItem], ReviewItem], *, answered: bool = False
    ) -> ReviewItem:
        script = self._redis.register_script(_REPLACE)
        keys = [_ITEM + item_id, _OPEN, _ANSWERED]
        while True:
            old = await self._content(item_id)
            changed = change(ReviewItem.model_validate_json(old))
            new = changed.model_dump_json().encode()
            with redis_errors():
                if await script(keys=keys, args=[old, new, item_id, int(answered)]):
                    return changed

    async def _content(self, item_id: str) -> bytes | str:
        with redis_errors():
            content = await self._redis.get(_ITEM + item_id)
        if content is None:
            raise NotFound(_NO_ITEM, hint=_SEE)
        return content

    async def _load(self, ids: Collection[object]) -> tuple[ReviewItem, ...]:
        keys = [_ITEM + item_id.decode() for item_id in ids if isinstance(item_id, bytes)]
        if not keys:
            return ()
        with redis_errors():
            contents = await self._redis.mget(keys)
        return tuple(ReviewItem.model_validate_json(content) for content in contents if content)


def _last_word(items: Sequence[ReviewItem]) -> str:
    """What was decided last on a run, and by whom: who comes second wants to know."""
    decided = [item for item in items if item.decided_at is not None]
    if not decided:
        return "See `assay review list`."
    last = max(decided, key=lambda item: (item.decided_at, item.id))
    assert last.decision is not None
    return (
        f"Item {last.id} was decided: {last.decision.kind} by {last.decided_by} "
        f"at {last.decided_at:%Y-%m-%d %H:%M:%S} UTC."
    )


def _superseded(item: ReviewItem) -> ReviewItem:
    return item.model_copy(update={"status": "superseded"}) if item.status == "open" else item


def _check(item: ReviewItem, decision: Decision, report_digest: str | None) -> None:
    if item.status == "superseded":
        raise DecisionRefused(
            f"Item {item.id} no longer waits: the run has gone another way.",
            hint=f"See `assay run show {item.run_id}`.",
        )
    if item.decided_by is not None and item.decided_at is not None and item.decision is not None:
        raise DecisionRefused(
            f"Item {item.id} was already decided: {item.decision.kind} by {item.decided_by} at {item.decided_at:%Y-%m-%d %H:%M:%S} UTC."
        )
    if decision.kind not in item.choices:
        raise DecisionRefused(
            f"Item {item.id} does not take '{decision.kind}'.",
            hint=f"It takes {', '.join(item.choices)}.",
        )
    if isinstance(decision, Approve) and report_digest not in (None, item.report_digest):
        raise DecisionRefused(
            f"Item {item.id} is about another version of the report than the one approved.",
            hint=f"Look at it again with `assay review show {item.id}`.",
        )
