"""Open items and decisions. Of two people who decide at once, one wins and the other is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final

from redis.asyncio import Redis

from services.errors import NotFound
from services.failpoints import failpoint
from services.store import of_tenant, redis_errors

from ._items import Away, Decision, ItemStatus, Notice, ReviewItem
from ._names import names, renamed
from ._people import (
    assigned,
    changed,
    claimed,
    delegated,
    given_back,
    passed_on,
    released,
    unassigned,
)
from ._policy import ReviewPolicy
from ._scripts import CREATE, REMOVE, REPLACE
from ._voting import Ballot, voted

_ITEM: Final = "assay:review:item:"
_BY_TIME: Final = "assay:review:time"
_OPEN: Final = "assay:review:open"
_BY_RUN: Final = "assay:review:run:"
_ANSWERED: Final = "assay:review:answered"
_DUE: Final = "assay:review:due"
_REVISION: Final = "assay:review:revision"
"""Grows with each change of an item: who shows them looks whether there is something new."""
_PAGE: Final = 200
_ALL: Final = 1_000_000_000
_NO_ITEM: Final = "There is no review item of that id."
_SEE: Final = "See `assay review list`."


class ReviewQueue:
    """Items by id, by run, and in the order they were opened."""

    def __init__(self, redis: Redis, policy: ReviewPolicy | None = None) -> None:
        self._redis = redis
        self.policy = policy or ReviewPolicy()

    @failpoint("reviews.open")
    async def open_item(self, item: ReviewItem) -> ReviewItem:
        """
        The stored item: *item* with what the policy asks for, or the one that already stands for
        the same wait.
        """
        opened = self.policy.applied(item)
        script = self._redis.register_script(CREATE)
        with redis_errors():
            stored = await script(
                keys=[_ITEM + item.id, _BY_TIME, _OPEN, _BY_RUN + item.run_id, _DUE, _REVISION],
                args=[
                    opened.model_dump_json(),
                    int(item.created_at.timestamp() * 1_000_000),
                    item.id,
                    _notice_at(opened),
                    item.tenant,
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
            key = of_tenant(key, tenant)
            with redis_errors():
                ids = await self._redis.zrange(key, start, start + _PAGE - 1, desc=desc)
            if not ids:
                break
            found += [item for item in await self._load(ids) if status in (None, item.status)]
            start += _PAGE
        return tuple(found[:limit])

    async def revision(self, *, tenant: str | None) -> int:
        """Another number after each change of any item of one *tenant*, or of all."""
        with redis_errors():
            return int(await self._redis.get(of_tenant(_REVISION, tenant)) or 0)

    async def of_run(self, run_id: str) -> tuple[ReviewItem, ...]:
        """All items of a run, in the order they were opened."""
        with redis_errors():
            ids = await self._redis.smembers(_BY_RUN + run_id)
        return tuple(sorted(await self._load(ids), key=lambda item: (item.created_at, item.id)))

    async def find(self, ref: str) -> ReviewItem:
        """
        The item of that id, or the one open item that the run of that id waits for.

        A breach is named by its own id: whoever names a run means what it waits for.
        """
        with redis_errors():
            content = await self._redis.get(_ITEM + ref)
        if content is not None:
            return ReviewItem.model_validate_json(content)
        items = await self.of_run(ref)
        waiting = [item for item in items if item.status == "open" and item.is_awaited]
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
    async def decide(  # noqa: PLR0913 (a decision, and all that it is checked against)
        self,
        item_id: str,
        decision: Decision,
        *,
        by: str,
        at: datetime,
        report_digest: str | None = None,
        version: int | None = None,
        key: str = "",
        single_user: bool = False,
    ) -> ReviewItem:
        """
        Record a decision, once; the item as it is then.

        An approval that is not enough leaves the item open, with the vote. *report_digest* and
        *version* are what the person saw: an approval of anything else is refused. Until
        `followed` is told, `answered` names the item: a decision whose process died here is not lost.
        """
        ballot = Ballot(
            decision=decision,
            by=by,
            at=at,
            report_digest=report_digest,
            version=version,
            key=key,
            single_user=single_user,
        )
        enough = self.policy.single_user_approvals
        return await self._change(
            item_id, lambda item: voted(item, ballot, single_user_approvals=enough)
        )

    def needed(self, item: ReviewItem, *, single_user: bool = False) -> int:
        """How many approvals the item takes."""
        return min(item.needed, self.policy.single_user_approvals) if single_user else item.needed

    @failpoint("reviews.claim")
    async def claim(self, item_id: str, *, by: str, at: datetime, take: bool = False) -> ReviewItem:
        """
        Have the item open for a while: until then nobody else decides it.

        Raises `DecisionRefused` when somebody else has it, unless it is to be taken over.
        """
        lasting = self.policy.claim_for
        return await self._change(
            item_id, lambda item: claimed(item, by=by, at=at, lasting=lasting, take=take)
        )

    @failpoint("reviews.release")
    async def release(self, item_id: str, *, by: str, at: datetime) -> ReviewItem:
        """Have the item open no more."""
        return await self._change(item_id, lambda item: released(item, by=by, at=at))

    @failpoint("reviews.assign")
    async def assign(
        self, item_id: str, to: str | None, *, by: str, at: datetime, version: int | None = None
    ) -> ReviewItem:
        """Give the item to a person, or to nobody."""
        return await self._change(
            item_id,
            lambda item: (
                unassigned(item, by=by, at=at, version=version)
                if to is None
                else assigned(item, to, by=by, at=at, version=version)
            ),
        )

    @failpoint("reviews.delegate")
    async def delegate(
        self, item_id: str, to: str, *, by: str, at: datetime, version: int | None = None
    ) -> ReviewItem:
        """Hand the item on, by whoever has it."""
        return await self._change(
            item_id, lambda item: delegated(item, to, by=by, at=at, version=version)
        )

    @failpoint("reviews.pass_on")
    async def pass_on(self, item_id: str, to: str, away: Away, *, at: datetime) -> ReviewItem:
        """Give the item to who stands in for somebody, if it is still to be given and they may have it."""
        return await self._change(item_id, lambda item: passed_on(item, to, away, at=at))

    @failpoint("reviews.give_back")
    async def give_back(self, item_id: str, person: str, *, at: datetime) -> ReviewItem:
        """Give the item back to who was away, unless somebody has begun with it."""
        return await self._change(item_id, lambda item: given_back(item, person, at=at))

    async def due(self, at: datetime, *, limit: int = _PAGE) -> tuple[ReviewItem, ...]:
        """Items of whose deadline something is to be said by then."""
        with redis_errors():
            ids = await self._redis.zrangebyscore(
                _DUE, "-inf", int(at.timestamp() * 1_000_000), start=0, num=limit
            )
        return tuple(i for i in await self._load(ids) if i.next_notice is not None)

    @failpoint("reviews.told")
    async def told(self, item_id: str, notice: Notice) -> ReviewItem:
        """Note that something was said about the item's deadline; an escalated item has its role."""
        return await self._change(item_id, lambda item: _told(item, notice))

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
        """
        Close the open items of a run whose waits are gone: all but those *still_waiting*.

        What only has to be acknowledged waits for no step of the run, and stays.
        """
        for item in await self.of_run(run_id):
            if item.status == "open" and item.is_awaited and item.interrupt_id not in still_waiting:
                await self._change(item.id, _superseded)

    @failpoint("reviews.close")
    async def close(self, run_id: str, *, why: str, by: str, at: datetime) -> None:
        """Close the open breaches of a run whose report stands no more, with a note of *why*."""
        for item in await self.of_run(run_id):
            if not item.is_awaited:
                await self._change(item.id, lambda i: _closed(i, why=why, by=by, at=at))

    @failpoint("reviews.remove")
    async def remove(self, run_id: str) -> None:
        """Remove all items of a run, in one step."""
        script = self._redis.register_script(REMOVE)
        with redis_errors():
            await script(
                keys=[_BY_RUN + run_id, _BY_TIME, _OPEN, _ANSWERED, _DUE, _REVISION], args=[_ITEM]
            )

    async def forget(self, person: str, *, name: str) -> tuple[ReviewItem, ...]:
        """Put *name* in place of a person's in all that they did; the changed items."""
        named = [item for item in await self.list(None, limit=_ALL) if names(item, person)]
        return tuple(
            [await self._change(item.id, lambda i: renamed(i, person, name)) for item in named]
        )

    async def _change(self, item_id: str, change: Callable[[ReviewItem], ReviewItem]) -> ReviewItem:
        script = self._redis.register_script(REPLACE)
        keys = [_ITEM + item_id, _OPEN, _ANSWERED, _DUE, _REVISION]
        while True:
            old = await self._content(item_id)
            before = ReviewItem.model_validate_json(old)
            after = change(before)
            if after == before:
                return before
            is_open = after.status == "open"
            answered = after.status == "decided" and before.status == "open"
            new = after.model_dump_json().encode()
            args = [old, new, item_id, int(answered), int(is_open), _notice_at(after)]
            args += [after.tenant]
            with redis_errors():
                if await script(keys=keys, args=args):
                    return after

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
    asks = [item for item in items if item.status == "open"]
    named = "; ".join(f"{item.id} ({item.title})" for item in asks)
    return " ".join([_last_decision(items), *([f"To be acknowledged: {named}."] if asks else [])])


def _last_decision(items: Sequence[ReviewItem]) -> str:
    decided = [item for item in items if item.decided_at is not None and item.is_awaited]
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


def _closed(item: ReviewItem, *, why: str, by: str, at: datetime) -> ReviewItem:
    if item.status != "open":
        return item
    update = {"status": "superseded", "claim": None}
    return changed(item, f"closed, {why},", by=by, at=at, update=update)


def _told(item: ReviewItem, notice: Notice) -> ReviewItem:
    if item.status != "open" or notice in item.told:
        return item
    update: dict[str, object] = {"told": (*item.told, notice)}
    if notice == "escalation" and item.deadline is not None:
        update["escalated_to"] = item.deadline.escalate_to
    return item.model_copy(update=update)


def _notice_at(item: ReviewItem) -> str:
    """When something is to be said about its deadline, in microseconds; empty for never."""
    notice = item.next_notice
    return "" if notice is None else str(int(notice[1].timestamp() * 1_000_000))
