"""One driver's work on one run: from where it stands to its end, or to where a person must decide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, StateSnapshot

from agent.breaches import open_breaches
from agent.deps import Deps
from agent.holds import of_run
from agent.pending import Pending
from agent.state import RunState
from agent.stores import Stores
from services import telemetry
from services.review import Approve, ReviewItem
from services.store import Failure, Lease, RunRecord

Event: TypeAlias = dict[str, Any]
"""`event` is started, finished, failed, told or waits; with step, section, elapsed, detail."""
Graph: TypeAlias = CompiledStateGraph[RunState, Deps, RunState, RunState]

DRAIN_GRACE: Final = timedelta(seconds=20)
"""How long a driver that is asked to stop may take to finish its steps under way."""
_NOTHING: Final = object()
"""The graph has nothing to go on with: it waits, or it is done."""
_LOOK: Final = 1.0
"""Seconds between looks whether the store is away, for whoever watches."""


class Stopped(Exception):  # a control signal of this package, no failure
    """The driver was asked to stop, and has: every finished step is kept."""


def now() -> datetime:
    return datetime.now(UTC)


def thread_of(run_id: str) -> RunnableConfig:
    """Where the graph keeps the state of a run."""
    return {"configurable": {"thread_id": run_id}, "recursion_limit": 200}


@dataclass(frozen=True, slots=True)
class Driver:
    """Drives one run while it holds the lease."""

    record: RunRecord
    stores: Stores
    graph: Graph
    deps: Deps
    lease: Lease
    watch: Callable[[Event], None]
    stop: asyncio.Event
    """Set by whoever wants the run back: a worker that is told to end."""

    async def advance(self, *, retry: bool) -> RunRecord:
        """
        Take the run as far as it goes.

        Raises `Stopped` when somebody asked for that, at the end of the steps under way, or after
        `DRAIN_GRACE` in the midst of them; `RunBusy` when another took the run over.
        """
        control = RunControl()
        work = asyncio.create_task(self._advance(control, retry=retry))
        signals = [asyncio.create_task(event.wait()) for event in self._signals]
        telling = asyncio.create_task(self._tell_outages())
        try:
            await asyncio.wait({work, *signals}, return_when=asyncio.FIRST_COMPLETED)
            self.lease.check()
            if not work.done():
                control.request_drain(self.lease.wish or "handed over")
                await asyncio.wait({work}, timeout=DRAIN_GRACE.total_seconds())
            if not work.done():
                raise Stopped
            return await work
        except GraphDrained as drained:
            raise Stopped from drained
        finally:
            for task in (work, telling, *signals):
                task.cancel()
            with suppress(BaseException):
                await work

    async def _tell_outages(self) -> None:
        """Say once that the store is away, and once that it is back."""
        told = False
        while True:
            await asyncio.sleep(_LOOK)
            if self.lease.away.is_set() != told:
                told = not told
                detail = "waits: The store does not answer." if told else "goes on"
                self.watch({"namespace": "", "event": "waits", "detail": detail})

    @property
    def _signals(self) -> tuple[asyncio.Event, ...]:
        return self.lease.lost, self.lease.wished, self.stop

    async def _advance(self, control: RunControl, *, retry: bool) -> RunRecord:
        record = self.record
        attributes = {
            telemetry.OPERATION: "invoke_workflow",
            telemetry.WORKFLOW_NAME: record.template,
            telemetry.GRAPH_VERSION: record.graph_version,
            telemetry.RUN_TRIGGER: record.request["trigger"],
        }
        with (
            telemetry.run_scope(record.id),
            telemetry.span(f"invoke_workflow {record.template}", attributes),
        ):
            while True:
                snapshot = await self.graph.aget_state(thread_of(record.id))
                step_input = await self._next_input(snapshot, retry=retry)
                if step_input is _NOTHING:
                    return await self._settle(snapshot)
                retry = False
                await self._stream(step_input, control)

    async def _stream(self, step_input: Any, control: RunControl) -> None:
        async for part in self.graph.astream(
            step_input,
            thread_of(self.record.id),
            context=self.deps,
            stream_mode="custom",
            subgraphs=True,
            durability="sync",
            control=control,
        ):
            namespace, event = cast("tuple[tuple[str, ...], Event]", part)
            self.watch({"namespace": ":".join(namespace), "event": "told", **event})

    async def _next_input(
        self, snapshot: StateSnapshot, *, retry: bool
    ) -> RunState | Command[Any] | object | None:
        """What the graph goes on with: the stored request, answers, or nothing to do."""
        if not snapshot.values and not snapshot.next:
            return RunState(request=self.record.request)
        if not snapshot.interrupts:
            # LangGraph names no next step right after the input is stored, nor while all that the
            # steps under way wrote is stored and the checkpoint behind them is not: that is no end.
            source = (snapshot.metadata or {}).get("source")
            return None if snapshot.next or snapshot.tasks or source == "input" else _NOTHING
        if retry:
            await self._approve_retries()
        items = await self.stores.reviews.of_run(self.record.id)
        decided = {item.interrupt_id: item for item in items if item.decision is not None}
        answers = {
            interrupt.id: _answer(decided[interrupt.id])
            for interrupt in snapshot.interrupts
            if interrupt.id in decided
        }
        return Command(resume=answers) if answers else _NOTHING

    async def _approve_retries(self) -> None:
        by = self.deps.operator
        for item in await self.stores.reviews.of_run(self.record.id):
            if item.status == "open" and item.kind == "retries_exhausted":
                await self.stores.decide(item.id, Approve(note="tried again"), by=by, at=now())
                await self.stores.reviews.followed(item.id)

    async def _settle(self, snapshot: StateSnapshot) -> RunRecord:
        """Write down where the run stands: its open items, or its end."""
        run_id = self.record.id
        waiting = [interrupt.id for interrupt in snapshot.interrupts]
        await self.stores.reviews.supersede(run_id, still_waiting=waiting)
        pending = [(i, Pending.of(i.value)) for i in snapshot.interrupts]
        for interrupt, item in pending:
            await self.stores.open_item(_review_item(self.record, interrupt.id, item))
        digest = snapshot.values.get("report_digest")
        if pending:
            failed = [item for _, item in pending if item.kind == "retries_exhausted"]
            return await self.stores.runs.update(
                run_id,
                at=now(),
                status="failed" if failed else "waiting",
                report_digest=digest,
                failure=_failure(failed[0]) if failed else None,
            )
        receipt = snapshot.values.get("receipt")
        if receipt:  # before the run counts as done: whoever dies here is followed by another
            await open_breaches(self.stores, self.record, snapshot.values["report"], clock=now)
        return await self.stores.runs.update(
            run_id,
            at=now(),
            status="done" if receipt else "rejected",
            report_digest=digest,
            receipt=receipt,
        )


def _failure(item: Pending) -> Failure:
    return Failure(code=item.code, message=item.title, hint=" ".join(item.detail[:1]))


def _answer(item: ReviewItem) -> dict[str, Any]:
    assert item.decision is not None
    assert item.decided_at is not None
    answer: dict[str, Any] = item.decision.model_dump(mode="json")
    by = item.approved_by if item.decision.kind == "approve" else ()
    return {**answer, "by": " and ".join(by) or item.decided_by, "at": item.decided_at.isoformat()}


def _review_item(record: RunRecord, interrupt_id: str, item: Pending) -> ReviewItem:
    return ReviewItem.for_wait(
        record.id,
        interrupt_id,
        created_at=now(),
        section=item.section or None,
        **item.model_dump(exclude={"exit_code", "step", "section"}),
        **of_run(record),
    )
