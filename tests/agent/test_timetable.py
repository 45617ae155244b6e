"""Ticks become runs: one each, whoever looks, and whatever dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import pytest

from agent.runner import Runner
from agent.scheduling import NewSchedule, Scheduler
from agent.timetable import Timetable
from services import failpoints
from services.errors import Invalid, StoreUnavailable
from services.failpoints import Crash
from services.schedules import Schedule
from services.store import name_in, own_id
from tests.agent.homes import Home

MakeRunner = Callable[..., AbstractAsyncContextManager[Runner]]
AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
NINE = AT.replace(hour=9, minute=0)


@pytest.fixture(autouse=True)
def no_traps() -> Iterator[None]:
    yield
    failpoints.set_traps("")


async def add(runner: Runner, name: str = "hourly", **fields: object) -> Schedule:
    asked = NewSchedule.model_validate(
        {"name": name, "cron": "0 * * * *", "formats": ("json",), "question": "NPL ratio"} | fields
    )
    return await runner.stores.schedules.add(asked.made(at=AT, by="Ada"))


def table(runner: Runner, at: datetime, lines: list[str] | None = None) -> Timetable:
    return Timetable(runner, [].append if lines is None else lines.append, clock=lambda: at)


async def runs(runner: Runner) -> list[str]:
    return sorted(record.id for record in await runner.stores.runs.list(limit=100))


async def test_a_tick_becomes_a_queued_run(make_runner: MakeRunner) -> None:
    """For its tenant, with its priority, and it says that a schedule asked for it."""
    async with make_runner() as runner:
        asked = NewSchedule(name="daily", cron="0 9 * * *", template="quarterly", priority="high")
        await runner.stores.schedules.add(asked.made(at=AT, by="Ada", tenant="acme"))
        lines: list[str] = []
        await table(runner, AT)()
        assert [] == await runs(runner)
        await table(runner, NINE, lines)()
        (run,) = await runner.stores.runs.list()
        seen = await runner.stores.schedules.get("daily", tenant="acme")

        assert ("acme", "high", True) == (run.tenant, run.priority, run.left)
        assert own_id(name_in(run.id), "acme") == run.id == seen.last_run
        assert ("schedule", "schedule:daily") == (
            run.request["trigger"],
            run.request["requested_by"],
        )
        assert run.request["output"].endswith(run.id)
        assert (run.id, NINE, NINE + timedelta(days=1)) == (
            seen.last_run,
            seen.last_at,
            seen.next_at,
        )
        assert 1 == (await runner.stores.queue.state()).waiting
        assert [f"schedule daily: accepted {run.id}"] == lines


async def test_two_workers_at_once_start_one_run(make_runner: MakeRunner) -> None:
    """And a third that looks later starts none."""
    async with make_runner() as runner:
        await add(runner)
        await asyncio.gather(*(table(runner, NINE)() for _ in range(2)))
        await table(runner, NINE + timedelta(minutes=1))()

        assert 1 == len(await runs(runner))
        assert 1 == (await runner.stores.queue.state()).waiting


@pytest.mark.parametrize(
    "place",
    [
        "runs.create:after",
        "queue.put:before",
        "queue.put:after",
        "schedules.settle:before",
        "schedules.settle:after",
    ],
)
async def test_a_worker_that_dies_in_between_loses_and_doubles_nothing(
    make_runner: MakeRunner, place: str
) -> None:
    """Wherever it ended, the next one's look gives one run, queued once."""
    async with make_runner() as runner:
        await add(runner)
        failpoints.set_traps(f"{place}=crash")
        with pytest.raises(Crash):
            await table(runner, NINE)()
        failpoints.set_traps("")
        await table(runner, NINE + timedelta(minutes=2))()
        (run_id,) = await runs(runner)
        log = await runner.stores.audit.entries(run_id)

        assert ["run.accepted"] == [entry.event for entry in log]
        assert 1 == (await runner.stores.queue.state()).waiting
        assert run_id == (await runner.stores.schedules.get("hourly")).last_run


async def test_missed_ticks_are_made_up_for_as_the_policy_says(make_runner: MakeRunner) -> None:
    """After three hours without a worker."""
    async with make_runner() as runner:
        for policy in ("none", "last", "all"):
            await add(runner, policy, catch_up=policy, catch_up_limit=2)
        await table(runner, NINE + timedelta(hours=2, minutes=30))()
        begun = [name.split("Z-")[0] for name in await runs(runner)]

        assert ["all-20260301T1000", "all-20260301T1100", "last-20260301T1100"] == begun
        left_out = {s.name: s.left_out for s in await runner.stores.schedules.list()}
        assert {"none": 3, "last": 2, "all": 1} == left_out


async def test_a_schedule_that_cannot_be_accepted_says_so_and_stops_no_other(
    make_runner: MakeRunner,
) -> None:
    """Its template is gone; it goes on with its next tick, and is well once it is started again."""
    async with make_runner() as runner:
        good = await add(runner, "good")
        broken = await add(runner, "broken")
        gone = broken.model_copy(update={"question": "", "template": "gone"})
        await runner.stores.schedules.change("broken", lambda _: gone)
        lines: list[str] = []
        await table(runner, NINE, lines)()
        seen = await runner.stores.schedules.get("broken")

        assert [good.run_id(NINE)] == await runs(runner)
        assert seen.last_error is not None
        assert "A401" == seen.last_error.code
        assert NINE + timedelta(hours=1) == seen.next_at
        assert any(line.startswith("schedule broken: not started: A401") for line in lines)

        await runner.stores.schedules.change(
            "broken", lambda s: s.model_copy(update={"question": "NPL ratio", "template": ""})
        )
        await table(runner, NINE + timedelta(hours=1))()
        assert (await runner.stores.schedules.get("broken")).last_error is None


