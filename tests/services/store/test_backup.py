"""A backup holds all of a store at one moment; a restore puts back all of it, or nothing."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.errors import FileUnreadable, InputConflict, OutputUnwritable, StoreUnavailable
from services.store import (
    LAYOUT,
    Backup,
    BlobStore,
    EmbeddedServer,
    ObjectStore,
    References,
    Restore,
    Summary,
    connect,
)

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 9, 30, 12, tzinfo=UTC)


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects", least=1000)


async def fill(redis: Redis, objects: ObjectStore) -> dict[str, str]:
    """One of everything, with bytes that are no text; digests of its contents by size."""
    await redis.set("assay:run:r1", "{}")
    await redis.set("assay:layout", LAYOUT)
    await redis.zadd("assay:runs:time", {"r1": 1_790_000_000_123_456, "r\xfc": -0.1})
    await redis.hset("assay:checkpoint:{r1}:heads:", mapping={b"\x00\xff": b"\x80", b"b": b""})
    await redis.hset("assay:wide", mapping={str(n): n for n in range(2500)})
    await redis.rpush("assay:audit:r1", *range(2500))
    await redis.set("assay:expires", "soon", px=90_000)
    for number in range(4):
        await redis.xadd("assay:queue", {"run": f"r{number}"}, id=f"{number + 1}-0")
    await redis.xgroup_create("assay:queue", "workers", id="0")
    await redis.xreadgroup("workers", "w1", {"assay:queue": ">"}, count=2)
    await redis.xack("assay:queue", "workers", "1-0")
    blobs = BlobStore(redis, objects).of_run("r1")
    return {"small": await blobs.put(b"\x00small"), "large": await blobs.put(b"L" * 5000)}


async def picture(redis: Redis) -> dict[str, object]:
    """All that a store holds, in a form that can be compared."""
    readers = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"set": redis.smembers,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        b"stream": redis.xrange,
    }
    kinds = {key: await redis.type(key) for key in sorted(await redis.keys("assay:*"))}
    return {
        key.decode(): await readers[kind](key)
        for key, kind in kinds.items()
        if key not in (b"assay:hold", b"assay:restored")
    }


async def saved(redis: Redis, objects: ObjectStore, path: Path) -> Summary:
    return await Backup(redis, objects).write(path, {}, at=NOON)


async def test_everything_comes_back(redis: Redis, objects: ObjectStore, tmp_path: Path) -> None:
    """Every type, every byte, times to live, large results and references; leases stay away."""
    digests = await fill(redis, objects)
    before = await picture(redis)
    await redis.set("assay:lease:{r1}", "somebody", px=60_000)
    summary = await saved(redis, objects, tmp_path / "backup")
    await redis.flushall()
    other = ObjectStore(tmp_path / "elsewhere", least=1000)
    restored = await Restore(redis, other, tmp_path / "backup").put_back(tmp_path, force=False)

    assert before == await picture(redis)
    assert summary == restored
    assert (1, ()) == (summary.objects, summary.missing)
    assert 60_000 < await redis.pttl("assay:expires") <= 90_000
    assert -1 == await redis.pttl("assay:run:r1")
    blobs = BlobStore(redis, other)
    assert [b"\x00small", b"L" * 5000] == [await blobs.get(d) for d in digests.values()]
    entry = await redis.xreadgroup("workers", "w2", {"assay:queue": ">"}, count=1)
    assert b"2-0" == entry[0][1][0][0]  # delivered and not done: it is delivered again
    assert not await redis.exists("assay:hold")
    await References(redis, other).release("r1")
    assert [] == list(other.digests())


async def test_a_store_that_holds_something_is_replaced_only_by_force(
    redis: Redis, objects: ObjectStore, tmp_path: Path
) -> None:
    """Without --force nothing changes; with it nothing of the old store is left."""
    await fill(redis, objects)
    before = await picture(redis)
    await saved(redis, objects, tmp_path / "backup")
    await redis.flushall()
    await redis.set("assay:run:new", "{}")
    await redis.set("other:application", "untouched")
    restore = Restore(redis, objects, tmp_path / "backup")
    with pytest.raises(InputConflict, match="not empty"):
        await restore.put_back(tmp_path, force=False)
    assert {"assay:run:new": b"{}"} == await picture(redis)
    await restore.put_back(tmp_path, force=True)

    assert before == await picture(redis)
    assert b"untouched" == await redis.get("other:application")


async def test_a_backup_of_an_earlier_layout_is_brought_to_ours(
    redis: Redis, objects: ObjectStore, tmp_path: Path
) -> None:
    """Servers that are up meanwhile look at a store's layout no more."""
    await fill(redis, objects)
    await redis.set("assay:layout", 2)
    await saved(redis, objects, tmp_path / "backup")
    await redis.flushall()
    await Restore(redis, objects, tmp_path / "backup").put_back(tmp_path, force=False)

    assert str(LAYOUT).encode() == await redis.get("assay:layout")
    assert [b"r1"] == await redis.zrange("assay:runs:time:of:", 0, -1)


