"""The journal knows the accepted runs of a home when the store has forgotten them."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.errors import RunLost, StoreUnavailable
from services.failpoints import Crash
from services.store import Journal

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 9, 30, 12, tzinfo=UTC)


async def test_a_run_that_the_store_does_not_know_is_lost(redis: Redis, tmp_path: Path) -> None:
    """Accepted, not deleted, and unknown to the store: that is lost, with the time it was accepted."""
    journal = Journal(tmp_path / "home")
    for number, run_id in enumerate(("known", "lost", "deleted", "again")):
        await journal.accepted(run_id, at=NOON + timedelta(minutes=number))
    for run_id in ("deleted", "again"):
        await journal.deleted(run_id, at=NOON)
    await journal.accepted("again", at=NOON + timedelta(hours=1))
    await redis.set("assay:run:known", "{}")

    lost = await Journal(tmp_path / "home").lost(redis)
    assert {"lost": NOON + timedelta(minutes=1), "again": NOON + timedelta(hours=1)} == {
        run.run_id: run.at for run in lost
    }


async def test_an_empty_home_has_lost_nothing(redis: Redis, tmp_path: Path) -> None:
    """A home without a journal is no error, and reading makes no file."""
    assert () == await Journal(tmp_path / "home").lost(redis)
    assert not (tmp_path / "home").exists()


async def test_a_line_cut_short_hides_no_other(redis: Redis, tmp_path: Path) -> None:
    """What a kill left of a line is skipped, and the next line begins anew."""
    journal = Journal(tmp_path)
    await journal.accepted("first", at=NOON)
    await journal.accepted("second", at=NOON)
    os.truncate(journal.path, journal.path.stat().st_size - 10)
    await journal.accepted("third", at=NOON)

    assert ["first", "third"] == list(journal.runs())


def test_writers_at_once_lose_no_line(tmp_path: Path) -> None:
    """Several processes may append and compact at the same moment."""
    code = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from services.store import Journal
async def main(folder, name):
    for number in range(20):
        await Journal(Path(folder)).accepted(f"{name}-{number}", at=datetime.now(UTC))
        if number % 5 == 0:
            Journal(Path(folder)).compact()
asyncio.run(main(*sys.argv[1:]))
"""
    with ThreadPoolExecutor(3) as pool:
        for done in pool.map(
            lambda name: subprocess.run(
                [sys.executable, "-c", code, tmp_path, name], cwd=ROOT, check=True
            ),
            "abc",
        ):
            assert 0 == done.returncode

    assert {f"{name}-{number}" for name in "abc" for number in range(20)} == set(
        Journal(tmp_path).runs()
    )


async def test_a_run_counts_as_accepted_once_it_is_stored(redis: Redis, tmp_path: Path) -> None:
    """Before that only the wish is noted, so that a full disk is known in time."""
    journal = Journal(tmp_path)
    async with journal.accepting(redis, "r1", at=NOON):
        assert [] == list(journal.runs())
        assert journal.path.exists()
        await redis.set("assay:run:r1", "{}")
    size = journal.path.stat().st_size
    async with journal.accepting(redis, "r1", at=NOON):
        pass
    assert size == journal.path.stat().st_size
    with pytest.raises(StoreUnavailable):
        async with journal.accepting(redis, "r2", at=NOON):
            raise StoreUnavailable("full")
    assert ["r1"] == list(journal.runs())


async def test_a_run_whose_acceptance_was_cut_off_may_be_asked_for_again(
    redis: Redis, tmp_path: Path
) -> None:
    """Nobody was told that it was accepted, so it is not lost."""
    journal = Journal(tmp_path)
    with pytest.raises(Crash):
        async with journal.accepting(redis, "r1", at=NOON):
            raise Crash
    assert () == await journal.lost(redis)
    async with journal.accepting(redis, "r1", at=NOON):
        await redis.set("assay:run:r1", "{}")

    assert ["r1"] == list(journal.runs())


async def test_a_lost_run_is_not_accepted_again(redis: Redis, tmp_path: Path) -> None:
    """Nothing starts it silently: not until a person has struck it off."""
    journal = Journal(tmp_path)
    async with journal.accepting(redis, "r1", at=NOON):
        await redis.set("assay:run:r1", "{}")
    await journal.check(redis, "r1")
    await redis.flushall()
    with pytest.raises(RunLost, match="2026-09-30 12:00:00"):
        async with journal.accepting(redis, "r1", at=NOON):
            raise AssertionError
    with pytest.raises(RunLost):
        await journal.check(redis, "r1")
    await journal.check(redis, "never seen")
    await journal.deleted("r1", at=NOON)
    async with journal.accepting(redis, "r1", at=NOON):
        await redis.set("assay:run:r1", "{}")

    assert ["r1"] == list(journal.runs())


async def test_compaction_keeps_what_counts(tmp_path: Path) -> None:
    """Deleted runs leave the file; the others keep their order and time."""
    journal = Journal(tmp_path)
    for run_id in ("a", "b", "c"):
        await journal.accepted(run_id, at=NOON)
    await journal.deleted("b", at=NOON)
    before = journal.runs()
    journal.compact()

    assert before == journal.runs()
    assert 2 == len(journal.path.read_text().splitlines())


async def test_a_full_disk_is_told_and_leaves_the_journal_whole(tmp_path: Path) -> None:
    """A run that cannot be noted is not accepted; those before it stay."""
    journal = Journal(tmp_path)
    await journal.accepted("first", at=NOON)
    size = journal.path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, hard))
    try:
        with pytest.raises(StoreUnavailable, match="cannot be used") as caught:
            await journal.accepted("second", at=NOON)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert "Accepted runs are kept" in caught.value.hint
    assert (size, ["first"]) == (journal.path.stat().st_size, list(journal.runs()))


@pytest.mark.parametrize(("when", "expected"), [("before", []), ("after", ["run"])])
def test_what_was_told_is_on_disk(tmp_path: Path, when: str, expected: list[str]) -> None:
    """kill -9 right after the note loses nothing."""
    code = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from services.store import Journal
asyncio.run(Journal(Path(sys.argv[1])).accepted("run", at=datetime.now(UTC)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        cwd=ROOT,
        env={**os.environ, "ASSAY_FAILPOINTS": f"journal.accepted:{when}=kill"},
        check=False,
    )

    assert -signal.SIGKILL == done.returncode
    assert expected == list(Journal(tmp_path).runs())
