"""Accept, drive and answer runs: the only place that touches the compiled graph."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateSnapshot

from agent.deps import Deps
from agent.graph import GRAPH_VERSION, build_graph
from agent.pending import Pending
from agent.request import Request
from agent.state import RunState
from services import telemetry
from services.audit import AuditLog
from services.checkpointer import make_checkpointer
from services.errors import InputConflict
from services.model import Models
from services.retrieval import Retriever
from services.review import Approve, Decision, ReviewItem, ReviewQueue
from services.settings import Settings
from services.store import (
    BlobStore,
    EvidenceStore,
    Failure,
    Redis,
    RunRecord,
    RunRegistry,
    connect,
    redis_errors,
)

Event: TypeAlias = dict[str, Any]
"""`event` is started, finished, failed or told; with step, section, elapsed, detail."""
FINISHED = ("done", "rejected", "cancelled")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that outlives this process."""

    redis: Redis
    runs: RunRegistry
    reviews: ReviewQueue
    audit: AuditLog
    evidence: EvidenceStore
    blobs: BlobStore

    async def ping(self) -> str:
        """The server's name and version; raises `StoreUnavailable` when it does not answer."""
        with redis_errors():
            info = await self.redis.info("server")
        name = info.get("server_name", "redis")
        return f"{name} {info.get(f'{name}_version', info['redis_version'])}"


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """The stores of the configured server, or of the embedded one, which this starts."""
    redis = connect(settings.redis_url, settings.home, idle=settings.store_idle)
    try:
        yield Stores(
            redis=redis,
            runs=RunRegistry(redis),
            reviews=ReviewQueue(redis),
            audit=AuditLog(redis),
            evidence=EvidenceStore(redis),
            blobs=BlobStore(redis),
        )
    finally:
        await redis.aclose()


