"""What is kept and what goes: retention, deletion, backups; with real stores, and real homes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.driving import now
from agent.housekeeping import ERASED, Housekeeping
from agent.stores import Stores, open_stores
from services.audit import verify_all, verify_run
from services.checkpointer import make_checkpointer
from services.errors import NotFound, RunBusy
from services.review import Approve, ReviewItem
from services.settings import Settings
from services.store import ENDPOINTS, EmbeddedServer, Event, Journal, RunRecord
from services.webhooks import Deliveries, Endpoint
from tests.agent.homes import Home

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 9, 30, 12, tzinfo=UTC)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Housekeeping]:
    """Housekeeping of an empty home, a year after what its tests put there."""
    settings = Settings(
        home=tmp_path / "home", keep_runs=timedelta(days=100), keep_evidence=timedelta(days=50)
    )
    async with open_stores(settings) as stores:
        yield Housekeeping(settings=settings, stores=stores, clock=lambda: NOON)
    EmbeddedServer(settings.home).stop()


async def make_run(house: Housekeeping, run_id: str, *, days: int, **fields) -> RunRecord:
    """A run that ended so many days ago, with a content, a step, an item and a file."""
    stores, at = house.stores, NOON - timedelta(days=days)
    folder = house.settings.home / "reports" / run_id
    folder.mkdir(parents=True)
    (folder / "report.json").write_text("{}")
    request = {"formats": ["json"], "requested_by": fields.pop("by", "Ada")}
    record = RunRecord(
        id=run_id, created_at=at, updated_at=at, request=request, output_dir=str(folder), **fields
    )
    await stores.runs.create(record)
    await house.journal.accepted(run_id, at=at)
    await stores.blobs.of_run(run_id).put(b"own of " + run_id.encode())
    await stores.blobs.of_run(run_id).put(b"shared")
    await stores.audit.append(run_id, "run.accepted", {"by": "Ada"}, at=at)
    saver = make_checkpointer(stores.redis)
    config = {"configurable": {"thread_id": run_id, "checkpoint_ns": ""}}
    checkpoint = {"v": 1, "id": "1", "ts": "", "channel_values": {}, "channel_versions": {}}
    await saver.aput(config, {**checkpoint, "versions_seen": {}}, {}, {})
    item = ReviewItem.for_wait(
        run_id,
        "i",
        kind="publication",
        title="t",
        question="q",
        code="",
        choices=("approve",),
        created_at=at,
    )
    await stores.reviews.open_item(item)
    if fields.get("status") == "done":
        await stores.reviews.decide(item.id, Approve(), by="Grace", at=at)
    return record


async def listen(stores: Stores) -> None:
    """Have somebody listen, so that events are put."""
    endpoint = Endpoint(id="e", url="https://x.example", tenant="a", sealed="", created_at=NOON)
    await stores.redis.hset(ENDPOINTS, "e", endpoint.model_dump_json())


async def tell(stores: Stores, *, hand_out: int) -> None:
    """Put one more event of each run, and make deliveries of the oldest: one dead, one delivered."""
    deliveries = Deliveries(stores.redis)
    [endpoint] = [Endpoint.model_validate_json(one) for one in await stores.redis.hvals(ENDPOINTS)]
    for line in await stores.outbox.waiting(hand_out):
        await deliveries.hand_out(line, [endpoint], at=NOON)
    first, second = await deliveries.take(2)
    for taken, status in ((first, "dead"), (second, "delivered")):
        done = taken.delivery.model_copy(update={"status": status, "tried_at": now()})
        assert await deliveries.conclude(taken, done)
    for run in await stores.runs.list():
        said = {"run_id": run.id}
        await stores.outbox.put(Event.of("run.done", said, key=run.id, at=NOON, tenant="a"))


async def run_keys(stores: Stores, run_id: str) -> set[str]:
    """Every key that still names a run, but its audit log."""
    keys = {key.decode() for key in await stores.redis.keys("*")}
    others = ("assay:audit:", "assay:review:revision")
    named = {key for key in keys if run_id in key and not key.startswith(others)}
    for index in [key for key in keys if ":of:" in key or "webhook" in key]:
        if await stores.redis.type(index) == b"zset":
            members = await stores.redis.zrange(index, 0, -1)
            named |= {index for member in members if member.decode() == run_id}
    return named


async def test_a_deleted_run_leaves_its_audit_log_alone(house: Housekeeping) -> None:
    """A dry run says what would go and leaves it; then all of it goes, and the chain verifies."""
    await listen(house.stores)
    await make_run(house, "gone", days=1, status="done", tenant="a")
    await make_run(house, "kept", days=1, status="done", tenant="a")
    await tell(house.stores, hand_out=4)
    before = await run_keys(house.stores, "gone")
    foreseen = await house.delete_run("gone", files=True, dry_run=True)
    assert before == await run_keys(house.stores, "gone")
    assert foreseen == await house.delete_run("gone", files=True)

    assert (("gone",), 1) == (foreseen.runs, foreseen.contents)
    assert set() == await run_keys(house.stores, "gone")
    assert not (house.settings.home / "reports" / "gone").exists()
    assert (await verify_run(house.stores.audit, "gone")).ok
    assert ["kept"] == [record.id for record in await house.stores.runs.list()]
    left = await Deliveries(house.stores.redis).list(tenant="a")
    assert ["kept"] * 2 == [json.loads(one.body)["data"]["run_id"] for one in left]
    assert 1 == len(await house.stores.outbox.waiting())  # of the two runs, the other's
    assert ["kept"] == [item.run_id for item in await house.stores.reviews.list(None)]
    assert ["kept"] == list(house.journal.runs())
    assert () == await house.journal.lost(house.stores.redis)
    with pytest.raises(NotFound):
        await house.delete_run("gone")


async def test_a_tenants_deliveries_are_listed_as_they_go(house: Housekeeping) -> None:
    """In its own index, from the first try to the last and back again; another tenant's shows none."""
    await listen(house.stores)
    await make_run(house, "r", days=1, status="done", tenant="a")
    await make_run(house, "s", days=1, status="done", tenant="a")
    await tell(house.stores, hand_out=3)
    deliveries = Deliveries(house.stores.redis)

    async def counts(tenant: str | None) -> list[int]:
        statuses = ("waiting", "delivered", "dead")
        return [len(await deliveries.list(status=one, tenant=tenant)) for one in statuses]

    assert [1, 1, 1] == await counts("a") == await counts(None)
    assert [0, 0, 0] == await counts("b") == await counts("")
    [dead] = await deliveries.list(status="dead", tenant="a")
    await deliveries.redeliver(dead.id, at=now())
    assert [2, 1, 0] == await counts("a") == await counts(None)
    for run_id in ("r", "s"):
        await house.delete_run(run_id)
    assert [0, 0, 0] == await counts("a") == await counts(None)
    assert () == await house.stores.outbox.waiting()


