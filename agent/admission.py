"""Accepting runs that arrive together: each as safely as alone, at the cost of one."""

from __future__ import annotations

from typing import NamedTuple

from agent.acceptance import queued_record, said_of
from agent.driving import now
from agent.request import Accepted
from agent.runner import FINISHED, Runner
from services.audit import events
from services.batches import Batches
from services.errors import AssayError, InputConflict, QueueFull
from services.store import Journal, Priority, RunRecord, asks_the_same, own_id


class Arrival(NamedTuple):
    """A run that is asked for, to be left to workers."""

    run_id: str
    accepted: Accepted
    tenant: str
    priority: Priority


class Admission:
    """
    `Runner.accept` for runs left to workers, of which many may come at once.

    Those that come while a batch is stored are stored together next: two flushes of the journal and
    four round trips to the store for all of them. The order in which they come is the queue's.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._journal = Journal(runner.settings.home)
        self._batches: Batches[Arrival, RunRecord] = Batches(self._admit)

    async def accept(self, arrival: Arrival) -> RunRecord:
        """The run, stored and queued; raises as `Runner.accept` does."""
        named = arrival._replace(run_id=own_id(arrival.run_id, arrival.tenant))
        return await self._batches.result_of(named)

    async def _admit(self, arrivals: list[Arrival]) -> list[RunRecord | Exception]:
        mentioned = await self._journal.mentioned([arrival.run_id for arrival in arrivals])
        fresh = [one for one in arrivals if one.run_id not in mentioned]
        outcomes: dict[int, RunRecord | Exception] = dict(
            zip(map(id, fresh), await self._store(fresh), strict=True)
        )
        return [
            outcomes[id(one)] if id(one) in outcomes else await self._alone(one) for one in arrivals
        ]

    async def _alone(self, arrival: Arrival) -> RunRecord | Exception:
        """One that may have been accepted before, and lost since."""
        run_id, accepted, tenant, priority = arrival
        try:
            return await self._runner.accept(
                run_id, accepted, left=True, tenant=tenant, priority=priority
            )
        except AssayError as error:
            return error

    async def _store(self, arrivals: list[Arrival]) -> list[RunRecord | Exception]:
        """Store, log and queue new runs, as many as there is room for."""
        if not arrivals:
            return []
        limit = self._runner.settings.queue_limit
        room = max(0, limit - (await self._runner.stores.queue.state()).waiting)
        left_out = [_queue_full(limit) for _ in arrivals[room:]]
        return [*await self._write(arrivals[:room]), *left_out]

    async def _write(self, arrivals: list[Arrival]) -> list[RunRecord | Exception]:
        if not arrivals:
            return []
        stores, at = self._runner.stores, now()
        records = [
            queued_record(
                one.run_id, one.accepted, at=at, left=True, tenant=one.tenant, priority=one.priority
            )
            for one in arrivals
        ]
        names = list(dict.fromkeys(record.id for record in records))
        async with self._journal.accepting_new(names, at=at):
            stored = await stores.runs.create_all(records)
        said = {
            record.id: said_of(record, arrival.accepted.request)
            for record, arrival, found in zip(records, arrivals, stored, strict=True)
            if found.status == "queued" and asks_the_same(found, record)
        }
        await stores.audit.begin_all(events.RUN_ACCEPTED, said, at=at)
        waiting = [found for found in stored if found.left and found.status not in FINISHED]
        await stores.queue.put_all([(one.id, one.tenant, one.priority) for one in waiting])
        return [
            found if asks_the_same(found, record) else _conflict(record)
            for found, record in zip(stored, records, strict=True)
        ]


def _queue_full(limit: int) -> QueueFull:
    return QueueFull(
        f"{limit} runs wait for a worker; no more are accepted until some are done.",
        hint="Try again later, or start more workers (`assay worker`).",
    )


def _conflict(record: RunRecord) -> InputConflict:
    return InputConflict(f"Run {record.id} exists and asks for something else.")
