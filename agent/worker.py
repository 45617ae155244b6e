"""A worker: takes queued runs, drives each, and gives back what it cannot finish."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from agent.driving import Event, now
from agent.holds import deadly
from agent.runner import FINISHED, Runner
from services import load
from services.audit import events
from services.errors import AssayError, NotFound, RunBusy, StoreUnavailable, WarehouseBusy
from services.failpoints import failpoint
from services.store import LEASE_TTL, RunRecord, Taken

_POLL: Final = timedelta(seconds=0.25)
_CHORE: Final = timedelta(seconds=1)
_SWEEP: Final = timedelta(seconds=15)
_BUSY: Final = timedelta(seconds=2)
_AWAY: Final = timedelta(seconds=10)
"""How long a run is put off whose warehouse another process holds."""
_ANSWER: Final = timedelta(seconds=3)
"""A store that takes longer to answer is told to be away."""
_GRACE: Final = timedelta(seconds=2)
"""Within this the drivers of an outage's runs have renewed their leases, once the store is back."""

_T = TypeVar("_T")


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
    chores: tuple[Callable[[], Awaitable[None]], ...] = ()
    """Done beside the runs, over and over: each finds what is due, and may find another at it."""
    grace: timedelta = _GRACE
    _drives: bool = False
    _said: str = ""
    _looked: float = float("-inf")
    _watching: float = float("-inf")
    _swept: float = float("-inf")

    async def serve(self) -> None:
        """Work until told to stop. An outage of the store is waited out."""
        beside = [self._keep(), *(self._repeat(chore) for chore in self.chores)]
        tasks = [asyncio.create_task(one) for one in beside]
        try:
            while not self.stop.is_set():
                for task in tasks:
                    if task.done():
                        task.result()
                if not await self._once():
                    await self._pause()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _once(self) -> bool:
        """Drive one run; False when there is none."""
        try:
            taken = await self._unless_stopped(self.runner.stores.queue.take())
            if taken is not None:
                self._drives = True
                with load.counted("runs"):
                    await self._work(taken)
        except StoreUnavailable as error:
            self._say(f"waiting: {error.message}")
            return False
        finally:
            self._drives = False
        return taken is not None

    @failpoint("worker.work")
    async def _work(self, taken: Taken) -> None:
        queue, run_id = self.runner.stores.queue, taken.run_id
        try:
            if await self._held(taken):
                return
            record = await self.runner.drive(run_id, self.watch, stop=self.stop)
        except RunBusy as error:
            self.told(f"{run_id}: put off: {error.message}")
            await queue.give_back(taken, delay=_BUSY)
        except WarehouseBusy as error:
            self.told(f"{run_id}: waits: {error.message}")
            await queue.give_back(taken, delay=_AWAY)
        except StoreUnavailable:
            await self._once_there_is_a_store(lambda: queue.give_back(taken, delay=_BUSY))
        except AssayError as error:
            self.told(f"{run_id}: {error.code} {error.message}")
            await queue.finish(taken)
        except Exception as error:  # noqa: BLE001 (one run's defect never stops the others)
            self.told(f"{run_id}: ended unexpectedly ({type(error).__name__})")
            await queue.give_back(taken, delay=_BUSY, died=True)
        else:
            await self._settle(taken, record)

    async def _settle(self, taken: Taken, record: RunRecord) -> None:
        queue = self.runner.stores.queue
        if record.status == "queued":
            self.told(f"{record.id}: handed over")
            # Who asked for the run, if it was not our own stop, comes before the next worker.
            await queue.give_back(taken, delay=timedelta() if self.stop.is_set() else _BUSY)
            return
        await queue.finish(taken)
        self.told(f"{record.id}: {record.status}")

    async def _held(self, taken: Taken) -> bool:
        """Whether a person has to decide first about a run that ended one worker after another."""
        if not taken.deaths or taken.deaths % self.runner.settings.worker_deaths:
            return False
        stores = self.runner.stores
        record = await stores.runs.get(taken.run_id)
        hold = deadly(record, taken.deaths)
        item = await stores.open_item(hold.item(record, now()))
        if item.decision is not None and item.decision.kind == "approve":
            return False
        if item.decision is not None:
            await self.runner.cancel(record.id, by=item.decided_by or "", reason=hold.title)
        elif record.status not in FINISHED:
            await stores.runs.update(record.id, at=now(), status="waiting")
            self.told(f"{record.id}: waits for a person: {hold.title}")
        await stores.queue.finish(taken, forgive=False)
        return True

    async def _keep(self) -> None:
        """See, beside the work, to what dead processes left behind."""
        while True:
            try:
                async with asyncio.timeout(_ANSWER.total_seconds()):
                    await self._return_lost()
                if time.monotonic() - self._swept > _SWEEP.total_seconds():
                    await self._sweep()
                    self._swept = time.monotonic()
                self._said = ""
            except (StoreUnavailable, TimeoutError):
                if not self._drives:  # else its driver says so
                    self._say("waiting: The store does not answer.")
            except Exception as error:  # noqa: BLE001 (one run's defect never stops the others)
                self._say(f"cannot see to lost runs ({type(error).__name__})")
            await asyncio.sleep(_POLL.total_seconds())

    async def _repeat(self, chore: Callable[[], Awaitable[None]]) -> None:
        """One chore, every second, whatever comes of it: it shall not end the others."""
        while True:
            try:
                await chore()
            except StoreUnavailable:
                pass  # the keeper says so
            except Exception as error:  # noqa: BLE001 (one chore's defect never stops the runs)
                self._say(f"a chore failed ({type(error).__name__})")
            await asyncio.sleep(_CHORE.total_seconds())

    async def _return_lost(self) -> None:
        """Give back the runs of workers that died: taken, and driven by nobody for a lease's time."""
        stores = self.runner.stores
        taken = await stores.queue.taken(longer_than=LEASE_TTL)
        driven = await stores.runs.driven([one.run_id for one in taken])
        if not self._is_watchful():
            return
        for lost in (one for one in taken if one.run_id not in driven):
            try:
                died = (await stores.runs.get(lost.run_id)).status == "running"
            except NotFound:
                self.told(f"{lost.run_id}: queued, but unknown to the store; not started again")
                await stores.queue.finish(lost)
                continue
            if await stores.queue.give_back(lost, died=died) and died:
                self.told(f"{lost.run_id}: its worker is gone; taken over")
                await stores.audit.append(lost.run_id, events.RUN_TAKEN_OVER, {}, at=now())

    def _is_watchful(self) -> bool:
        """
        Whether we have looked often enough, for long enough, to tell a dead driver from one whose
        store was away: after an outage all leases have expired, and no driver has died.
        """
        at = time.monotonic()
        if at - self._looked > self.grace.total_seconds() / 2:
            self._watching = at
        self._looked = at
        return at - self._watching >= self.grace.total_seconds()

    async def _sweep(self) -> None:
        """Queue what was accepted or decided and never queued, or was lost from the queue."""
        stores = self.runner.stores
        left = await stores.runs.left()
        for run_id in left - await stores.queue.holds(left):
            with suppress(NotFound):
                await self.runner.enqueue(await stores.runs.get(run_id))
        await self.runner.follow_decisions()

    async def _unless_stopped(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        """What *work* gives, or None once we are told to stop: the store may be away for long."""
        tasks = asyncio.create_task(work), asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return await tasks[0] if tasks[0].done() else None
        finally:
            for task in tasks:
                task.cancel()

    def _say(self, line: str) -> None:
        """Tell a line, unless it was the last one told."""
        if line != self._said:
            self.told(line)
        self._said = line

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