@dataclass(frozen=True, slots=True)
class Runner:
    """Drives runs of one configuration. A run has one driver at a time, held by a lease."""

    settings: Settings
    stores: Stores
    open_retriever: Callable[[Settings, str], Retriever]
    """Opens the warehouse snapshot a run is pinned to; raises `SnapshotGone`."""

    async def accept(
        self, run_id: str, request: Request, *, snapshot: str, title: str
    ) -> RunRecord:
        """
        Store a request before anything else is done with it.

        A known id with the same request gives the run that exists; with another request it is an
        `InputConflict`.
        """
        at = now()
        record = RunRecord(
            id=run_id,
            request=request.model_dump(mode="json"),
            title=title,
            template=request.template,
            as_of=request.as_of,
            snapshot=snapshot,
            graph_version=GRAPH_VERSION,
            created_at=at,
            updated_at=at,
            output_dir=request.output,
        )
        stored = await self.stores.runs.create(record)
        if stored.created_at == at:
            await self.stores.audit.append(
                run_id,
                "run.accepted",
                {"template": request.template, "by": request.requested_by},
                at=at,
            )
        return stored

    async def drive(
        self, run_id: str, watch: Callable[[Event], None], *, retry: bool = False
    ) -> RunRecord:
        """
        Take the run as far as it goes: to its end, or to where a person must decide.

        With *retry*, steps that had used up their tries are tried again. Raises `RunBusy` when
        another process drives it.
        """
        record = await self.stores.runs.get(run_id)
        if record.status in FINISHED:
            return record
        _same_graph(record)
        async with self.stores.runs.lease(run_id, wait=_DEAD_DRIVER) as lease:
            retriever = self.open_retriever(self.settings, record.snapshot)
            deps = self._deps(record, retriever)
            graph = build_graph(make_checkpointer(self.stores.redis, key=self.settings.store_key))
            await self.stores.runs.update(run_id, at=now(), status="running", failure=None)
            work = asyncio.create_task(self._advance(graph, record, deps, watch, retry=retry))
            lost = asyncio.create_task(lease.lost.wait())
            try:
                await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    lease.check()
                return await work
            except BaseException:
                work.cancel()
                with suppress(BaseException):
                    await work
                with suppress(Exception):
                    await self.stores.runs.update(
                        run_id, at=now(), expect={"running"}, status="queued"
                    )
                raise
            finally:
                lost.cancel()
                retriever.close()

    async def decide(
        self, ref: str, decision: Decision, *, by: str, digest: str | None = None
    ) -> ReviewItem:
        """Record a person's decision on an item, named by its id or by its run's."""
        item = await self.stores.reviews.find(ref)
        decided = await self.stores.reviews.decide(
            item.id, decision, by=by, at=now(), report_digest=digest or item.report_digest
        )
        await self.stores.audit.append(
            item.run_id,
            "review.decided",
            {"item": item.id, "kind": item.kind, "decision": decision.kind, "by": by},
            at=now(),
        )
        return decided

    def _deps(self, record: RunRecord, retriever: Retriever) -> Deps:
        return Deps(
            run_id=record.id,
            accepted_at=record.created_at,
            retriever=retriever,
            evidence=self.stores.evidence,
            blobs=self.stores.blobs,
            models=Models(self.settings),
            audit=self.stores.audit,
            runs=self.stores.runs,
            clock=now,
            log_dir=self.settings.home / "logs",
        )

    async def _advance(
        self,
        graph: CompiledStateGraph[RunState, Deps, RunState, RunState],
        record: RunRecord,
        deps: Deps,
        watch: Callable[[Event], None],
        *,
        retry: bool,
    ) -> RunRecord:
        config: RunnableConfig = {"configurable": {"thread_id": record.id}, "recursion_limit": 200}
        with (
            telemetry.run_scope(record.id),
            telemetry.span(
                f"invoke_workflow {record.template}",
                {
                    telemetry.OPERATION: "invoke_workflow",
                    telemetry.WORKFLOW_NAME: record.template,
                    telemetry.GRAPH_VERSION: record.graph_version,
                    telemetry.RUN_TRIGGER: record.request["trigger"],
                },
            ),
        ):
            while True:
                snapshot = await graph.aget_state(config)
                step_input = await self._next_input(record, snapshot, retry=retry)
                if step_input is _NOTHING:
                    return await self._settle(record.id, snapshot)
                retry = False
                await _stream(graph, step_input, config, deps, watch)

    async def _next_input(
        self, record: RunRecord, snapshot: StateSnapshot, *, retry: bool
    ) -> RunState | Command[Any] | object | None:
        """What the graph goes on with: the stored request, answers, or nothing to do."""
        if not snapshot.values and not snapshot.next:
            return RunState(request=record.request)
        if not snapshot.interrupts:
            return None if snapshot.next else _NOTHING
        if retry:
            await self._approve_retries(record.id)
        decided = {i.interrupt_id: i for i in await self.stores.reviews.of_run(record.id)}
        answers = {
            interrupt.id: _answer(decided[interrupt.id])
            for interrupt in snapshot.interrupts
            if interrupt.id in decided and decided[interrupt.id].decision is not None
        }
        return Command(resume=answers) if answers else _NOTHING

    async def _approve_retries(self, run_id: str) -> None:
        for item in await self.stores.reviews.of_run(run_id):
            if item.status == "open" and item.kind == "retries_exhausted":
                await self.decide(item.id, Approve(note="tried again"), by=self.settings.reviewer)

    async def _settle(self, run_id: str, snapshot: StateSnapshot) -> RunRecord:
        """Write down where the run stands: its open items, or its end."""
        waiting = [interrupt.id for interrupt in snapshot.interrupts]
        await self.stores.reviews.supersede(run_id, still_waiting=waiting)
        pending = [(i, Pending.model_validate(i.value)) for i in snapshot.interrupts]
        for interrupt, item in pending:
            await self.stores.reviews.open_item(_review_item(run_id, interrupt.id, item))
        state = snapshot.values
        digest = state.get("report_digest")
        failed = [item for _, item in pending if item.kind == "retries_exhausted"]
        if pending:
            first = failed[0] if failed else None
            return await self.stores.runs.update(
                run_id,
                at=now(),
                status="failed" if first else "waiting",
                report_digest=digest,
                failure=Failure(code=first.code, message=first.title, hint=" ".join(first.detail))
                if first
                else None,
            )
        status = "done" if state.get("receipt") else "rejected"
        return await self.stores.runs.update(
            run_id, at=now(), status=status, report_digest=digest, receipt=state.get("receipt")
        )


_DEAD_DRIVER = timedelta(seconds=11)
"""Longer than the lease of a driver that was killed."""
_NOTHING = object()
"""The graph has nothing to go on with: it waits, or it is done."""


async def _stream(
    graph: CompiledStateGraph[RunState, Deps, RunState, RunState],
    step_input: Any,
    config: RunnableConfig,
    deps: Deps,
    watch: Callable[[Event], None],
) -> None:
    async for part in graph.astream(
        step_input,
        config,
        context=deps,
        stream_mode="custom",
        subgraphs=True,
        durability="sync",
    ):
        namespace, event = cast("tuple[tuple[str, ...], Event]", part)
        watch({"namespace": ":".join(namespace), "event": "told", **event})


def _same_graph(record: RunRecord) -> None:
    if record.graph_version != GRAPH_VERSION:
        raise InputConflict(
            f"Run {record.id} was started by another version of the graph "
            f"({record.graph_version}; this is {GRAPH_VERSION}).",
            hint="Start a new run, or continue it with the version that started it.",
        )


def _answer(item: ReviewItem) -> dict[str, Any]:
    assert item.decision is not None
    assert item.decided_at is not None
    answer: dict[str, Any] = item.decision.model_dump(mode="json")
    return {**answer, "by": item.decided_by, "at": item.decided_at.isoformat()}


def _review_item(run_id: str, interrupt_id: str, item: Pending) -> ReviewItem:
    return ReviewItem.for_wait(
        run_id,
        interrupt_id,
        created_at=now(),
        section=item.section or None,
        **item.model_dump(exclude={"exit_code", "step", "section"}),
    )
