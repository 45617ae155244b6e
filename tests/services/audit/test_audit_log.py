"""The audit log takes entries from many sides, each once, each in its place."""

from __future__ import annotations

import asyncio
import hashlib
import os
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from services import failpoints
from services.audit import (
    START,
    SYSTEM,
    AuditEntry,
    AuditLog,
    Recorder,
    events,
    verify_all,
    verify_run,
)
from services.audit._links import link_digest
from services.audit._script import _SHA256
from services.failpoints import Crash
from tests.services.audit.audit_logs import LOG, NOON, log_of

KEY = f"{LOG}r-1"

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


async def test_entries_come_back_in_order_and_chained(redis: Redis) -> None:
    """Each entry continues the one before it; the head is the last one's digest."""
    log = await log_of(redis, 3)
    entries = await log.entries("r-1")

    assert [1, 2, 3] == [entry.seq for entry in entries]
    assert [START, entries[0].digest, entries[1].digest] == [entry.previous for entry in entries]
    assert entries[-1].digest == await log.head("r-1")
    assert ({"n": 1}, "r-1") == (entries[1].fields, entries[1].run)
    assert (True, 3, entries[-1].digest) == (
        (verdict := await verify_run(log, "r-1")).ok,
        verdict.entries,
        verdict.head,
    )


async def test_a_run_without_entries_has_an_empty_log(redis: Redis) -> None:
    """Nothing happened is sound, and has the head that every log starts from."""
    log = AuditLog(redis)

    assert () == await log.entries("r-1")
    assert START == await log.head("r-1")
    assert (0, START) == await log.global_head()
    assert (await verify_run(log, "r-1")).ok
    assert (await verify_all(log)).ok


async def test_time_is_kept_in_utc(redis: Redis) -> None:
    """The same moment in another zone is the same entry."""
    log = AuditLog(redis)
    entry = await log.append("r-1", "x", {}, at=NOON.astimezone(timezone(timedelta(hours=9))))

    assert (NOON, UTC) == (entry.at, entry.at.tzinfo)
    assert (entry,) == await log.entries("r-1")


async def test_every_entry_has_its_link(redis: Redis) -> None:
    """The log over all runs names each entry of each log, in the order they were made."""
    log = AuditLog(redis)
    made = [await log.append(run, "x", {}, at=NOON) for run in ("a", "b", SYSTEM, "a")]
    links = [line.decode().split(" ") async for line in log.links()]

    assert [[entry.run, str(entry.seq), entry.digest] for entry in made] == [x[:3] for x in links]
    assert (4, links[-1][3]) == await log.global_head()


async def test_one_round_trip_an_entry(redis: Redis) -> None:
    """Once a log's end is known, an entry costs one command of the client."""
    log = await log_of(redis, 1)
    await redis.config_resetstat()
    for number in range(20):
        await log.append("r-1", "x", {"n": number}, at=NOON)
    calls = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]

    assert 20 == calls


async def test_writers_at_once_all_get_their_place(redis: Redis) -> None:
    """Appending from many sides of several processes loses nothing and leaves sound chains."""
    logs = [AuditLog(redis) for _ in range(3)]
    await asyncio.gather(
        *(logs[n % 3].append(f"r-{n % 2}", "x", {"n": n}, at=NOON) for n in range(60))
    )
    found = [e.fields["n"] for run in ("r-0", "r-1") for e in await logs[0].entries(run)]

    assert list(range(60)) == sorted(found)
    assert (True, 60, 2) == ((v := await verify_all(logs[0])).ok, v.entries, v.logs)


async def test_an_effect_is_one_entry(redis: Redis) -> None:
    """The same key never makes a second entry, in whatever process it is appended again."""
    first = await AuditLog(redis).append("r-1", "effect.done", {"n": 1}, at=NOON, key="publish:9f")
    await AuditLog(redis).append("r-1", "x", {}, at=NOON)
    later = NOON + timedelta(hours=1)
    again = await AuditLog(redis).append("r-1", "effect.done", {"n": 2}, at=later, key="publish:9f")
    other = await AuditLog(redis).append("r-2", "effect.done", {}, at=NOON, key="publish:9f")

    assert first == again
    assert ["effect.done", "x"] == [e.event for e in await AuditLog(redis).entries("r-1")]
    assert "r-2" == other.run
    assert (await verify_all(AuditLog(redis))).ok