async def test_nothing_is_restored_under_a_driver(
    redis: Redis, objects: ObjectStore, tmp_path: Path
) -> None:
    """A run that somebody drives would go on from a state that is gone."""
    await fill(redis, objects)
    await saved(redis, objects, tmp_path / "backup")
    await redis.set("assay:lease:{r1}", "somebody", px=60_000)

    with pytest.raises(InputConflict, match="driven"):
        await Restore(redis, objects, tmp_path / "backup").put_back(tmp_path, force=True)


def rewritten(path: Path, change) -> None:
    """The same archive with its members changed."""
    with gzip.open(path) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        members = [(entry.name, tar.extractfile(entry).read()) for entry in tar]
    with gzip.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for name, content in change(members):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def cut_a_little(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 6)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def tamper(path: Path) -> None:
    rewritten(
        path, lambda ms: [(n, c.replace(b'"list"', b'"hash"') if "keys" in n else c) for n, c in ms]
    )


def without_manifest(path: Path) -> None:
    rewritten(path, lambda members: members[:-1])


def without_a_member(path: Path) -> None:
    rewritten(path, lambda members: [members[0], *members[2:]])


def with_a_member_more(path: Path) -> None:
    rewritten(path, lambda members: [*members[:-1], ("extra/more", b""), members[-1]])


def newer(path: Path) -> None:
    rewritten(
        path, lambda ms: [(ms[0][0], ms[0][1].replace(b'"format":1', b'"format":2')), *ms[1:]]
    )


def foreign_tar(path: Path) -> None:
    rewritten(path, lambda members: members[1:])


def foreign(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 something else")


def gone(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (cut, "cut short"),
        (cut_a_little, "cut short"),
        (flip, "damaged"),
        (tamper, "changed"),
        (without_manifest, "cut short"),
        (without_a_member, "changed"),
        (with_a_member_more, "changed"),
        (newer, "newer Assay"),
        (foreign_tar, "no backup"),
        (foreign, "no backup"),
        (empty, "cut short|no backup"),
        (gone, "No such file"),
    ],
)
async def test_a_spoilt_file_changes_nothing(
    redis: Redis, objects: ObjectStore, tmp_path: Path, spoil, says: str
) -> None:
    """What is cut, changed, newer or something else is told so before anything is touched."""
    await fill(redis, objects)
    before = await picture(redis)
    path = tmp_path / "backup"
    await saved(redis, objects, path)
    spoil(path)

    with pytest.raises(FileUnreadable, match=says):
        await Restore(redis, objects, path).put_back(tmp_path / "extra", force=True)
    assert before == await picture(redis)
    assert not (tmp_path / "extra").exists()


def test_members_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    """A file whose digests are right and whose names are not ours is not restored."""
    from services.store._archive import About, ArchiveWriter

    about = About(layout=2, assay="0", made_at="now")
    with ArchiveWriter(tmp_path / "backup", about) as archive:
        archive.add("extra/../../etc/passwd", b"x")
    with pytest.raises(FileUnreadable, match="no backup of Assay does"):
        Restore(None, None, tmp_path / "backup").verify()  # type: ignore[arg-type]


async def test_other_files_come_along(redis: Redis, objects: ObjectStore, tmp_path: Path) -> None:
    """Files given by name are in the backup, those that are not there are left out."""
    (tmp_path / "journal").write_bytes(b"lines")
    extra = {"accepted.jsonl": tmp_path / "journal", "absent": tmp_path / "absent"}
    summary = await Backup(redis, objects).write(tmp_path / "backup", extra, at=NOON)
    await Restore(redis, objects, tmp_path / "backup").put_back(tmp_path / "out", force=False)

    assert ("accepted.jsonl",) == summary.extra
    assert b"lines" == (tmp_path / "out" / "accepted.jsonl").read_bytes()


async def test_a_backup_never_replaces_a_file_or_leaves_half_of_one(
    redis: Redis, objects: ObjectStore, tmp_path: Path
) -> None:
    """An existing file is refused; a folder that does not exist is told."""
    (tmp_path / "there").write_text("precious")
    with pytest.raises(InputConflict, match="exists"):
        await saved(redis, objects, tmp_path / "there")
    with pytest.raises(OutputUnwritable):
        await saved(redis, objects, tmp_path / "no folder" / "backup")
    await redis.set("assay:hold", "another", px=60_000)
    with pytest.raises(StoreUnavailable, match="under way"):
        await saved(redis, objects, tmp_path / "second")

    assert {tmp_path / "there"} == names_in(tmp_path)


def names_in(folder: Path) -> set[Path]:
    return set(folder.iterdir())