async def test_a_full_queue_puts_a_tick_off(make_runner: MakeRunner) -> None:
    """It is tried again after a while, not each second, and is not lost."""
    async with make_runner(queue_limit=1) as runner:
        first, second = await add(runner, "a"), await add(runner, "b")
        await table(runner, NINE)()
        full = await runner.stores.schedules.get("b")
        await runner.stores.queue.remove(first.run_id(NINE))
        await table(runner, NINE + timedelta(seconds=1))()
        assert [first.run_id(NINE)] == await runs(runner)
        await table(runner, NINE + timedelta(seconds=31))()
        well = await runner.stores.schedules.get("b")

        assert full.last_error is not None
        assert ("A105", NINE) == (full.last_error.code, full.next_at)
        assert (second.run_id(NINE), None) == (well.last_run, well.last_error)


async def test_a_store_that_is_away_is_the_workers_matter(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chore fails, nothing is settled, and the next call starts what was due."""
    async with make_runner() as runner:
        schedule = await add(runner)

        async def away(*_: object, **__: object) -> None:
            raise StoreUnavailable("The store does not answer.")

        with monkeypatch.context() as patch:
            patch.setattr(type(runner.stores.queue), "put", away)
            with pytest.raises(StoreUnavailable):
                await table(runner, NINE)()
        await table(runner, NINE + timedelta(seconds=5))()

        assert [schedule.run_id(NINE)] == await runs(runner)
        assert 1 == (await runner.stores.queue.state()).waiting


async def test_paused_ticks_are_not_made_up_for(make_runner: MakeRunner) -> None:
    """Resumed, a schedule goes on with the next tick, whatever its policy."""
    async with make_runner() as runner:
        await add(runner, catch_up="all")
        scheduler = Scheduler(runner.stores, by="Ada")
        await scheduler.pause("hourly")
        await table(runner, NINE + timedelta(hours=5))()
        resumed = await scheduler.resume("hourly", at=NINE + timedelta(hours=5, minutes=30))
        await table(runner, NINE + timedelta(hours=5, minutes=31))()

        assert [] == await runs(runner)
        assert NINE + timedelta(hours=6) == resumed.next_at


def test_the_command_adds_lists_and_removes(shared: Home) -> None:
    """Each step as an operator takes it, with one JSON document where that is asked for."""
    added = shared.json(
        *("schedule", "add", "month-end", "--cron", "0 7 1 * *", "--zone", "Europe/Berlin"),
        *("--template", "quarterly", "--catch-up", "all"),
    )
    listed = shared.run("schedule", "list").stdout
    paused = shared.json("schedule", "pause", "month-end")
    resumed = shared.json("schedule", "resume", "month-end")
    coming = shared.json("schedule", "next", "month-end", "--count", "3")
    shown = shared.run("schedule", "show", "month-end").stdout
    removed = shared.run("schedule", "remove", "month-end")

    assert ("month-end", "Ada", "all") == (added["name"], added["created_by"], added["catch_up"])
    assert "0 7 1 * * Europe/Berlin" in listed
    assert (True, False) == (paused["paused"], resumed["paused"])
    assert 3 == len(coming)
    assert "month-end  active  quarterly" in shown
    assert (0, []) == (removed.returncode, shared.json("schedule", "list"))


def test_a_dry_run_prints_five_ticks_and_adds_nothing(shared: Home) -> None:
    """In the zone of the schedule and in UTC."""
    done = shared.run(
        "schedule",
        "add",
        "dry",
        "--cron",
        "30 6 * * MON-FRI",
        "--zone",
        "Europe/Berlin",
        "--dry-run",
    )

    assert 5 == len(done.stdout.splitlines()), done.stderr
    assert all(" 06:30 CE" in line and "UTC" in line for line in done.stdout.splitlines())
    assert "dry" not in shared.run("schedule", "list").stdout


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "bad name"}, "A schedule's name has letters"),
        ({"cron": "61 * * * *"}, "its minute field makes no sense"),
        ({"template": "quaterly", "question": ""}, "no report template"),
        ({"formats": ("docx",)}, "No such format"),
        ({"template": "quarterly"}, "not both"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, object], said: str) -> None:
    """When it is added, not when it is due."""
    good = {"name": "good", "cron": "@daily", "question": "NPL ratio"}
    with pytest.raises(Invalid, match=said):
        NewSchedule.model_validate(good | fields).made(at=AT, by="Ada")


def test_bad_input_is_a_sentence_and_exit_code_two(shared: Home) -> None:
    """What is wrong, and what to do; never a traceback."""
    done = shared.run("schedule", "add", "bad", "--cron", "@daily", "--zone", "Berlin")

    assert 2 == done.returncode
    assert "There is no such time zone." in done.stderr
    assert "Europe/Berlin" in done.stderr
