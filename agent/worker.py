"""A worker: takes queued runs, drives each, and gives back what it cannot finish."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from agent.driving import Event, now
from agent.holds import deadly
from agent.runner import FINISHED, Runner
from services.audit import events
from services.errors import AssayError, NotFound, RunBusy, StoreUnavailable, WarehouseBusy
from services.failpoints import failpoint
from services.store import LEASE_TTL, RunRecord, Taken

_POLL: Final = timedelta(seconds=0.25)
_SWEEP: Final = timedelta(seconds=15)
_BUSY: Final = timedelta(seconds=2)
_GOES_ON: Final = ("queued", "running")
_AWAY: Final = timedelta(seconds=10)
"""How long a run is put off whose warehouse another process holds."""


@dataclass(slots=True)
class Worker:
    """
    Drives one run at a time until `stop` is set; then it finishes the steps under way, and another
    goes on. Any number of workers may share a store.
    """

    runner: Runner
    stop: asyncio.Event
    watch: Callable[[Event], None]
    told: Callable[[str], None]
    """Takes a line for whoever looks after the worker."""
    _swept: float = field(default=float("-inf"))

    async def serve(self) -> None:
        """Work until told to stop. An outage of the store is waited out."""
        while not self.stop.is_set():
            try:
                worked = await self._once()
            except StoreUnavailable as error:
                self.told(f"waiting: {error.message}")
                worked = False
            if not worked:
                await self._pause()

    async def _once(self) -> bool:
        """Drive one run; False when there is none."""
        await self._return_lost()
        if time.monotonic() - self._swept > _SWEEP.total_seconds():
            await self._sweep()
            self._swept = time.monotonic()
        taken = await self.runner.stores.queue.take()
        if taken is None:
            return False
        await self._work(taken)
        return True

    @failpoint("worker.work")
    async def _work(self, taken: Taken) -> None:
        queue, run_id = self.runner.stores.queue, taken.run_id
        if await self._held(taken):
            return
        try:
            record = await self.runner.drive(run_id, self.watch, stop=self.stop)
        except RunBusy:
            await queue.give_back(run_id, delay=_BUSY)
        except WarehouseBusy as error:
            self.told(f"{run_id}: waits: {error.message}")
            await queue.give_back(run_id, delay=_AWAY)
        except StoreUnavailable:
            await self._once_there_is_a_store(lambda: queue.give_back(run_id, delay=_BUSY))
        except AssayError as error:
            self.told(f"{run_id}: {error.code} {error.message}")
            await queue.finish(run_id)
        except Exception as error:  # noqa: BLE001 (one run's defect never stops the others)
            self.told(f"{run_id}: ended unexpectedly ({type(error).__name__})")
            await queue.give_back(run_id, delay=_BUSY, died=True)
        else:
            await self._settle(record)

    async def _settle(self, record: RunRecord) -> None:
        queue = self.runner.stores.queue
        if record.status == "queued":
            self.told(f"{record.id}: handed over")
            await queue.give_back(record.id)
            return
        await queue.finish(record.id)
        if record.status in FINISHED:
            await self.runner.stores.runs.put_aside(record.id)
        self.told(f"{record.id}: {record.status}")

    async def _held(self, taken: Taken) -> bool:
        """Whether a person has to decide first about a run that ended one worker after another."""
        if not taken.deaths or taken.deaths % self.runner.settings.worker_deaths:
            return False
        stores = self.runner.stores
        record = await stores.runs.get(taken.run_id)
        hold = deadly(record, taken.deaths)
        item = await stores.reviews.open_item(hold.item(record.id, now()))
        if item.decision is not None and item.decision.kind == "approve":
            return False
        if item.decision is not None:
            await self.runner.cancel(record.id, by=item.decided_by or "", reason=hold.title)
        elif record.status not in FINISHED:
            await stores.runs.update(record.id, at=now(), status="waiting")
            self.told(f"{record.id}: waits for a person: {hold.title}")
        await stores.queue.finish(record.id, forgive=False)
        return True

    async def _return_lost(self) -> None:
        """Give back the runs of workers that died: taken, and driven by nobody for a lease's time."""
        stores = self.runner.stores
        taken = await stores.queue.taken(longer_than=LEASE_TTL)
        driven = await stores.runs.driven(taken)
        for run_id in (run_id for run_id in taken if run_id not in driven):
            try:
                died = (await stores.runs.get(run_id)).status == "running"
            except NotFound:
                self.told(f"{run_id}: queued, but unknown to the store; not started again")
                await stores.queue.finish(run_id)
                continue
            if await stores.queue.give_back(run_id, died=died) and died:
                self.told(f"{run_id}: its worker is gone; taken over")
                await stores.audit.append(run_id, events.RUN_TAKEN_OVER, {}, at=now())

    async def _sweep(self) -> None:
        """Queue what was accepted and never queued, or was lost from the queue."""
        stores = self.runner.stores
        for record in await stores.runs.left():
            if record.status in FINISHED:
                await stores.runs.put_aside(record.id)
            elif record.status in _GOES_ON and not await stores.queue.holds(record.id):
                await self.runner.enqueue(record)

    async def _once_there_is_a_store(self, act: Callable[[], Awaitable[object]]) -> None:
        while not self.stop.is_set():
            with suppress(StoreUnavailable):
                await act()
                return
            await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL.total_seconds()):
                await self.stop.wait()