async def test_runs_that_go_on_are_in_the_file_as_of_one_moment(
    redis: Redis, valkey_home: Path, objects: ObjectStore, tmp_path: Path
) -> None:
    """A pair of keys that writers always change together is never seen apart, nor a content missing."""
    for number in range(3000):
        await redis.set(f"assay:other:{number:05d}", number)
    done = asyncio.Event()
    await redis.set("assay:run:w", "{}")

    async def write() -> int:
        number = 0
        async with connect(None, valkey_home) as own:
            blobs = BlobStore(own, objects).of_run("w")
            while not done.is_set():
                number += 1
                content = b"%d" % number * (1000 if number % 2 else 1)
                digest = await blobs.put(content)
                async with own.pipeline(transaction=True) as commands:
                    commands.set("assay:a", f"{number} {digest}")
                    commands.set("assay:zz", f"{number} {digest}")
                    await commands.execute()
        return number

    writer = asyncio.create_task(write())
    await asyncio.sleep(0.3)
    await redis.set("assay:lease:{w}", "writer", px=60_000)
    for turn in range(3):
        await saved(redis, objects, tmp_path / f"backup{turn}")
    done.set()
    assert await writer > 20
    for turn in range(3):
        await redis.flushall()
        other = ObjectStore(tmp_path / f"objects{turn}", least=1000)
        await Restore(redis, other, tmp_path / f"backup{turn}").put_back(tmp_path, force=False)
        pair = await redis.mget("assay:a", "assay:zz")
        assert pair[0] == pair[1]
        number, digest = pair[0].decode().split()
        assert (await BlobStore(redis, other).get(digest)).startswith(number.encode())


async def test_a_store_too_large_for_one_moment_says_so(
    redis: Redis, objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When writers would wait too long no file is made, nobody waits on, and nothing is held."""
    await fill(redis, objects)
    await redis.set("assay:lease:{r1}", "somebody", px=60_000)
    monkeypatch.setattr("services.store._stillness._PAUSE_WITH_RUNS", 0.001)
    with pytest.raises(StoreUnavailable, match="too large") as caught:
        await saved(redis, objects, tmp_path / "backup")

    assert "Stop the workers" in caught.value.hint
    assert not await redis.exists("assay:hold")
    assert {tmp_path / "objects"} == names_in(tmp_path)


DRIVER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from services.store import Backup, ObjectStore, Restore, connect

async def main(url, folder, path, what):
    objects = ObjectStore(Path(folder), least=1000)
    async with connect(url, Path(folder)) as redis:
        if what == "backup":
            await Backup(redis, objects).write(Path(path), {}, at=datetime.now(UTC))
        else:
            await Restore(redis, objects, Path(path)).put_back(Path(folder), force=True)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "place",
    [
        f"{name}:{when}"
        for name in ("restore.keys", "objects.put", "restore.swap")
        for when in ("before", "after")
    ],
)
async def test_a_killed_restore_is_all_or_nothing(
    redis: Redis, valkey_home: Path, objects: ObjectStore, tmp_path: Path, place: str
) -> None:
    """Killed anywhere, the store is the old one or the new one; again, it is the new one."""
    digests = await fill(redis, objects)
    new = await picture(redis)
    await saved(redis, objects, tmp_path / "backup")
    await redis.flushall()
    await redis.set("assay:run:old", "{}")
    old = await picture(redis)
    other = ObjectStore(tmp_path / "other", least=1000)
    url = EmbeddedServer(valkey_home).ensure()
    command = [sys.executable, "-c", DRIVER, url, other.folder, tmp_path / "backup", "restore"]
    trap = {**os.environ, "ASSAY_FAILPOINTS": f"{place}=kill"}
    killed = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, env=trap)

    assert -signal.SIGKILL == killed.returncode
    now = {k: v for k, v in (await picture(redis)).items() if not k.startswith("assay:incoming:")}
    assert now == (new if place == "restore.swap:after" else old)
    await redis.delete("assay:hold")  # or two minutes' patience
    await Restore(redis, other, tmp_path / "backup").put_back(tmp_path, force=True)
    assert new == await picture(redis)
    assert 5000 == len(await BlobStore(redis, other).get(digests["large"]))


async def test_a_killed_backup_leaves_no_file_and_holds_nobody_for_long(
    redis: Redis, valkey_home: Path, objects: ObjectStore, tmp_path: Path
) -> None:
    """No file of that name, writers that go on, and a hold that expires."""
    await fill(redis, objects)
    url = EmbeddedServer(valkey_home).ensure()
    command = [sys.executable, "-c", DRIVER, url, objects.folder, tmp_path / "backup", "backup"]
    trap = {**os.environ, "ASSAY_FAILPOINTS": "backup.page:before=kill"}
    killed = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, env=trap)

    assert -signal.SIGKILL == killed.returncode
    assert not (tmp_path / "backup").exists()
    await asyncio.wait_for(redis.set("assay:still", "writable"), 2)
    assert 0 < await redis.pttl("assay:hold") <= 120_000
    await redis.delete("assay:hold")
    await saved(redis, objects, tmp_path / "backup")
    assert json.loads((await asyncio.to_thread(members, tmp_path / "backup"))[-1][1])["contents"]


def members(path: Path) -> list[tuple[str, bytes]]:
    with gzip.open(path) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        return [(entry.name, tar.extractfile(entry).read()) for entry in tar]
