"""What the log says of persons can be taken away, and the chain stays as it was."""

from __future__ import annotations

import json

import pytest
from redis.asyncio import Redis

from services.audit import ERASED, SYSTEM, AuditLog, revealed, verify_all, verify_run
from tests.services.audit.audit_logs import LOG, NOON, PERSONAL, Stored, log_of


async def decided(redis: Redis) -> AuditLog:
    """Two runs that Ada asked for and Bob decided."""
    log = AuditLog(redis)
    for run in ("r-1", "r-2"):
        await log.append(run, "run.accepted", {"template": "quarterly", "by": "Ada"}, at=NOON)
        said = {"decision": "reject", "by": "Bob", "reason": "stale prices", "note": ""}
        await log.append(run, "review.decided", said, at=NOON)
    return log


async def shown(log: AuditLog, run: str) -> list[dict[str, object]]:
    values = await log.personal(run)
    return [revealed(entry, values) for entry in await log.entries(run)]


async def test_entries_hold_no_words_of_a_person(redis: Redis) -> None:
    """A name or a reason stands beside the log; the entry holds a reference, the same for nobody."""
    log = await decided(redis)
    lines = b"".join(await log.lines("r-1") + await log.lines("r-2"))
    asked = [(await log.entries(run))[0].fields["by"] for run in ("r-1", "r-2")]

    assert not any(word in lines for word in (b"Ada", b"Bob", b"stale"))
    assert asked[0] != asked[1]
    assert {"decision": "reject", "by": "Bob", "reason": "stale prices", "note": ""} == (
        await shown(log, "r-1")
    )[1]


async def test_a_run_is_erased(redis: Redis) -> None:
    """All that a run's log says of persons goes; the chain, its head and its links stay."""
    log = await decided(redis)
    head = await log.head("r-1")
    done = await log.erase("r-1", by="Grace", at=NOON, reason="asked to")
    found = await verify_run(log, "r-1", head=head)

    assert ("r-1", 3, 0) == (done.run, done.values, done.in_clear)
    assert (True, 3, head) == (found.ok, found.erased, found.head)
    assert [ERASED, ERASED] == [fields["by"] for fields in await shown(log, "r-1")]
    assert "Ada" == (await shown(log, "r-2"))[0]["by"]
    assert not await redis.exists(f"{PERSONAL}r-1")


async def test_an_erasure_is_on_record(redis: Redis) -> None:
    """The system's log says which values of which run were erased, by whom and why."""
    log = await decided(redis)
    values = sorted(await log.personal("r-1"))
    await log.erase("r-1", by="Grace", at=NOON, reason="asked to")
    entry = (await log.entries(SYSTEM))[0]

    assert ("data.erased", "r-1", values) == (
        entry.event,
        entry.fields["run"],
        entry.fields["values"],
    )
    assert {"by": "Grace", "reason": "asked to"}.items() <= (await shown(log, SYSTEM))[0].items()


async def test_a_person_is_erased_everywhere(redis: Redis) -> None:
    """What any log says of one person goes, and no more."""
    log = await decided(redis)
    done = await log.erase_person("Ada", by="Grace", at=NOON)

    assert [("r-1", 1), ("r-2", 1)] == [(erasure.run, erasure.values) for erasure in done]
    assert [ERASED, "Bob"] == [fields["by"] for fields in await shown(log, "r-2")]
    assert b"Ada" not in b"".join([*await log.lines("r-1"), *await log.lines(SYSTEM)])
    assert (True, 2) == ((found := await verify_all(log)).ok, found.erased)


async def test_who_erases_can_be_erased(redis: Redis) -> None:
    """The system's log is erased like any other, its own erasure on record in it."""
    log = await decided(redis)
    await log.erase("r-1", by="Grace", at=NOON)
    await log.erase(SYSTEM, by="Heidi", at=NOON)

    assert [ERASED, "Heidi"] == [fields["by"] for fields in await shown(log, SYSTEM)]
    assert (await verify_all(log)).ok


async def test_erasing_again_erases_nothing(redis: Redis) -> None:
    """A second erasure finds nothing, and makes no entry."""
    log = await decided(redis)
    await log.erase("r-1", by="Grace", at=NOON)
    again = await log.erase("r-1", by="Grace", at=NOON)
    nobody = await log.erase("nobody", by="Grace", at=NOON)

    assert (0, 0) == (again.values, nobody.values)
    assert 1 == len(await log.entries(SYSTEM))


@pytest.mark.parametrize("how", ["changed", "deleted", "all deleted"])
async def test_a_value_is_as_fixed_as_its_entry(redis: Redis, how: str) -> None:
    """A value that was changed, or deleted without an erasure on record, is found at its entry."""
    log = await decided(redis)
    name = (await log.entries("r-1"))[1].fields["by"]
    stored = json.loads(await redis.hget(f"{PERSONAL}r-1", name))
    match how:
        case "changed":
            value = json.dumps(stored | {"value": "Eve"})
            await redis.hset(f"{PERSONAL}r-1", name, value)
        case "deleted":
            await redis.hdel(f"{PERSONAL}r-1", name)
        case _:
            await redis.delete(f"{PERSONAL}r-1")
    for found in (await verify_run(log, "r-1"), await verify_all(log)):
        assert not found.ok
        assert ("r-1", 2) in {(flaw.run, flaw.seq) for flaw in found.flaws}
        assert "says of a person" in found.reason


async def test_a_removed_log_is_told_from_a_missing_one(redis: Redis) -> None:
    """Retention takes a whole log; verification says so, and finds one that just went."""
    log = await decided(redis)
    assert 2 == await log.remove("r-1", by="Grace", at=NOON, reason="older than ten years")
    removed = await verify_all(log)
    one = await verify_run(log, "r-1")
    await redis.delete(f"{LOG}r-2")
    missing = await verify_all(log)

    assert (True, 1, True, 1) == (removed.ok, removed.removed, one.ok, one.removed)
    assert [] == [key async for key in redis.scan_iter("*r-1*")]
    assert [("r-2", 1, "the log is missing")] == [(f.run, f.seq, f.reason) for f in missing.flaws]


async def test_a_run_may_begin_anew_after_removal(redis: Redis) -> None:
    """A run of a removed run's name has a new log; its old keys of effects are gone."""
    log = await log_of(redis, 3)
    await log.append("r-1", "effect.done", {}, at=NOON, key="e")
    await log.remove("r-1", by="Grace", at=NOON)
    other = AuditLog(redis)
    entry = await other.append("r-1", "effect.done", {}, at=NOON, key="e")
    await log.append("r-1", "x", {}, at=NOON)
    found = await verify_all(log)

    assert (1, True, 1, 3) == (entry.seq, found.ok, found.removed, found.entries)
    assert 0 == await log.remove("nobody", by="Grace", at=NOON)
    with pytest.raises(ValueError, match="stays"):
        await log.remove(SYSTEM, by="Grace", at=NOON)


async def test_a_removal_that_did_not_happen_is_found(redis: Redis) -> None:
    """An entry on a removal covers the log as it was then, and no later one."""
    log = await log_of(redis, 3)
    await log.remove("r-1", by="Grace", at=NOON)
    await log.append("r-1", "x", {}, at=NOON)
    stored = await Stored.read(redis)
    del stored.lists["r-1"]
    await stored.put(redis)

    assert [("r-1", "the log is missing")] == [
        (flaw.run, flaw.reason) for flaw in (await verify_all(AuditLog(redis))).flaws
    ]