async def test_a_run_under_way_is_not_deleted(house: Housekeeping) -> None:
    """While somebody drives it, neither the dry run nor the real one touches it."""
    await make_run(house, "driven", days=1)
    async with house.stores.runs.lease("driven"):
        for dry_run in (True, False):
            with pytest.raises(RunBusy):
                await house.delete_run("driven", dry_run=dry_run)

    assert "driven" == (await house.stores.runs.get("driven")).id


async def test_a_lost_run_is_struck_off(house: Housekeeping) -> None:
    """Deleting a run that only the journal knows ends its being reported."""
    await house.journal.accepted("lost", at=NOON)
    await house.delete_run("lost", dry_run=True)
    assert ["lost"] == [run.run_id for run in await house.journal.lost(house.stores.redis)]
    await house.delete_run("lost")

    assert () == await house.journal.lost(house.stores.redis)


async def test_pruning_follows_the_settings(house: Housekeeping) -> None:
    """Old finished runs go, younger ones are emptied, and what waits stays however old it is."""
    receipt = {"digest": "d", "files": []}
    await make_run(house, "old", days=101, status="rejected")
    await make_run(house, "published", days=101, status="done", receipt=receipt)
    await make_run(house, "middle", days=51, status="done", receipt=receipt)
    await make_run(house, "young", days=49, status="done", receipt=receipt)
    for status in ("waiting", "failed", "queued", "running"):
        await make_run(house, status, days=5000, status=status)
    foreseen = await house.prune(dry_run=True)
    assert 8 == len(await house.stores.runs.list())
    done = await house.prune()

    assert (foreseen.runs, foreseen.emptied) == (done.runs, done.emptied)
    assert ({"old", "published"}, ("middle",)) == (set(done.runs), done.emptied)
    left = {record.id for record in await house.stores.runs.list()}
    assert {"middle", "young", "waiting", "failed", "queued", "running"} == left
    assert set() == await house.stores.references.of_run("middle")
    for run_id in ("young", "waiting", "failed", "queued", "running"):
        assert 2 == len(await house.stores.references.of_run(run_id))
    for run_id in ("old", "published", "middle", "young"):
        assert (house.settings.home / "reports" / run_id / "report.json").exists()
    assert 0 == len((await house.prune()).runs)


