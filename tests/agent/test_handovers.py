"""What processes that die or meet leave to each other: no decision, run or entry of the log is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, Self

import pytest

from agent.driving import now
from agent.intake import prepare
from agent.rewind import Place
from agent.runner import Runner
from agent.worker import Worker
from services import failpoints
from services.review import Approve
from tests.agent.driven import QUESTION, entries, nobody, report, steps, waiting

GRACE = timedelta(seconds=0.4)


@pytest.fixture
async def runner(make_runner: Any) -> AsyncIterator[Runner]:
    async with make_runner(worker_deaths=1) as made:
        yield made


@pytest.fixture(autouse=True)
def no_traps() -> Iterator[None]:
    yield
    failpoints.set_traps("")


async def accept(runner: Runner, run_id: str, **what: Any) -> None:
    accepted = prepare(
        runner.settings, run_id, formats=["json"], **(what or {"question": QUESTION})
    )
    await runner.accept(run_id, accepted, left=True)


class Shift:
    """A worker at work in this process."""

    def __init__(self, runner: Runner) -> None:
        self.lines: list[str] = []
        self.stop = asyncio.Event()
        worker = Worker(runner, self.stop, nobody, self.lines.append, grace=GRACE)
        self.serving = asyncio.create_task(worker.serve())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.stop.set()
        await self.serving


async def until_status(runner: Runner, run_id: str, status: str) -> None:
    async with asyncio.timeout(90):
        while (await runner.stores.runs.get(run_id)).status != status:
            await asyncio.sleep(0.05)


async def test_a_decision_survives_the_death_of_who_recorded_it(runner: Runner) -> None:
    """Killed before the run was queued, or before the log had it: a worker sees to both."""
    await accept(runner, "r1")
    await accept(runner, "r2")
    async with Shift(runner):
        await until_status(runner, "r1", "waiting")
        await until_status(runner, "r2", "waiting")
    for run_id, place in (("r1", "queue.put:before"), ("r2", "audit.append:before")):
        failpoints.set_traps(f"{place}=crash")
        with pytest.raises(failpoints.Crash):
            await runner.decide(run_id, Approve(), by="Ada")
    async with Shift(runner):
        await until_status(runner, "r1", "done")
        await until_status(runner, "r2", "done")

    assert ["approve"] == [e["decision"] for e in await entries(runner, "r2", "review.decided")]
    assert () == await runner.stores.reviews.answered()


async def test_a_cancellation_that_was_cut_off_is_ended_by_another(runner: Runner) -> None:
    """No item of a cancelled run waits for a person for ever."""
    await report(runner, "r1")
    failpoints.set_traps("reviews.supersede:before=crash")
    with pytest.raises(failpoints.Crash):
        await runner.cancel("r1", by="Ada")
    assert 1 == len(await waiting(runner, "r1"))
    again = await runner.cancel("r1", by="Ada")

    assert "cancelled" == again.status
    assert [] == await waiting(runner, "r1")


async def test_an_acceptance_that_was_cut_off_is_in_the_log(runner: Runner) -> None:
    """Whoever asks again is told of the same run, and the log says once that it was accepted."""
    failpoints.set_traps("audit.append:before=crash")
    with pytest.raises(failpoints.Crash):
        await accept(runner, "r1")
    await accept(runner, "r1")
    await accept(runner, "r1")

    assert 1 == len(await entries(runner, "r1", "run.accepted"))


async def test_a_fork_that_was_cut_off_begins_where_it_was_to(runner: Runner) -> None:
    """Not at the start: what came before the place is the other run's."""
    await report(runner, "r1")
    failpoints.set_traps("checkpoint.put:before=crash")
    with pytest.raises(failpoints.Crash):
        await runner.fork("r1", "r2", Place("compose"), by="Ada", changes={})
    await runner.drive("r2", nobody)

    assert ["compose", "review"] == await steps(runner, "r2")


async def test_a_rollback_is_not_outrun_by_the_worker(runner: Runner) -> None:
    """The worker that let go of the run leaves it to whoever asked."""
    await accept(runner, "r1", template="quarterly")
    async with Shift(runner):
        async with asyncio.timeout(60):
            while "plan" not in await steps(runner, "r1"):
                await asyncio.sleep(0.05)
        await runner.rollback("r1", Place("clarify"), by="Ada")
        log = [entry.event for entry in await runner.stores.audit.entries("r1")]

    assert 1 == log[: log.index("run.rolled_back")].count("run.taken")


async def test_an_outage_is_no_death(runner: Runner) -> None:
    """Right after one all leases have expired; a run counts as lost once that lasts."""
    await accept(runner, "r1")
    stores = runner.stores
    taken = await stores.queue.take()
    assert taken is not None
    await stores.runs.update("r1", at=now(), status="running")
    await stores.redis.zadd("assay:{queue}:taken", {"r1": 0})
    worker = Worker(runner, asyncio.Event(), nobody, nobody, grace=GRACE)
    await worker._return_lost()
    at_once = await stores.queue.taken()
    for _ in range(6):
        await asyncio.sleep(GRACE.total_seconds() / 4)
        await worker._return_lost()

    assert ["r1"] == [run.run_id for run in at_once]
    assert () == await stores.queue.taken()
    assert 1 == (await stores.queue.state()).waiting


async def test_a_deadly_run_that_is_unknown_stops_no_worker(runner: Runner) -> None:
    """It is dropped, and the next goes on."""
    queue = runner.stores.queue
    await queue.put("ghost", priority="high")
    taken = await queue.take()
    assert taken is not None
    await queue.give_back(taken, died=True)
    await accept(runner, "r1")
    async with Shift(runner) as shift:
        await until_status(runner, "r1", "waiting")

    assert any("ghost" in line for line in shift.lines)
    assert frozenset() == await queue.holds(["ghost"])


async def test_only_runs_that_could_go_on_are_looked_through(runner: Runner) -> None:
    """One that waits for a person, or is finished, is not; rolled back, it is again."""
    await accept(runner, "r1")
    await accept(runner, "r2")
    assert {"r1", "r2"} == await runner.stores.runs.left()
    await runner.drive("r1", nobody)
    await runner.cancel("r2", by="Ada")
    assert frozenset() == await runner.stores.runs.left()
    await runner.rollback("r1", Place("compose"), by="Ada")

    assert {"r1"} == await runner.stores.runs.left()
