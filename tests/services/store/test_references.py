"""What a run needs is kept as long as the run, and what nobody needs goes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services import failpoints
from services.errors import NotFound, StoreUnavailable
from services.evidence import Column, Evidence, SqlSource, Table, make_evidence
from services.store import BlobStore, EmbeddedServer, EvidenceStore, ObjectStore, References

ROOT = Path(__file__).parents[3]
COLUMNS = (Column(name="n", type="integer"),)


def rows_of(number: int) -> tuple[Evidence, Table]:
    table = Table.from_rows(COLUMNS, [(number,)])
    return make_evidence(table, source=SqlSource(), snapshot="s", as_of=date(2026, 9, 30)), table


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    """A folder where everything from a kilobyte on is a file."""
    return ObjectStore(tmp_path / "large results", least=1000)


@pytest.fixture(autouse=True)
def disarmed():
    yield
    failpoints.set_traps("")


async def know(redis: Redis, *run_ids: str) -> None:
    for run_id in run_ids:
        await redis.set(f"assay:run:{run_id}", "{}")


async def test_storing_refers_in_one_round_trip(redis: Redis) -> None:
    """Content and reference are written by one command, also when the content was there already."""
    await BlobStore(redis).of_run("r1").put(b"same")
    await BlobStore(redis).of_run("r2").put(b"same")
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    digest = await BlobStore(redis).of_run("r3").put(b"same")
    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]

    assert 1 == after - before
    for run_id in ("r1", "r2", "r3"):
        assert {f"blob:{digest}"} == await References(redis).of_run(run_id)
    assert b"3" == await redis.hget("assay:refcounts", f"blob:{digest}")


async def test_a_content_lives_as_long_as_some_run_needs_it(redis: Redis) -> None:
    """The last of several runs takes a shared content with it, and a dry run says so before."""
    await know(redis, "r1", "r2")
    evidence, table = rows_of(1)
    for run_id in ("r1", "r2"):
        await EvidenceStore(redis).of_run(run_id).put(evidence, table)
    references = References(redis)

    assert 0 == (await references.release("r1", dry_run=True)).contents
    assert 0 == (await references.release("r1")).contents
    assert table == await EvidenceStore(redis).table(evidence.id)
    foreseen = await references.release("r2", dry_run=True)
    assert table == await EvidenceStore(redis).table(evidence.id)
    assert foreseen == await references.release("r2")
    assert 2 == foreseen.contents
    with pytest.raises(NotFound):
        await EvidenceStore(redis).table(evidence.id)
    assert set() == await key_names(redis) - {"assay:run:r1", "assay:run:r2"}


async def key_names(redis: Redis) -> set[str]:
    return {key.decode() for key in await redis.keys("*")}


async def test_a_fork_needs_what_its_origin_needs(redis: Redis) -> None:
    """References are copied; a second copy changes nothing."""
    await know(redis, "r1", "fork")
    digest = await BlobStore(redis).of_run("r1").put(b"shared")
    references = References(redis)

    assert [1, 0] == [await references.copy("r1", "fork"), await references.copy("r1", "fork")]
    await references.release("r1")
    assert b"shared" == await BlobStore(redis).get(digest)
    await references.release("fork")
    with pytest.raises(NotFound):
        await BlobStore(redis).get(digest)


async def test_collection_takes_what_is_nobodys_alone(redis: Redis, objects: ObjectStore) -> None:
    """What no run refers to goes, in the server and in the folder; a dry run tells the same."""
    await know(redis, "r1")
    blobs = BlobStore(redis, objects)
    kept = [await blobs.of_run("r1").put(content) for content in (b"kept", b"k" * 2000)]
    lost = [await blobs.put(content) for content in (b"lost", b"l" * 3000)]
    references = References(redis, objects)
    foreseen = await references.collect(dry_run=True)

    assert b"lost" == await blobs.get(lost[0])
    assert foreseen == await references.collect()
    assert (2, 3004) == (foreseen.contents, foreseen.bytes)
    assert [b"kept", b"k" * 2000] == [await blobs.get(digest) for digest in kept]
    for digest in lost:
        with pytest.raises(NotFound):
            await blobs.get(digest)
    assert 0 == (await references.collect()).contents


async def test_references_of_an_unknown_run_are_let_go(redis: Redis) -> None:
    """What a late writer stored for a run that was deleted does not stay for ever."""
    await BlobStore(redis).of_run("ghost").put(b"late")
    found = await References(redis).collect()

    assert (1, ("ghost",)) == (found.contents, found.orphans)
    assert set() == await key_names(redis)


async def test_a_backup_holds_everything_back(redis: Redis, objects: ObjectStore) -> None:
    """While a backup reads, nothing is let go, and who wants to is told to wait."""
    await know(redis, "r1")
    digest = await BlobStore(redis, objects).of_run("r1").put(b"held")
    await redis.set("assay:hold", "token", px=60_000)
    references = References(redis, objects)

    with pytest.raises(StoreUnavailable, match="backup"):
        await references.release("r1")
    with pytest.raises(StoreUnavailable, match="backup"):
        await references.collect()
    assert b"held" == await BlobStore(redis).get(digest)


@pytest.mark.parametrize("size", [10, 2000])
async def test_collecting_beside_runs_that_store_loses_nothing(
    redis: Redis, objects: ObjectStore, size: int
) -> None:
    """Runs that put, and let go of, the same few contents never miss one while a collector runs."""
    contents = [bytes([number]) * size for number in range(3)]
    blobs, references = BlobStore(redis, objects), References(redis, objects)
    chance = random.Random(7)
    await know(redis, *(f"r{number}" for number in range(6)))
    done = asyncio.Event()

    async def live(run_id: str) -> int:
        for turn in range(25):
            digests = [await blobs.of_run(run_id).put(c) for c in chance.sample(contents, 2)]
            await asyncio.sleep(chance.random() / 500)
            for digest in digests:
                assert size == len(await blobs.get(digest)), (run_id, turn)
            await references.release(run_id)
        return turn

    async def collect() -> int:
        turns = 0
        while not done.is_set():
            await references.collect()
            turns += 1
        return turns

    collectors = [asyncio.create_task(collect()) for _ in range(2)]
    assert [24] * 6 == await asyncio.gather(*(live(f"r{number}") for number in range(6)))
    done.set()
    assert all(turns > 2 for turns in await asyncio.gather(*collectors))
    await references.collect()
    assert [] == list(objects.digests())
    assert {f"assay:run:r{number}" for number in range(6)} == await key_names(redis)


DRIVER = """
import asyncio, sys
from pathlib import Path
from services.store import BlobStore, ObjectStore, References, connect