async def test_published_files_go_only_when_that_is_set(house: Housekeeping) -> None:
    """With a time set for reports, their run stays as long as they do, and both go together."""
    receipt = {"digest": "d", "files": []}
    settings = house.settings.model_copy(update={"keep_reports": timedelta(days=200)})
    house = Housekeeping(settings=settings, stores=house.stores, clock=house.clock)
    await make_run(house, "old", days=201, status="done", receipt=receipt)
    await make_run(house, "younger", days=150, status="done", receipt=receipt)
    done = await house.prune()

    assert ("old",) == done.runs
    assert ["younger"] == os.listdir(house.settings.home / "reports")  # noqa: PTH208


async def test_a_deleted_runs_log_keeps_its_chain_and_loses_its_persons(
    house: Housekeeping,
) -> None:
    """Pruning leaves it as it is, and removes it only once it was kept long enough."""
    audit = house.stores.audit
    await make_run(house, "deleted", days=1, status="done")
    await make_run(house, "pruned", days=101, status="done")
    await house.delete_run("deleted")
    await house.prune()
    entries = {name: len(await audit.entries(name)) for name in ("deleted", "pruned")}
    persons = {name: len(await audit.personal(name)) for name in ("deleted", "pruned")}
    short = house.settings.model_copy(update={"keep_audit": timedelta(days=100)})
    await make_run(house, "old", days=101, status="done")
    await Housekeeping(settings=short, stores=house.stores, clock=house.clock).prune()

    assert {"deleted": 1, "pruned": 1} == entries
    assert {"deleted": 0, "pruned": 1} == persons
    assert () == await audit.entries("old")
    assert (await verify_all(audit)).ok


async def test_a_person_is_forgotten(house: Housekeeping) -> None:
    """A person's runs go, waiting ones too, and the name in decisions on runs of others."""
    await make_run(house, "hers", days=1, by="Grace", status="waiting")
    await make_run(house, "his", days=1, by="Ada", status="done")
    foreseen = await house.forget("Grace", dry_run=True)
    assert "Grace" == (await house.stores.reviews.of_run("his"))[0].decided_by
    done = await house.forget("Grace")

    assert foreseen == done
    assert (("hers",), 1) == (done.runs, len(done.decisions))
    assert set() == await run_keys(house.stores, "hers")
    assert ERASED == (await house.stores.reviews.of_run("his"))[0].decided_by


