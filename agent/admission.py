"""Accepting runs that arrive together: each as safely as alone, at the cost of one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from agent.acceptance import queued_record, said_of
from agent.driving import now
from agent.request import Accepted, Request
from agent.runner import FINISHED, Runner
from services.audit import events
from services.errors import AssayError, InputConflict
from services.store import Journal, Priority, RunRecord, asks_the_same, own_id, queue_full

_LOOK: Final = 0.1
"""Seconds for which the room in the queue is taken to be what it was, less what came since."""


class Arrival(NamedTuple):
    """A run that is asked for, to be left to workers."""

    run_id: str
    accepted: Accepted
    tenant: str
    priority: Priority


class Admission:
    """
    `Runner.accept` for runs left to workers, of which many come at once.

    Two flushes of the journal and two round trips to the store for all of them. Their order is the
    queue's.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._journal = Journal(runner.settings.home)
        self._room = 0
        self._looked = float("-inf")

    async def admit(self, asked: Sequence[Arrival]) -> list[RunRecord | Exception]:
        """Each run, stored and queued, or why it is not, as `Runner.accept` raises it."""
        if not asked:
            return []
        arrivals = [one._replace(run_id=own_id(one.run_id, one.tenant)) for one in asked]
        at = now()
        room = await self._room_for(len(arrivals))
        begun = await self._journal.begin([one.run_id for one in arrivals[:room]], at=at)
        fresh = [one for one in arrivals[:room] if one.run_id in begun]
        written = iter(await self._write(fresh, at))
        limit = self._runner.settings.queue_limit
        return [
            next(written) if one.run_id in begun else await self._alone(one)
            for one in arrivals[:room]
        ] + [queue_full(limit) for _ in arrivals[room:]]

    async def again(self, record: RunRecord) -> RunRecord:
        """A run that was stored before; whoever stored it may have died before it said so."""
        if record.status == "queued":
            said = said_of(record, Request.model_validate(record.request))
            accepted = events.RUN_ACCEPTED
            await self._runner.stores.audit.append(
                record.id, accepted, said, at=now(), key=accepted
            )
            await self._runner.enqueue(record)
        return record

    async def _room_for(self, count: int) -> int:
        """How many there is room for, as was seen a moment ago, or now if that is too few."""
        if time.monotonic() - self._looked > _LOOK or self._room < count:
            waiting = (await self._runner.stores.queue.state()).waiting
            self._room = max(0, self._runner.settings.queue_limit - waiting)
            self._looked = time.monotonic()
        return self._room

    async def _alone(self, arrival: Arrival) -> RunRecord | Exception:
        """One that may have been accepted before, and lost since."""
        run_id, accepted, tenant, priority = arrival
        try:
            return await self._runner.accept(
                run_id, accepted, left=True, tenant=tenant, priority=priority
            )
        except AssayError as error:
            return error

    async def _write(self, arrivals: list[Arrival], at: datetime) -> list[RunRecord | Exception]:
        """Store, log and queue new runs."""
        if not arrivals:
            return []
        stores = self._runner.stores
        records = [
            queued_record(
                one.run_id, one.accepted, at=at, left=True, tenant=one.tenant, priority=one.priority
            )
            for one in arrivals
        ]
        stored = await stores.runs.create_all(records)
        await self._journal.accepted(*dict.fromkeys(record.id for record in records), at=at)
        self._room -= len(records)
        said = {
            record.id: said_of(record, arrival.accepted.request)
            for record, arrival, found in zip(records, arrivals, stored, strict=True)
            if found.status == "queued" and asks_the_same(found, record)
        }
        waiting = [found for found in stored if found.left and found.status not in FINISHED]
        queued = stores.queue.puts([(one.id, one.tenant, one.priority) for one in waiting])
        await stores.audit.begin_all(events.RUN_ACCEPTED, said, at=at, then=queued)
        return [
            found if asks_the_same(found, record) else _conflict(record)
            for found, record in zip(stored, records, strict=True)
        ]


def _conflict(record: RunRecord) -> InputConflict:
    return InputConflict(f"Run {record.id} exists and asks for something else.")
