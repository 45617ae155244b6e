"""Everything that outlives a process, opened together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.audit import AuditLog, events
from services.review import Decision, Reject, ReviewItem, ReviewQueue
from services.schedules import ScheduleBook
from services.settings import Settings
from services.store import (
    BlobStore,
    EffectLedger,
    EvidenceStore,
    ObjectStore,
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
    audit: AuditLog
    evidence: EvidenceStore
    blobs: BlobStore
    references: References
    objects: ObjectStore
    effects: EffectLedger
    spending: Spending
    schedules: ScheduleBook
    workers: WorkerBoard
    tally: Tally

    async def ping(self) -> str:
        """The server's name and version; raises `StoreUnavailable` when it does not answer."""
        with redis_errors():
            info = await self.redis.info("server")
        name = info.get("server_name", "redis")
        return f"{name} {info.get(f'{name}_version', info['redis_version'])}"

    async def decide(
        self, ref: str, decision: Decision, *, by: str, at: datetime, digest: str | None = None
    ) -> ReviewItem:
        """
        Record a person's decision on an item, named by its id or by its run's.

        Whoever sees to it that the run goes on tells `reviews.followed`; else a worker does.
        """
        item = await self.reviews.find(ref)
        decided = await self.reviews.decide(
            item.id, decision, by=by, at=at, report_digest=digest or item.report_digest
        )
        await self.log_decision(decided)
        return decided

    async def log_decision(self, item: ReviewItem) -> None:
        """Have the audit log say what was decided, once."""
        decision, at = item.decision, item.decided_at
        assert decision is not None
        assert at is not None
        fields = {"item": item.id, "kind": item.kind, "decision": decision.kind}
        fields |= {"by": item.decided_by or ""}
        fields |= {"reason": decision.reason} if isinstance(decision, Reject) else {}
        key = f"{events.REVIEW_DECIDED} {item.id}"
        await self.audit.append(item.run_id, events.REVIEW_DECIDED, fields, at=at, key=key)


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
            reviews=ReviewQueue(redis),
            audit=AuditLog(redis),
            evidence=EvidenceStore(redis, objects),
            blobs=BlobStore(redis, objects),
            references=References(redis, objects),
            objects=objects,
            effects=EffectLedger(redis),
            spending=Spending(redis),
            schedules=ScheduleBook(redis),
            workers=WorkerBoard(redis),
            tally=Tally(redis),
        )
    finally:
        await redis.aclose()
