"""The queue of runs: by priority, tenants in turn, and nothing lost or doubled."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from services import failpoints
from services.errors import QueueFull
from services.store import RunQueue


@pytest.fixture
def queue(redis: Redis) -> RunQueue:
    return RunQueue(redis)


async def taken(queue: RunQueue, count: int) -> list[str]:
    """The next *count* runs, each finished as it is taken."""
    found = []
    for _ in range(count):
        run = await queue.take()
        assert run is not None
        found.append(run.run_id)
        await queue.finish(run)
    return found


async def test_runs_come_in_the_order_they_were_put(queue: RunQueue) -> None:
    """First in, first out; then there is none."""
    for name in ("a", "b", "c"):
        await queue.put(name)

    assert ["a", "b", "c"] == await taken(queue, 3)
    assert None is await queue.take()


async def test_a_higher_priority_goes_first(queue: RunQueue) -> None:
    """Whatever waits longer."""
    await queue.put("slow", priority="low")
    await queue.put("usual")
    await queue.put("urgent", priority="high")

    assert ["urgent", "usual", "slow"] == await taken(queue, 3)


async def test_no_tenant_starves_another(queue: RunQueue) -> None:
    """One that posts a thousand runs and one that posts two take turns."""
    for number in range(20):
        await queue.put(f"many-{number}", tenant="many")
    await queue.put("few-0", tenant="few")
    await queue.put("few-1", tenant="few")

    assert {"few-0", "few-1"} <= set(await taken(queue, 4))


async def test_a_tenant_that_always_comes_back_waits_its_turn(queue: RunQueue) -> None:
    """A lane that empties and fills again does not jump ahead of one that waits."""
    await queue.put("waiting", tenant="patient")
    served = []
    for number in range(4):
        await queue.put(f"again-{number}", tenant="eager")
        served += await taken(queue, 1)

    assert "waiting" in served[:2]


async def test_a_run_is_queued_once(queue: RunQueue) -> None:
    """Putting it again changes neither its place nor their number."""
    for name in ("a", "b", "a"):
        await queue.put(name)

    assert 2 == (await queue.state()).waiting
    assert ["a", "b"] == await taken(queue, 2)


async def test_a_run_put_while_it_is_taken_comes_once_more(queue: RunQueue) -> None:
    """A decision that arrives while a worker has the run is not lost."""
    await queue.put("a")
    run = await queue.take()
    assert run is not None
    await queue.put("a")
    assert None is await queue.take()
    await queue.finish(run)

    assert ["a"] == await taken(queue, 1)
    assert frozenset() == await queue.holds(["a", "b"])


async def test_of_many_workers_each_run_has_one(queue: RunQueue) -> None:
    """Taking is atomic."""
    for number in range(60):
        await queue.put(f"r{number}", tenant=str(number % 3))

    async def work() -> list[str]:
        found = []
        while (run := await queue.take()) is not None:
            found.append(run.run_id)
        return found

    counts = Counter(
        name for names in await asyncio.gather(*(work() for _ in range(6))) for name in names
    )

    assert [1] * 60 == list(counts.values())


async def test_a_run_of_a_dead_worker_is_given_back_as_the_next(queue: RunQueue) -> None:
    """It is told from the others by its time, and its deaths are counted."""
    await queue.put("a")
    await queue.put("b")
    await queue.take()
    assert () == await queue.taken(longer_than=timedelta(seconds=30))
    [dead] = await queue.taken()
    assert await queue.give_back(dead, died=True)
    assert not await queue.give_back(dead, died=True)
    again = await queue.take()

    assert again is not None
    assert ("a", 1) == (again.run_id, again.deaths)


async def test_who_was_thought_dead_lets_go_of_nothing(queue: RunQueue) -> None:
    """A worker that wakes up after another took its run neither ends the other's hold nor counts a death."""
    await queue.put("a")
    stalled = await queue.take()
    assert stalled is not None
    await queue.give_back(stalled, died=True)
    second = await queue.take()
    assert second is not None
    assert not await queue.give_back(stalled, died=True)
    await queue.finish(stalled)

    assert (second,) == await queue.taken()
    assert 1 == second.deaths


async def test_deaths_are_forgotten_once_a_run_is_finished(queue: RunQueue) -> None:
    """Only deaths in a row count."""
    await queue.put("a")
    first = await queue.take()
    assert first is not None
    await queue.give_back(first, died=True)
    await taken(queue, 1)
    await queue.put("a")
    run = await queue.take()

    assert run is not None
    assert 0 == run.deaths


async def test_a_run_that_is_put_off_waits_its_time(queue: RunQueue) -> None:
    """Others go on meanwhile."""
    await queue.put("later", delay=timedelta(milliseconds=300))
    await queue.put("now")
    assert ["now"] == await taken(queue, 1)
    assert None is await queue.take()
    await asyncio.sleep(0.35)

    assert ["later"] == await taken(queue, 1)


async def test_a_removed_run_is_taken_by_nobody(queue: RunQueue) -> None:
    """Whether it waits or is put off; one that is taken is left to its worker."""
    await queue.put("a")
    await queue.put("b", delay=timedelta(hours=1))
    await queue.put("c")
    for name in ("a", "b"):
        await queue.remove(name)

    assert ["c"] == await taken(queue, 1)
    assert (0, 0) == await queue.state()


async def test_a_full_queue_says_so(queue: RunQueue) -> None:
    """New runs are refused; those that wait are kept."""
    await queue.put("a")
    await queue.check_room(2)
    await queue.put("b")
    with pytest.raises(QueueFull, match="2 runs wait") as caught:
        await queue.check_room(2)

    assert "A105" == caught.value.code


@pytest.mark.parametrize("operation", ["put", "take", "finish", "give_back"])
async def test_what_a_crash_leaves_can_be_gone_on_with(queue: RunQueue, operation: str) -> None:
    """After a crash behind any operation, repeating the work ends with an empty queue."""
    failpoints.set_traps(f"queue.{operation}:after=crash")
    try:
        for _ in range(3):
            try:
                await queue.put("a")
                for run in await queue.taken():
                    await queue.give_back(run)
                if (run := await queue.take()) is not None:
                    await queue.finish(run)
            except failpoints.Crash:
                continue
    finally:
        failpoints.set_traps("")

    assert (0, 0) == await queue.state()