class Stutter:
    """A client that sends each script twice, as after a lost answer; others append in between."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def register_script(self, text: str) -> Any:
        script = self._redis.register_script(text)

        async def twice(**arguments: Any) -> Any:
            await script(**arguments)
            await AuditLog(self._redis).append("r-1", "behind", {}, at=NOON)
            return await script(**arguments)

        return twice

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)


@pytest.mark.parametrize("key", ["", "effect"])
async def test_a_lost_answer_makes_no_second_entry(redis: Redis, key: str) -> None:
    """A script sent again after its answer was lost finds its entry, whatever came behind it."""
    log = AuditLog(Stutter(redis))  # type: ignore[arg-type]  # acts as a client
    entry = await log.append("r-1", "once", {"by": "Ada"}, at=NOON, key=key)

    assert ["once", "behind"] == [e.event for e in await log.entries("r-1")]
    assert entry == (await log.entries("r-1"))[0]
    assert ["Ada"] == list((await log.personal("r-1")).values())
    assert (await verify_all(log)).ok


async def test_an_erasure_or_removal_sent_twice_is_one(redis: Redis) -> None:
    """What takes away may be sent twice too: it says so once."""
    await AuditLog(redis).append("r-2", "x", {"by": "Ada"}, at=NOON)
    log = AuditLog(Stutter(redis))  # type: ignore[arg-type]  # acts as a client
    erased = await log.erase("r-2", by="Grace", at=NOON)
    removed = await log.remove("r-2", by="Grace", at=NOON)

    assert (1, 1) == (erased.values, removed)
    assert ["data.erased", "log.removed"] == [e.event for e in await log.entries(SYSTEM)]
    assert (True, 1) == ((v := await verify_all(log)).ok, v.removed)


async def test_a_damaged_end_does_not_stop_a_run(redis: Redis) -> None:
    """The run's log goes on behind an entry that cannot be read, which verification names."""
    log = await log_of(redis, 2)
    await redis.lset(KEY, 1, b"garbage")
    entry = await AuditLog(redis).append("r-1", "x", {}, at=NOON)
    found = await verify_run(log, "r-1")

    assert 3 == entry.seq
    assert (2, "the entry cannot be read") == (found.broken_seq, found.reason)


async def test_only_the_system_has_a_name_of_its_own(redis: Redis) -> None:
    """A log can't be called like one of the keys beside the logs."""
    with pytest.raises(ValueError, match="no log is called"):
        await AuditLog(redis).append("@global", "x", {}, at=NOON)


@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_crash_at_an_append_leaves_all_or_nothing(redis: Redis, place: str) -> None:
    """A process that dies at an append leaves the entry with its link, or neither."""
    log = await log_of(redis, 1)
    failpoints.set_traps(f"audit.append:{place}=crash")
    try:
        with pytest.raises(Crash):
            await log.append("r-1", "x", {}, at=NOON)
    finally:
        failpoints.set_traps("")

    assert (2 if place == "after" else 1) == len(await log.entries("r-1"))
    assert (await verify_all(log)).ok


async def test_a_recorder_says_where(redis: Redis) -> None:
    """A recorder's entries name their section; from a thread they stand before it goes on."""
    log = AuditLog(redis)
    recorder = Recorder(log, "r-1", lambda: NOON, "credit")
    await recorder.record(events.CLAIMS_CHECKED, claims=3)
    await asyncio.to_thread(
        recorder.record_from_thread, events.STATEMENT_CHECKED, verdict="allowed"
    )

    assert [
        ("claims.checked", {"section": "credit", "claims": 3}),
        ("statement.checked", {"section": "credit", "verdict": "allowed"}),
    ] == [(entry.event, entry.fields) for entry in await log.entries("r-1")]


async def test_the_link_digest_of_the_store_is_sha256(redis: Redis) -> None:
    """The server computes what hashlib does, for any two digests."""
    script = redis.register_script(f"{_SHA256}return sha256_of_two(ARGV[1], ARGV[2])")
    edges = [bytes(32), b"\xff" * 32, b"\x80" + bytes(31)]
    for left, right in [(a, b) for a in edges for b in edges] + [
        (os.urandom(32), os.urandom(32)) for _ in range(200)
    ]:
        made = (await script(args=[left.hex(), right.hex()])).decode()

        assert hashlib.sha256(left + right).hexdigest() == made
        assert link_digest(left.hex(), right.hex()) == made


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fields=st.dictionaries(st.text(), plain, max_size=4), event=st.text())
async def test_any_fields_verify(redis: Redis, fields: dict[str, Any], event: str) -> None:
    """Whatever plain values an entry holds, it verifies as it was written."""
    await redis.flushall()
    log = AuditLog(redis)
    await log.append("r-1", event, fields, at=NOON)
    await log.append("r-1", "next", {}, at=NOON)

    assert (await verify_run(log, "r-1")).ok


def test_digests_are_cut_short_for_people() -> None:
    """In words alone: what is stored, and digested, is whole."""
    fields = {"digest": "0f" * 32, "ids": ["a" * 64, "b"], "reason": "", "rows": 4}
    entry = AuditEntry.sealed("r1", 1, NOON, "query.run", fields, START)

    assert "digest 0f0f0f0f0f0f, ids aaaaaaaaaaaa, b, rows 4" == entry.words()
    assert b"0f" * 32 in entry.line()