async def main(url, folder, what):
    objects = ObjectStore(Path(folder), least=1000)
    async with connect(url, Path(folder)) as redis:
        if what == "put":
            await BlobStore(redis, objects).of_run("r2").put(b"s" * 2000)
            await BlobStore(redis, objects).of_run("r2").put(b"small")
        elif what == "release":
            await References(redis, objects).release("r1")
        await References(redis, objects).collect()

asyncio.run(main(*sys.argv[1:]))
"""
OPERATIONS = {
    "put": ("blobs.put", "objects.put", "references.sweep"),
    "release": ("objects.remove", "references.release", "references.sweep"),
}
KILLS = [
    (what, f"{operation}:{when}")
    for what, operations in OPERATIONS.items()
    for operation in operations
    for when in ("before", "after")
]


@pytest.mark.parametrize(("what", "place"), KILLS)
async def test_a_killed_process_loses_and_leaves_nothing(
    redis: Redis, objects: ObjectStore, valkey_home: Path, what: str, place: str
) -> None:
    """Wherever storing, letting go or collecting is killed, doing it again ends as if it had not."""
    await know(redis, "r1", "r2")
    blobs = BlobStore(redis, objects)
    own = [await blobs.of_run("r1").put(c) for c in (b"s" * 2000, b"o" * 2000, b"small")]
    command = [sys.executable, "-c", DRIVER, EmbeddedServer(valkey_home).ensure(), objects.folder]
    trap = {**os.environ, "ASSAY_FAILPOINTS": f"{place}=kill"}
    killed = await asyncio.to_thread(subprocess.run, [*command, what], cwd=ROOT, env=trap)
    await asyncio.to_thread(subprocess.run, [*command, what], cwd=ROOT, check=True)

    assert -signal.SIGKILL == killed.returncode
    if what == "put":
        await References(redis, objects).release("r1")
        await References(redis, objects).collect()
        assert [2000, 5] == [len(await blobs.get(own[0])), len(await blobs.get(own[2]))]
        await References(redis, objects).release("r2")
    await References(redis, objects).collect()
    left = {path.parent.name for path in objects.folder.rglob("*") if path.is_file()}
    assert left <= {".incoming"}  # an unfinished file is let be for a day
    assert {"assay:run:r1", "assay:run:r2"} == await key_names(redis)
