"""Wherever a run's process stops, the run goes on, ends in the same report, and each effect happens once."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.intake import prepare
from agent.runner import Runner
from agent.worker import Worker
from services import failpoints
from services.audit import verify_run
from services.review import Approve
from services.store import RunRecord
from tests.agent.driven import QUESTION, nobody

RUNS = 8
NOT_IN_A_RUN = re.compile(r"^(test\.|queue\.remove|effect\.compensated|objects\.)")


@pytest.fixture
async def runner(make_runner: Any) -> AsyncIterator[Runner]:
    async with make_runner(worker_deaths=1_000) as made:
        yield made
    failpoints.set_traps("")


async def work_until_idle(runner: Runner) -> None:
    """One worker's life: until there is nothing to do, or it is stopped in its tracks."""
    stop = asyncio.Event()
    worker = Worker(runner, stop, nobody, nobody, grace=timedelta())
    serving = asyncio.create_task(worker.serve())
    idle = 0
    while not serving.done() and idle < 3:
        await asyncio.sleep(0.05)
        state = await runner.stores.queue.state()
        idle = idle + 1 if state == (0, 0) else 0
    stop.set()
    await serving


async def finished(runner: Runner, run_id: str) -> RunRecord:
    """Accept a run, and see to it that workers come and go until it is published."""
    accepted = prepare(runner.settings, run_id, question=QUESTION, formats=["json", "md"])
    for _ in range(30):
        try:
            await runner.accept(run_id, accepted, left=True)
            await work_until_idle(runner)
            record = await runner.stores.runs.get(run_id)
            if record.status == "done":
                return record
            for item in await runner.stores.reviews.of_run(run_id):
                if item.status == "open":
                    await runner.decide(item.id, Approve(), by="Ada")
        except failpoints.Crash:
            await _let_the_dead_be_forgotten(runner, run_id)
    raise AssertionError(f"{run_id} was not finished")


async def _let_the_dead_be_forgotten(runner: Runner, run_id: str) -> None:
    """What a lease's end does, without waiting for it."""
    redis = runner.stores.redis
    await redis.delete(f"assay:lease:{{{run_id}}}")
    for taken in await runner.stores.queue.taken():
        await redis.zadd("assay:{queue}:taken", {taken.run_id: 0})


async def check(runner: Runner, record: RunRecord, digest: str) -> None:
    """Everything that is promised of a run, however it went."""
    stores = runner.stores
    effects = await stores.effects.of_run(record.id)
    assert record.receipt is not None
    files = [Path(file["path"]) for file in record.receipt["files"]]
    verdict = await verify_run(stores.audit, record.id)

    assert digest == record.report_digest == record.receipt["digest"]
    assert [("publish", "done")] == [(effect.step, effect.state) for effect in effects]
    assert all(file.exists() for file in files)
    assert verdict.ok
    assert not await stores.runs.driven([record.id])
    assert (0, 0) == await stores.queue.state()
    assert not [i for i in await stores.reviews.of_run(record.id) if i.status == "open"]


async def test_a_run_survives_a_crash_at_every_place(runner: Runner) -> None:
    """Each named place stops a run once, several of them the same run, one after the other."""
    failpoints.set_traps("nowhere=crash")
    undisturbed = await finished(runner, "undisturbed")
    places = sorted(name for name in failpoints._counts if not NOT_IN_A_RUN.match(name))
    digest = undisturbed.report_digest or ""
    await check(runner, undisturbed, digest)
    assert 40 < len(places)

    for number in range(RUNS):
        traps = ";".join(f"{place}=crash" for place in places[number::RUNS])
        failpoints.set_traps(traps)
        record = await finished(runner, f"crashed-{number}")
        left = [trap for trap in traps.split(";") if not failpoints._counts[trap.split("=")[0]]]
        assert [] == left, "these places were never reached"
        try:
            await check(runner, record, digest)
        except AssertionError as error:
            raise AssertionError(f"after crashes at {traps}") from error


async def test_two_drivers_of_one_run_have_one_winner(runner: Runner) -> None:
    """The other is told that the run is being driven."""
    await runner.accept(
        "twice", prepare(runner.settings, "twice", question=QUESTION, formats=["json"])
    )
    quick = dataclasses.replace(runner)
    results = await asyncio.gather(
        runner.drive("twice", nobody), quick.drive("twice", nobody), return_exceptions=True
    )
    effects = await runner.stores.audit.entries("twice")

    assert 1 <= sum(isinstance(result, RunRecord) for result in results)
    assert 1 == sum(
        entry.event == "step.finished" and entry.fields["step"] == "compose" for entry in effects
    )
