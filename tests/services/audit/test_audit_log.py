"""The audit log: whatever was changed, taken out or moved is found, with its place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from services.audit import START, AuditLog

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
KEY = "assay:audit:r-1"

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


async def log_of(redis: Redis, length: int) -> AuditLog:
    log = AuditLog(redis)
    for number in range(length):
        await log.append("r-1", "step.finished", {"n": number}, at=NOON + timedelta(seconds=number))
    return log


def changed(entry: bytes, **fields: Any) -> bytes:
    return json.dumps(json.loads(entry) | fields).encode()


async def test_entries_come_back_in_order_and_chained(redis: Redis) -> None:
    """Each entry continues the one before it; the head is the last one's digest."""
    log = await log_of(redis, 3)
    entries = await log.entries("r-1")

    assert [1, 2, 3] == [entry.seq for entry in entries]
    assert [START, entries[0].digest, entries[1].digest] == [entry.previous for entry in entries]
    assert entries[-1].digest == await log.head("r-1")
    assert {"n": 1} == entries[1].fields
    assert (True, 3, entries[-1].digest) == (
        (verdict := await log.verify("r-1")).ok,
        verdict.entries,
        verdict.head,
    )


async def test_a_run_without_entries_has_an_empty_log(redis: Redis) -> None:
    """Nothing happened is sound, and has the head that every log starts from."""
    log = AuditLog(redis)

    assert () == await log.entries("r-1")
    assert START == await log.head("r-1")
    assert (await log.verify("r-1")).ok


async def test_time_is_kept_in_utc(redis: Redis) -> None:
    """The same moment in another zone is the same entry."""
    log = AuditLog(redis)
    entry = await log.append("r-1", "x", {}, at=NOON.astimezone(timezone(timedelta(hours=9))))

    assert (NOON, UTC) == (entry.at, entry.at.tzinfo)
    assert (entry,) == await log.entries("r-1")


async def test_writers_at_once_all_get_their_place(redis: Redis) -> None:
    """Appending from many sides loses nothing and leaves one sound chain."""
    log = AuditLog(redis)
    await asyncio.gather(*(log.append("r-1", "x", {"n": n}, at=NOON) for n in range(25)))

    assert set(range(25)) == {entry.fields["n"] for entry in await log.entries("r-1")}
    assert (await log.verify("r-1")).ok


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(fields=st.dictionaries(st.text(), plain, max_size=4), event=st.text())
async def test_any_fields_verify(redis: Redis, fields: dict[str, Any], event: str) -> None:
    """Whatever plain values an entry holds, it verifies as it was written."""
    await redis.delete(KEY)
    log = AuditLog(redis)
    await log.append("r-1", event, fields, at=NOON)
    await log.append("r-1", "next", {}, at=NOON)

    assert (await log.verify("r-1")).ok


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: changed(entry, event="step.failed"),
        lambda entry: changed(entry, fields={"n": 99}),
        lambda entry: changed(entry, at="2026-10-01T12:00:01.000001Z"),
        lambda entry: changed(entry, digest="0" * 64),
        lambda entry: changed(entry, previous="0" * 64),
        lambda entry: changed(entry, more="x"),
        lambda entry: entry[:-1],
        lambda _: b"",
    ],
)
async def test_a_changed_entry_is_found(redis: Redis, change: Callable[[bytes], bytes]) -> None:
    """Any change of any part of an entry breaks the chain there."""
    log = await log_of(redis, 4)
    await redis.lset(KEY, 1, change((await redis.lrange(KEY, 1, 1))[0]))
    verdict = await log.verify("r-1")

    assert (False, 2) == (verdict.ok, verdict.broken_seq)
    assert verdict.reason


async def test_a_forged_entry_breaks_the_next(redis: Redis) -> None:
    """An entry rewritten with a digest that fits it is betrayed by the one behind it."""
    log = await log_of(redis, 4)
    entries = await log.entries("r-1")
    forged = entries[1].model_copy(update={"fields": {"n": 99}})
    forged = forged.model_copy(update={"digest": forged.computed_digest()})
    await redis.lset(KEY, 1, forged.model_dump_json())

    assert 3 == (await log.verify("r-1")).broken_seq


async def test_missing_and_reordered_entries_are_found(redis: Redis) -> None:
    """An entry taken out, put in twice or swapped is reported where it stands."""
    log = await log_of(redis, 4)
    lines = await redis.lrange(KEY, 0, -1)
    for order, broken in (([0, 2, 3], 2), ([0, 1, 1, 2, 3], 3), ([0, 2, 1, 3], 2), ([1, 2, 3], 1)):
        await redis.delete(KEY)
        await redis.rpush(KEY, *(lines[place] for place in order))

        assert broken == (await log.verify("r-1")).broken_seq


async def test_a_cut_end_is_found_by_a_noted_head(redis: Redis) -> None:
    """A log that lost its last entries is sound by itself; a head noted elsewhere betrays it."""
    log = await log_of(redis, 4)
    head = await log.head("r-1")
    await log.append("r-1", "later", {}, at=NOON)
    assert (await log.verify("r-1", head=head)).ok
    await redis.ltrim(KEY, 0, 1)

    assert (await log.verify("r-1")).ok
    verdict = await log.verify("r-1", head=head)
    assert (False, 3, "entries at the end are missing") == (
        verdict.ok,
        verdict.broken_seq,
        verdict.reason,
    )
