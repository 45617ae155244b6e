"""Everything that outlives a process, opened together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.access import has_members
from services.audit import AuditLog, events
from services.review import Absences, Decision, ReviewItem, ReviewQueue, Vote, load_policy
from services.schedules import ScheduleBook
from services.settings import Settings
from services.store import (
    BlobStore,
    EffectLedger,
    Event,
    EvidenceStore,
    ObjectStore,
    Outbox,
    Redis,
    References,
    RunQueue,
    RunRegistry,
    Spending,
    Tally,
    WorkerBoard,
    connect,
    open_home,
    open_layout,
    redis_errors,
)


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of one server, which share its connections."""

    redis: Redis
    runs: RunRegistry
    queue: RunQueue
    reviews: ReviewQueue
    absences: Absences
    audit: AuditLog
    evidence: EvidenceStore
    blobs: BlobStore
    references: References
    objects: ObjectStore
    effects: EffectLedger
    outbox: Outbox
    spending: Spending
    schedules: ScheduleBook
    workers: WorkerBoard
    tally: Tally
    has_provider: bool = False
    """Whether people come by an identity provider, which knows who they are."""

    async def ping(self) -> str:
        """The server's name and version; raises `StoreUnavailable` when it does not answer."""
        with redis_errors():
            info = await self.redis.info("server")
        name = info.get("server_name", "redis")
        return f"{name} {info.get(f'{name}_version', info['redis_version'])}"

    async def decide(
        self,
        ref: str,
        decision: Decision,
        *,
        by: str,
        at: datetime,
        digest: str | None = None,
        version: int | None = None,
        key: str = "",
    ) -> ReviewItem:
        """
        Record a person's decision on an item, named by its id or by its run's.

        An approval that is not enough leaves the item open. Whoever sees to it that the run goes
        on tells `reviews.followed`; else a worker does.
        """
        item = await self.reviews.find(ref)
        voted = await self.reviews.decide(
            item.id,
            decision,
            by=by,
            at=at,
            report_digest=digest or item.report_digest,
            version=version,
            key=key,
            single_user=await self.is_single_user(),
        )
        await self.log_decision(voted)
        return voted

    async def is_single_user(self) -> bool:
        """Whether nobody is known by a key or a name of their own, so that all are one person."""
        return not self.has_provider and not await has_members(self.redis)

    async def open_item(self, item: ReviewItem) -> ReviewItem:
        """Open an item, or find the one that stands for the same wait; who listens is told once."""
        stored = await self.reviews.open_item(item)
        if stored.status == "open":
            await self.tell(events.REVIEW_OPENED, stored, stored.created_at)
        return stored

    async def log_decision(self, item: ReviewItem) -> None:
        """Have the audit log say who voted and what was decided, each once."""
        votes = item.votes or _earlier(item)
        for vote in votes:
            decides = item.status == "decided" and vote == votes[-1]
            event = events.REVIEW_DECIDED if decides else events.REVIEW_VOTED
            fields = {"item": item.id, "kind": item.kind, "decision": vote.kind, "by": vote.by}
            if vote.kind == "reject":
                fields["reason"] = vote.note
            elif item.kind == "breach":
                fields["note"] = vote.note
            key = f"{event} {item.id}" + ("" if decides else f" {vote.at.isoformat()}")
            await self.audit.append(item.run_id, event, fields, at=vote.at, key=key)
            if decides:
                await self.tell(events.REVIEW_DECIDED, item, vote.at, decision=vote.kind)

    async def tell(self, event: str, item: ReviewItem, at: datetime, **more: str) -> None:
        """Tell whoever listens of an item, once: neither its words nor who decided."""
        said = {"item_id": item.id, "run_id": item.run_id, "kind": item.kind, **more}
        said |= {"url": f"/reviews/{item.id}", "run_url": f"/runs/{item.run_id}"}
        said |= {"api_url": f"/v1/reviews/{item.id}"}
        key = f"{event} {item.id}"
        await self.outbox.put(Event.of(event, said, key=key, at=at, tenant=item.tenant))


def _earlier(item: ReviewItem) -> tuple[Vote, ...]:
    """The one vote of an item that was decided before votes were kept."""
    if item.decision is None or item.decided_at is None:
        return ()
    reason = getattr(item.decision, "reason", "")
    vote = Vote(by=item.decided_by or "", at=item.decided_at, kind=item.decision.kind, note=reason)
    return (vote,)


@asynccontextmanager
async def open_stores(
    settings: Settings, *, patience: timedelta | None = None
) -> AsyncIterator[Stores]:
    """
    The stores of the configured server, or of the embedded one, which this starts.

    *patience* is how long an outage of the server is ridden out before `StoreUnavailable`.
    """
    await asyncio.to_thread(open_home, settings.home)
    options = {} if patience is None else {"patience": patience}
    redis = connect(
        settings.redis_url,
        settings.home,
        idle=settings.store_idle,
        fsync=settings.store_fsync,
        **options,
    )
    objects = ObjectStore(settings.objects_dir, least=settings.large_result)
    try:
        await open_layout(redis)
        yield Stores(
            redis=redis,
            runs=RunRegistry(redis),
            queue=RunQueue(redis),
            reviews=ReviewQueue(redis, load_policy(settings.review_policy)),
            absences=Absences(redis),
            audit=AuditLog(redis),
            evidence=EvidenceStore(redis, objects),
            blobs=BlobStore(redis, objects),
            references=References(redis, objects),
            objects=objects,
            effects=EffectLedger(redis),
            outbox=Outbox(redis),
            spending=Spending(redis),
            has_provider=settings.oidc_issuer is not None,
            schedules=ScheduleBook(redis),
            workers=WorkerBoard(redis),
            tally=Tally(redis),
        )
    finally:
        await redis.aclose()
