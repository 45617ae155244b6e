"""Accept, drive, answer, stop, take back and copy runs: the one way to the compiled graph."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from agent.acceptance import queued_record, said_of
from agent.asking import FINISHED, check_cancel, check_rollback, check_withdraw
from agent.deps import budget_of, deps_for
from agent.driving import DRAIN_GRACE, Driver, Event, Graph, Stopped, now, thread_of
from agent.graph import GRAPH_VERSION, build_graph
from agent.holds import Hold, obstacles
from agent.request import Accepted, Request
from agent.rewind import Place, Rewound, branch, changed_request, rewind
from agent.stores import Stores
from agent.texts import check_text
from agent.withdrawal import withdraw
from services.audit import AuditEntry, events
from services.checkpointer import Fence, make_checkpointer
from services.errors import BudgetSpent, DecisionRefused, NotFound, RunBusy
from services.retrieval import Retriever
from services.review import Approve, Decision, Edit, ReviewItem
from services.settings import Settings
from services.store import (
    Journal,
    Lease,
    Priority,
    RunRecord,
    RunStatus,
    Wish,
    fence_key,
    own_id,
)

__all__ = ["FINISHED", "Runner"]

_GOES_ON: Final[frozenset[RunStatus]] = frozenset({"queued", "running", "waiting", "failed"})
_DEAD_DRIVER: Final = timedelta(seconds=6)
"""Longer than the lease of a driver that was killed."""
_ASKED_DRIVER: Final = DRAIN_GRACE + _DEAD_DRIVER
"""Within this a driver that is asked to let go has done so, or is dead."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Drives runs of one configuration. A run has one driver at a time, held by a lease."""

    settings: Settings
    stores: Stores
    open_retriever: Callable[[Settings, str | None], Retriever]
    """Opens the warehouse snapshot a run is pinned to, or the current one; raises `SnapshotGone`."""

    async def accept(
        self,
        run_id: str,
        accepted: Accepted,
        *,
        left: bool = False,
        tenant: str = "",
        priority: Priority = "normal",
        forked_from: str = "",
        forked_at: str = "",
    ) -> RunRecord:
        """
        Store a request before anything else is done with it; *left* runs are a worker's to drive.

        *run_id* may be what the tenant calls the run. A known id with the same request gives the run
        that exists; with another request it is an `InputConflict`. Raises `QueueFull` when as many runs wait for a worker as may.
        """
        at, request = now(), accepted.request
        record = queued_record(
            run_id,
            accepted,
            at=at,
            left=left,
            tenant=tenant,
            priority=priority,
            forked_from=forked_from,
            forked_at=forked_at,
        )
        if left:
            await self.stores.queue.check_room(self.settings.queue_limit)
        journal = Journal(self.settings.home)
        async with journal.accepting(self.stores.redis, record.id, at=at):
            stored = await self.stores.runs.create(record)
        if stored.status == "queued":  # or whoever accepted it may have died before it said so
            await self._log(
                record.id,
                events.RUN_ACCEPTED,
                key=events.RUN_ACCEPTED,
                **said_of(record, request),
            )
        if left:
            await self.enqueue(stored)
        return stored

    async def enqueue(self, record: RunRecord) -> None:
        """Have a worker take the run, if it is one that is left to them."""
        if record.left and record.status not in FINISHED:
            await self.stores.queue.put(record.id, tenant=record.tenant, priority=record.priority)

    async def drive(
        self,
        run_id: str,
        watch: Callable[[Event], None],
        *,
        retry: bool = False,
        stop: asyncio.Event | None = None,
    ) -> RunRecord:
        """
        Take the run as far as it goes: to its end, or to where a person must decide.

        With *retry*, steps that had used up their tries are tried again. Once *stop* is set, or
        somebody asks for it, the steps under way are finished and the run stays resumable. Raises
        `RunBusy` when another process drives it, and `RunLost` when the store no longer knows it.
        """
        try:
            return await self._take(run_id, watch, retry=retry, stop=stop or asyncio.Event())
        except (RunBusy, NotFound):
            # A store that was set back to older data knows neither the run nor who drove it.
            await Journal(self.settings.home).check(self.stores.redis, run_id)
            raise

    async def _take(
        self, run_id: str, watch: Callable[[Event], None], *, retry: bool, stop: asyncio.Event
    ) -> RunRecord:
        record = await self.stores.runs.get(run_id)
        if record.status in FINISHED:
            return record
        async with self.stores.runs.lease(run_id, wait=_DEAD_DRIVER) as lease:
            record = await self.stores.runs.get(run_id)
            if record.status in FINISHED:
                return record
            if (held := await self._held(record, lease)) is not None:
                return held
            record = await self.stores.runs.get(run_id)
            await self._branch(record, lease)  # a fork may have been killed before it had
            return await self._drive(record, lease, watch, retry=retry, stop=stop)

    async def _drive(
        self,
        record: RunRecord,
        lease: Lease,
        watch: Callable[[Event], None],
        *,
        retry: bool,
        stop: asyncio.Event,
    ) -> RunRecord:
        retriever = await asyncio.to_thread(self.open_retriever, self.settings, record.snapshot)
        await self._log(record.id, events.RUN_TAKEN, fence=lease.fence)
        try:
            driver = Driver(
                record=await self.stores.runs.update(
                    record.id, at=now(), status="running", failure=None
                ),
                stores=self.stores,
                graph=self._graph(lease),
                deps=deps_for(
                    record, retriever, self.settings, self.stores, fence=lease.fence, clock=now
                ),
                lease=lease,
                watch=watch,
                stop=stop,
            )
            return await driver.advance(retry=retry)
        except Stopped:
            if lease.wish == "cancel":
                return await self._cancelled(record.id)
            return await self._let_go(record.id)
        except BaseException:
            with suppress(Exception):
                await self._let_go(record.id)
            raise
        finally:
            retriever.close()

    async def _let_go(self, run_id: str) -> RunRecord:
        return await self.stores.runs.update(run_id, at=now(), expect={"running"}, status="queued")

    async def decide(
        self,
        ref: str,
        decision: Decision,
        *,
        by: str,
        digest: str | None = None,
        version: int | None = None,
        key: str = "",
    ) -> ReviewItem:
        """
        Record a person's decision on an item, named by its id or by its run's.

        The item comes back open where another approval is needed. With *version*, an item that has
        changed since raises `ItemChanged`; the same decision under the same *key* counts once. An
        edited query that the guard does not admit raises `QueryRefused`, a finding's text that does
        not pass the checks `TextRefused`, and the item stays open.
        """
        if isinstance(decision, Edit):
            await self._check_edit(await self.stores.reviews.find(ref), decision)
        item = await self.stores.decide(
            ref, decision, by=by, at=now(), digest=digest, version=version, key=key
        )
        if item.status != "decided":
            return item
        if item.code == BudgetSpent.code and decision.kind == "approve":
            spent = await self.stores.spending.of_run(item.run_id)
            if budget_of(self.settings).exceeded_by(spent):
                await self.stores.spending.add(item.run_id, extensions=1)
        await self._follow(item)
        return item

    async def _check_edit(self, item: ReviewItem, edit: Edit) -> None:
        """Put an edit before what checks it: it is as untrusted as what it replaces."""
        if "edit" not in item.choices or item.status != "open":
            return
        if edit.of == "finding" and item.kind == "publication":
            await check_text(self.stores, self.graph, item.run_id, edit)
        if edit.of != "query" or item.kind == "publication":
            return
        if not item.query:
            raise DecisionRefused(
                f"Item {item.id} has no query to edit.", hint="Word the question anew instead."
            )
        record = await self.stores.runs.get(item.run_id)
        retriever = await asyncio.to_thread(self.open_retriever, self.settings, record.snapshot)
        try:
            await asyncio.to_thread(retriever.check, edit.text)
        finally:
            retriever.close()

    async def follow_decisions(self) -> None:
        """See to decisions whose process died before it had queued the run."""
        for item in await self.stores.reviews.answered():
            await self.stores.log_decision(item)
            await self._follow(item)

    async def _follow(self, item: ReviewItem) -> None:
        with suppress(NotFound):  # the run was deleted meanwhile
            await self.enqueue(await self.stores.runs.get(item.run_id))
        await self.stores.reviews.followed(item.id)

    async def resume(self, run_id: str, *, by: str) -> RunRecord:
        """
        Leave a run to a worker, to go on with; steps that had used up their tries are tried again.

        Raises `InputConflict` for a finished run.
        """
        record = await self.stores.runs.update(run_id, at=now(), expect=_GOES_ON, left=True)
        await self._log(run_id, events.RUN_RESUME_ASKED, by=by)
        for item in await self.stores.reviews.of_run(run_id):
            if item.status == "open" and item.kind == "retries_exhausted":
                with suppress(DecisionRefused):  # somebody else has decided
                    await self.decide(item.id, Approve(note="tried again"), by=by)
        await self.enqueue(record)
        return await self.stores.runs.get(run_id)

    async def cancel(self, run_id: str, *, by: str, reason: str = "", key: str = "") -> RunRecord:
        """
        End a run that is not finished; it keeps its history, and its drafts stay drafts.

        Whoever drives it finishes the steps under way, or is cut off after a while. The log says
        that it was asked, once for each *key*. Raises `InputConflict` for a finished run.
        """
        record = await self.stores.runs.get(run_id)
        if record.status == "cancelled":
            await self._clear(run_id)
            return record
        check_cancel(record)
        await self._log(run_id, events.RUN_CANCEL_ASKED, key=key, by=by, reason=reason)
        async with self.taken_over(run_id, "cancel"):
            record = await self.stores.runs.get(run_id)
            return record if record.status in FINISHED else await self._cancelled(run_id)

    async def _cancelled(self, run_id: str) -> RunRecord:
        record = await self.stores.runs.update(run_id, at=now(), status="cancelled", failure=None)
        await self._clear(run_id)
        return record

    async def _clear(self, run_id: str) -> None:
        """Leave nothing of a cancelled run to a person or a worker; twice is as once."""
        await self.stores.reviews.supersede(run_id)
        await self.stores.queue.remove(run_id)
        await self._log(run_id, events.RUN_CANCELLED, key=events.RUN_CANCELLED)

    async def rollback(self, run_id: str, place: Place, *, by: str, reason: str = "") -> Rewound:
        """
        Take the run back to *place*; what came after is superseded, not deleted.

        Whoever drives it is asked to let go first. Raises `NotFound` when it has not come that far,
        `InputConflict` when its report is published: that is withdrawn, not rolled back.
        """
        check_rollback(await self.stores.runs.get(run_id))
        await self._log(run_id, events.RUN_ROLLBACK_ASKED, to=str(place), by=by, reason=reason)
        async with self.taken_over(run_id, "pause") as lease:
            rewound = await self.rewind_to(lease, place, reason=reason)
        await self.enqueue(await self.stores.runs.get(run_id))
        return rewound

    async def rewind_to(
        self, lease: Lease, place: Place, *, reason: str = "", left: bool | None = None
    ) -> Rewound:
        """The work of a rollback, by who holds the run; with *left* it is a worker's from now on."""
        run_id = lease.run_id
        rewound = await rewind(self._graph(lease), run_id, place, reason=reason)
        await self.stores.reviews.supersede(run_id)
        said = rewound.model_dump(mode="json")
        await self._log(run_id, events.RUN_ROLLED_BACK, to=str(place), **said)
        changes: dict[str, Any] = {} if left is None else {"left": left}
        await self.stores.runs.update(
            run_id, at=now(), status="queued", failure=None, report_digest=None, **changes
        )
        return rewound

    async def fork(
        self,
        source: str,
        target: str,
        place: Place,
        *,
        by: str,
        changes: Mapping[str, Any],
        left: bool = False,
    ) -> RunRecord:
        """
        A new run *target* that stands where *source* stood before *place*, with *changes* to its
        request; *source* is left as it is. A *left* one is a worker's to drive, once it stands.

        Raises `Invalid` when *changes* concern what was used before *place*.
        """
        record = await self.stores.runs.get(source)
        target = own_id(target, record.tenant)
        request = changed_request(record, target, by, changes)
        accepted = await self.accept(
            target,
            Accepted(request, record.snapshot, request.question or record.title),
            tenant=record.tenant,
            priority=record.priority,
            forked_from=source,
            forked_at=str(place),
        )
        said = {"from": source, "at": str(place), "by": by, "changes": sorted(changes)}
        await self._log(target, events.RUN_FORKED, key=events.RUN_FORKED, **said)
        async with self.stores.runs.lease(target, wait=_DEAD_DRIVER) as lease:
            try:
                await self._branch(accepted, lease)
            except Exception:
                await self._cancelled(target)
                raise
        if left:
            accepted = await self.stores.runs.update(target, at=now(), left=True)
            await self.enqueue(accepted)
        return accepted

    async def _branch(self, record: RunRecord, lease: Lease) -> None:
        """Give a fork the state that it begins with, unless it has one."""
        if not record.forked_at or (place := Place.parse(record.forked_at)).step == "clarify":
            return
        graph = self._graph(lease)
        if (await graph.aget_state(thread_of(record.id))).values:
            return
        await self.stores.references.copy(record.forked_from, record.id)
        request = Request.model_validate(record.request)
        await branch(graph, record.forked_from, record.id, place, request)

    async def withdraw(self, run_id: str, *, by: str, reason: str) -> RunRecord:
        """
        Take a published report back: its files say WITHDRAWN and why, and the ledger holds it.

        Raises `InputConflict` for a run that has published nothing.
        """
        record = await self.stores.runs.get(run_id)
        if record.status == "withdrawn":
            return record
        check_withdraw(record)
        assert record.receipt is not None
        async with self.stores.runs.lease(run_id, wait=_DEAD_DRIVER):
            digest = record.receipt["digest"]
            asked = await self._log(
                run_id,
                events.REPORT_WITHDRAW_ASKED,
                key=events.REPORT_WITHDRAW_ASKED,
                digest=digest,
                by=by,
                reason=reason,
            )
            receipt = await withdraw(self.stores, self.graph, record, asked)
            await self._log(
                run_id, events.REPORT_WITHDRAWN, key=events.REPORT_WITHDRAWN, digest=digest
            )
            await self.stores.reviews.close(run_id, why="the report was withdrawn", by=by, at=now())
            return await self.stores.runs.update(
                run_id, at=now(), status="withdrawn", receipt=receipt
            )

    async def _log(self, run_id: str, event: str, *, key: str = "", **said: Any) -> AuditEntry:
        return await self.stores.audit.append(run_id, event, said, at=now(), key=key)

    @property
    def graph(self) -> Graph:
        """The graph for reading: what it writes is checked by no fence."""
        return build_graph(make_checkpointer(self.stores.redis, key=self.settings.store_key))

    def _graph(self, lease: Lease) -> Graph:
        fence = Fence(key=fence_key(lease.run_id), token=lease.fence)
        return build_graph(
            make_checkpointer(self.stores.redis, fence=fence, key=self.settings.store_key)
        )

    @asynccontextmanager
    async def taken_over(self, run_id: str, wish: Wish) -> AsyncIterator[Lease]:
        """The lease, once whoever drives the run has been asked for it."""
        await self.stores.runs.wish(run_id, wish)
        try:
            async with self.stores.runs.lease(run_id, wait=_ASKED_DRIVER) as lease:
                yield lease
        finally:
            await self.stores.runs.grant(run_id)

    async def _held(self, record: RunRecord, lease: Lease) -> RunRecord | None:
        """The run as it waits for a person before its next step; None when nothing is in the way."""
        for hold in await asyncio.to_thread(obstacles, self.settings, record, GRAPH_VERSION):
            item = await self.stores.open_item(hold.item(record, now()))
            if item.decision is None:
                return await self.stores.runs.update(record.id, at=now(), status="waiting")
            if item.decision.kind != "approve":
                return await self._cancelled(record.id)
            await self._overcome(record, hold, self._graph(lease))
        return None

    async def _overcome(self, record: RunRecord, hold: Hold, graph: Graph) -> None:
        """Do what a person approved: go on under this version, or from the start on other data."""
        changes: dict[str, Any] = {"graph_version": GRAPH_VERSION}
        if hold.starts_over:
            retriever = await asyncio.to_thread(self.open_retriever, self.settings, None)
            changes["snapshot"] = retriever.warehouse.snapshot.id
            retriever.close()
            with suppress(NotFound):  # it has not begun
                await rewind(graph, record.id, Place("clarify"), reason=hold.title)
        await self.stores.runs.update(record.id, at=now(), **changes)
