"""The registry of runs: created once, changed atomically, found by what one remembers."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from redis.asyncio import Redis

from services.errors import InputConflict, NotFound
from services.store import Failure, RunFilter, RunRecord, RunRegistry, name_in, own_id

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


def record(run_id: str = "r-1", **fields: object) -> RunRecord:
    plain = {"request": {"template": "quarterly"}, "created_at": NOON, "updated_at": NOON}
    return RunRecord.model_validate({"id": run_id, **plain, **fields})


async def test_a_run_is_created_once(redis: Redis) -> None:
    """The same id with the same request gives the run that exists, as far as it has come."""
    registry = RunRegistry(redis)
    assert record() == await registry.create(record())
    running = await registry.update("r-1", at=NOON, status="running")

    later = record(created_at=NOON + timedelta(days=1))
    assert running == await registry.create(later)
    assert 1 == len(await registry.list())


async def test_one_of_many_creators_wins(redis: Redis) -> None:
    """Creators of one id at one moment all get the same record."""
    registry = RunRegistry(redis)
    offered = [record(title=f"from {number}") for number in range(10)]
    stored = await asyncio.gather(*(registry.create(one) for one in offered))

    assert 1 == len({one.title for one in stored})


async def test_a_known_id_with_another_request_is_a_conflict(redis: Redis) -> None:
    """A run never changes what it was asked; tuples and lists are the same request."""
    registry = RunRegistry(redis)
    await registry.create(record(request={"formats": ("html", "pdf"), "as_of": date(2026, 9, 30)}))
    await registry.create(record(request={"formats": ["html", "pdf"], "as_of": "2026-09-30"}))

    with pytest.raises(InputConflict, match="something else") as caught:
        await registry.create(record(request={"formats": ["html"]}))
    assert "A411" == caught.value.code


async def test_changes_are_kept_whole(redis: Redis) -> None:
    """An update changes the named fields and the time, and nothing else."""
    registry = RunRegistry(redis)
    await registry.create(record(title="Quarterly"))
    failure = Failure(code="A104", message="A query took too long.")
    tokyo = timezone(timedelta(hours=9))
    changed = await registry.update(
        "r-1", at=NOON.astimezone(tokyo), status="failed", failure=failure, receipt={"n": 1}
    )

    assert record(title="Quarterly", status="failed", failure=failure, receipt={"n": 1}) == changed
    assert UTC == changed.updated_at.tzinfo
    assert changed == await registry.get("r-1")


async def test_an_expected_status_guards_a_change(redis: Redis) -> None:
    """Of two that take a run from waiting to running, one is told that it came late."""
    registry = RunRegistry(redis)
    await registry.create(record(status="waiting"))

    async def start() -> bool:
        try:
            await registry.update("r-1", at=NOON, expect={"waiting"}, status="running")
        except InputConflict:
            return False
        return True

    assert [False, True] == sorted(await asyncio.gather(start(), start()))


async def test_writers_of_different_fields_lose_nothing(redis: Redis) -> None:
    """Concurrent updates of different fields all take effect."""
    registry = RunRegistry(redis)
    await registry.create(record())
    changes = [{"title": "T"}, {"output_dir": "/out"}, {"snapshot": "s1"}, {"report_digest": "d"}]
    await asyncio.gather(*(registry.update("r-1", at=NOON, **change) for change in changes))
    stored = await registry.get("r-1")

    assert ("T", "/out", "s1", "d") == (
        stored.title,
        stored.output_dir,
        stored.snapshot,
        stored.report_digest,
    )


async def test_runs_are_listed_newest_first(redis: Redis) -> None:
    """Listing goes back in time, by status where asked, as far as the limit."""
    registry = RunRegistry(redis)
    for number in range(5):
        await registry.create(
            record(
                f"r-{number}",
                created_at=NOON + timedelta(minutes=number),
                status="done" if number % 2 else "failed",
            )
        )

    assert ["r-4", "r-3", "r-2"] == [run.id for run in await registry.list(limit=3)]
    assert ["r-3", "r-1"] == [run.id for run in await registry.list(status="done")]
    assert () == await registry.list(status="cancelled")


async def test_a_small_tenant_has_its_page_at_once(redis: Redis) -> None:
    """However many newer runs others have: two reads of the store, and no page that is empty."""
    registry = RunRegistry(redis)
    for number in range(3):
        await registry.create(record(f"ours-{number}", tenant="few"))
    later = NOON + timedelta(days=1)
    many = [record(f"t-{n}", tenant="many", created_at=later) for n in range(2_500)]
    await registry.create_all(many)
    before = (await redis.info("stats"))["total_commands_processed"]
    page = await registry.page(RunFilter(tenant="few"), limit=2)
    used = (await redis.info("stats"))["total_commands_processed"] - before
    rest = await registry.page(RunFilter(tenant="few"), limit=2, after=page.next)
    walked = [run.id for run in await registry.list(limit=10_000, tenant="many")]

    assert [["ours-2", "ours-1"], ["ours-0"]] == [[r.id for r in p.runs] for p in (page, rest)]
    assert rest.next is None
    assert used <= 3  # the second asking for the count among them
    assert sorted((run.id for run in many), reverse=True) == walked  # of one moment, all of them
    assert () == await registry.list(tenant="none")


async def test_names_are_each_tenants_own() -> None:
    """An id is a name and its tenant's mark; none is another's, and the default tenant has none."""
    ids = {own_id("q", tenant) for tenant in ("", "a", "b")}

    assert 3 == len(ids)
    assert {"q"} == {name_in(one) for one in ids}
    assert own_id("q", "") == "q"
    assert own_id(own_id("q", "a"), "a") == own_id("q", "a")
    for foreign, tenant in ((own_id("q", "a"), "b"), (own_id("q", "a"), ""), ("q~", "")):
        with pytest.raises(ValueError, match="another tenant"):
            own_id(foreign, tenant)


async def test_an_unknown_id_names_the_ones_that_come_close(redis: Redis) -> None:
    """A beginning or a typing mistake leads to the ids that may be meant."""
    registry = RunRegistry(redis)
    for run_id in ("quarterly-7f3a", "quarterly-9b1c", "ask-1"):
        await registry.create(record(run_id))

    assert ("quarterly-7f3a", "quarterly-9b1c") == await registry.matching("quart")
    assert () == await registry.matching("quarterly-7f3b")
    for mistaken, meant in (
        ("quarterly-7", "quarterly-7f3a"),
        ("qaurterly-9b1c", "quarterly-9b1c"),
    ):
        with pytest.raises(NotFound) as caught:
            await registry.get(mistaken)
        assert meant in caught.value.hint


async def test_times_without_a_zone_are_refused() -> None:
    """A record never holds a time of unknown zone."""
    with pytest.raises(ValueError, match="timezone"):
        record(created_at=datetime(2026, 10, 1, 12))  # noqa: DTZ001
