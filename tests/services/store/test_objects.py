"""Large contents are files: durable, checked, and never in memory as a whole."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.errors import NotFound, StoreUnavailable
from services.evidence import Column, SqlSource, Table, make_evidence
from services.store import BlobStore, EmbeddedServer, EvidenceStore, ObjectStore

ROOT = Path(__file__).parents[3]


def evidence_of(table: Table):
    return make_evidence(table, source=SqlSource(), snapshot="s", as_of=date(2026, 9, 30))


async def never() -> bool:
    return False


async def always() -> bool:
    return True


async def test_large_rows_are_a_file_and_small_ones_are_not(redis: Redis, tmp_path: Path) -> None:
    """The size decides; both read back equal, and no large value is in the server."""
    objects = ObjectStore(tmp_path / "objects", least=2000)
    store = EvidenceStore(redis, objects, keep=0)
    columns = (Column(name="name", type="string"), Column(name="x", type="double"))
    small = Table.from_rows(columns, [("a", 0.5)], key=["name"])
    large = Table.from_rows(columns, [(f"{n * 7919:x}", n / 7) for n in range(25_000)], ["name"])
    for table in (small, large):
        await store.of_run("r1").put(evidence_of(table), table)

    for table in (small, large):
        assert table == await store.table(evidence_of(table).id)
    assert [large.digest] == list(objects.digests())
    assert [f"assay:rows:{small.digest}".encode()] == await redis.keys("assay:rows:*")


async def test_a_damaged_file_is_not_handed_out(redis: Redis, tmp_path: Path) -> None:
    """A flipped bit, a cut end, another's content: none of them passes as what was stored."""
    objects = ObjectStore(tmp_path / "objects", least=100)
    column = Column(name="n", type="integer")
    table = Table.from_rows([column], [(n * n,) for n in range(2000)])
    other = Table.from_rows([column], [(n,) for n in range(2000)])
    evidence = evidence_of(table)
    await EvidenceStore(redis, objects).put(evidence, table)
    path = objects.folder / table.digest[:2] / table.digest
    good = path.read_bytes()
    for bad in (good[:-20], good[:500] + b"\xff" + good[501:], other.to_bytes(), b"", b"x" * 50):
        path.write_bytes(bad)
        with pytest.raises(NotFound, match="damaged"):
            await EvidenceStore(redis, objects).table(evidence.id)
    path.unlink()
    with pytest.raises(NotFound, match="gone"):
        await EvidenceStore(redis, objects).table(evidence.id)

    blobs = BlobStore(redis, objects)
    digest = await blobs.put(b"b" * 500)
    (objects.folder / digest[:2] / digest).write_bytes(b"c" * 500)
    with pytest.raises(NotFound, match="damaged"):
        await blobs.get(digest)


async def test_a_removal_asks_again_and_can_be_taken_back(tmp_path: Path) -> None:
    """A content that is wanted after all keeps its name; it can be read at every moment."""
    objects = ObjectStore(tmp_path, least=1)
    await objects.put(objects.stage("a" * 64, [b"content"]))

    async def read_and_want() -> bool:
        assert b"content" == b"".join(objects.pieces("a" * 64))
        return True

    assert not await objects.remove("a" * 64, read_and_want)
    assert b"content" == b"".join(objects.pieces("a" * 64))
    assert await objects.remove("a" * 64, never)
    assert not await objects.remove("a" * 64, always)
    assert [] == list(objects.digests())


async def test_what_killed_processes_left_is_tidied(tmp_path: Path) -> None:
    """A removal that was killed is undone; an old unfinished file goes, a fresh one stays."""
    objects = ObjectStore(tmp_path, least=1)
    await objects.put(objects.stage("a" * 64, [b"content"]))
    (tmp_path / ".leaving").mkdir()
    (tmp_path / "aa" / ("a" * 64)).rename(tmp_path / ".leaving" / ("a" * 64 + ".0"))
    fresh, old = objects.stage("b" * 64, [b"new"]), objects.stage("c" * 64, [b"old"])
    os.utime(old.path, (time.time() - 100_000,) * 2)
    objects.tidy()

    assert b"content" == b"".join(objects.pieces("a" * 64))
    assert ["a" * 64] == list(objects.digests())
    assert (True, False) == (fresh.path.exists(), old.path.exists())


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A failure to write is an outage with a way out, and leaves no half a file."""
    (tmp_path / "objects").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="large results"):
        ObjectStore(tmp_path / "objects").stage("a" * 64, [b"x"])


def test_a_full_disk_refuses_a_large_result_and_leaves_nothing(tmp_path: Path) -> None:
    """A file that may not grow stands for a full disk: the write fails, and its rest is removed."""
    objects = ObjectStore(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StoreUnavailable, match="cannot be used"):
            objects.stage("a" * 64, [b"x" * 100_000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]


HUGE = """
import asyncio, random, resource, sys
from datetime import date
from pathlib import Path
from services.evidence import Column, SqlSource, Table, make_evidence
from services.store import EvidenceStore, ObjectStore, connect

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def main(url, folder):
    objects = ObjectStore(Path(folder))
    noise = tuple(random.randbytes(600).hex() for n in range(150_000))
    table = Table((Column(name="noise", type="string"),), (noise,))
    evidence = make_evidence(table, source=SqlSource(), snapshot="s", as_of=date(2026, 9, 30))
    before = peak()
    async with connect(url, Path(folder)) as redis:
        store = EvidenceStore(redis, objects)
        await store.of_run("huge").put(evidence, table)
        written = peak()
        del table, noise
        again = await store.table(evidence.id)
        print(objects.size(evidence.digest), len(again), before, written, peak())

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_result_of_a_hundred_megabytes_takes_little_more_than_itself(
    redis: Redis, valkey_home: Path, tmp_path: Path
) -> None:
    """Storing it needs a third of it beside it; the server never sees it."""
    url = EmbeddedServer(valkey_home).ensure()
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", HUGE, url, tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    size, rows, before, written, read = map(int, done.stdout.split())

    assert 150_000 == rows
    assert size > 100_000_000
    assert written - before < 90
    assert read - written < 250
    assert (await redis.info("memory"))["used_memory"] < 20_000_000