DELETE = """
import asyncio, sys
from pathlib import Path
from agent.driving import now
from agent.housekeeping import Housekeeping
from agent.driving import now
from agent.stores import open_stores
from services.settings import Settings

async def main(home):
    settings = Settings(home=Path(home))
    async with open_stores(settings) as stores:
        await Housekeeping(settings=settings, stores=stores, clock=now).delete_run("r", files=True)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize(
    "place",
    [
        "references.release:before",
        "references.release:after",
        "runs.remove:before",
        "runs.remove:after",
    ],
)
async def test_a_killed_deletion_goes_on(house: Housekeeping, place: str) -> None:
    """Killed anywhere, the next deletion takes the rest."""
    await make_run(house, "r", days=1, status="done")
    trap = {**os.environ, "ASSAY_FAILPOINTS": f"{place}=kill"}
    command = [sys.executable, "-c", DELETE, str(house.settings.home)]
    killed = subprocess.run(command, cwd=ROOT, env=trap, check=False)
    assert -signal.SIGKILL == killed.returncode
    await house.stores.redis.delete("assay:lease:{r}")  # or four seconds' patience
    await house.delete_run("r", files=True)

    assert set() == await run_keys(house.stores, "r")
    assert () == await house.journal.lost(house.stores.redis)
    assert 0 == (await house.stores.references.collect()).contents


def test_a_backup_of_a_waiting_run_goes_on_elsewhere(home: Home, tmp_path: Path) -> None:
    """A home that was lost as a whole comes back from one file; the run is approved there."""
    question = ("report", "NPL ratio by segment", "--no-input", "--format", "json")
    made = home.json(*question, "--run-id", "r1", ASSAY_LARGE_RESULT="100B")
    file = tmp_path / "assay.backup"
    summary = home.json("store", "backup", str(file), "--with-warehouse")
    again = home.run("store", "backup", str(file))
    state = home.folder / "home"
    occupied = home.run("store", "restore", str(file))
    EmbeddedServer(state).stop()
    shutil.rmtree(state)
    restored = home.json("store", "restore", str(file))
    approved = home.json("review", "approve", "r1")

    assert (2, 2) == (again.returncode, occupied.returncode)
    assert summary == restored
    assert summary["objects"] > 0
    assert ("waiting", "done") == (made["status"], approved["status"])
    assert made["report_digest"] == approved["report_digest"]
    assert 0 == home.run("audit", "verify", "r1").returncode
    assert 0 == home.run("doctor").returncode


def test_snapshots_that_no_run_needs_are_pruned(home: Home) -> None:
    """Neither the current snapshot, nor a run's, nor one of the last hour goes."""
    folder = home.folder / "home" / "warehouse"
    first = next(folder.glob("*.duckdb"))
    stray, fresh = folder / f"{'a' * 16}.duckdb", folder / f"{'b' * 16}.duckdb"
    for path in (stray, fresh):
        path.write_bytes(b"x")
    for path in (stray, first):
        os.utime(path, (time.time() - 7200,) * 2)
    home.run("run", "start", "NPL ratio by segment", "--run-id", "r1")
    (home.folder / "mine.csv").write_text("a\n1\n")
    home.run("warehouse", "load", str(home.folder / "mine.csv"))
    os.utime(first, (time.time() - 7200,) * 2)
    foreseen = home.json("warehouse", "prune", "--dry-run")
    assert stray.exists()
    pruned = home.json("warehouse", "prune")

    assert foreseen["files"] == pruned["files"] == [str(stray)]
    assert first.exists()
    assert fresh.exists()
    home.run("run", "delete", "r1")
    assert [str(first)] == home.json("warehouse", "prune")["files"]
    assert 1 == len(list(folder.glob("*.duckdb"))) - 1
    assert json.loads(home.run("warehouse", "show", "--json").stdout)["tables"]


def test_a_lost_run_is_reported_wherever_one_looks(home: Home) -> None:
    """What the journal knows and the store does not is told by doctor, list, show and resume."""
    state = home.folder / "home"
    asyncio.run(Journal(state).accepted("lost-1", at=NOON))
    shown, resumed = home.run("run", "show", "lost-1"), home.run("run", "resume", "lost-1")
    listed, doctor = home.run("run", "list"), home.run("doctor")

    assert (3, 3, 0, 1) == tuple(c.returncode for c in (shown, resumed, listed, doctor))
    for told in (shown.stderr, resumed.stderr):
        assert "A207" in told
        assert "assay run delete lost-1" in told
    assert "accepted but lost: lost-1" in listed.stderr
    assert "accepted but lost: lost-1" in doctor.stdout
    home.run("run", "delete", "lost-1")
    assert 0 == home.run("doctor").returncode
