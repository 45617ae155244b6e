"""Whatever was changed, taken out, moved or put in is found, with its place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from services.audit import SYSTEM, AuditLog, AuditVerdict, verify_all, verify_run
from tests.services.audit.audit_logs import (
    LOG,
    NOON,
    Stored,
    changed,
    log_of,
    resealed,
    rewritten,
    three_runs,
)

CHAIN = "@global"
ENTRIES = 6
many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def places(verdict: AuditVerdict) -> set[tuple[str, int]]:
    return {(flaw.run, flaw.seq) for flaw in verdict.flaws}


async def test_what_was_written_is_sound(redis: Redis) -> None:
    """Logs as they were written verify, one by one and all together."""
    log = await three_runs(redis)
    count, head = await log.global_head()
    found = await verify_all(log, head=head)

    assert (True, 4, 19, count, head, 1) == (
        found.ok,
        found.logs,
        found.entries,
        found.entries,
        found.head,
        found.erased,
    )
    assert all([(await verify_run(log, run)).ok for run in ("a", "b", "c", SYSTEM)])


def forge(line: bytes) -> bytes:
    return resealed(line, fields={"n": 99})


ONE_ENTRY: list[Callable[[bytes], bytes]] = [
    lambda line: changed(line, event="step.failed"),
    lambda line: changed(line, fields={"n": 99}),
    lambda line: changed(line, at="2026-10-01T12:00:09.000001Z"),
    lambda line: changed(line, digest="0" * 64),
    lambda line: changed(line, previous="1" * 64),
    lambda line: changed(line, run="z"),
    lambda line: changed(line, more="x"),
    lambda line: json.dumps({k: v for k, v in json.loads(line).items() if k != "run"}).encode(),
    forge,
    lambda line: resealed(line, run=""),
    lambda line: line[:-1],
    lambda _: b"",
]


@many
@given(
    change=st.sampled_from(ONE_ENTRY),
    run=st.sampled_from(["a", "b", "c"]),
    place=st.integers(0, ENTRIES - 1),
)
async def test_a_changed_entry_is_found(
    redis: Redis, change: Callable[[bytes], bytes], run: str, place: int
) -> None:
    """Any change of any part of an entry, sealed anew or not, is named where it stands."""
    stored = await fresh(redis)
    stored.lists[run][place] = change(stored.lists[run][place])
    await found_at(redis, stored, run, place + 1)


@many
@given(run=st.sampled_from(["a", "b", "c"]), place=st.integers(0, ENTRIES - 1))
async def test_a_history_written_anew_is_found(redis: Redis, run: str, place: int) -> None:
    """A log whose entries were all sealed anew behind a change is told by its links."""
    stored = await fresh(redis)
    stored.lists[run] = rewritten(stored.lists[run], place, fields={"n": 99})
    await found_at(redis, stored, run, place + 1)


@many
@given(
    order=st.permutations(range(ENTRIES)).filter(lambda order: order != list(range(ENTRIES))),
    run=st.sampled_from(["a", "b", "c"]),
)
async def test_reordered_entries_are_found(redis: Redis, order: list[int], run: str) -> None:
    """Entries in another order are named at the first that is out of place."""
    stored = await fresh(redis)
    lines = stored.lists[run]
    stored.lists[run] = [lines[place] for place in order]
    first = next(n for n, place in enumerate(order) if n != place)
    await found_at(redis, stored, run, first + 1)


@many
@given(
    run=st.sampled_from(["a", "b", "c"]),
    kept=st.sets(st.integers(0, ENTRIES - 1), max_size=ENTRIES - 1),
)
async def test_missing_entries_are_found(redis: Redis, run: str, kept: set[int]) -> None:
    """Entries taken out, in the middle, at the end or all, are named where the first is missing."""
    stored = await fresh(redis)
    lines = stored.lists[run]
    stored.lists[run] = [lines[place] for place in sorted(kept)]
    await found_at(redis, stored, run, min(set(range(ENTRIES)) - kept) + 1 if kept else 1)


@many
@given(
    run=st.sampled_from(["a", "b"]),
    source=st.sampled_from(["a", "b", "c"]),
    taken=st.integers(0, ENTRIES - 1),
    place=st.integers(0, ENTRIES),
)
async def test_inserted_entries_are_found(
    redis: Redis, run: str, source: str, taken: int, place: int
) -> None:
    """An entry put in, its own log's a second time or another's, is named where it stands."""
    stored = await fresh(redis)
    stored.lists[run].insert(place, stored.lists[source][taken])
    # Twice the same entry side by side: the second is the one too many.
    expected = place + 1 if source != run or taken != place else place + 2
    await found_at(redis, stored, run, expected)


@many
@given(run=st.sampled_from(["a", "b", "c"]), sealed=st.booleans())
async def test_an_added_entry_is_found(redis: Redis, run: str, sealed: bool) -> None:
    """An entry added behind the last, in the older form too, is one that no link knows."""
    stored = await fresh(redis)
    last = json.loads(stored.lists[run][-1])
    more = resealed(
        stored.lists[run][-1],
        seq=ENTRIES + 1,
        previous=last["digest"],
        run=run if sealed else "",
    )
    stored.lists[run].append(more)
    await found_at(redis, stored, run, ENTRIES + 1)


async def test_a_log_that_is_gone_or_exchanged_is_found(redis: Redis) -> None:
    """A whole log taken away, invented, or put in the place of another is named."""
    original = await fresh(redis)
    stored = original.copy()
    del stored.lists["b"]
    await found_at(redis, stored, "b", 1)
    stored = original.copy()
    stored.lists["b"] = list(stored.lists["a"])
    await found_at(redis, stored, "b", 1)
    stored = original.copy()
    stored.lists["d"] = list(stored.lists["a"])
    await found_at(redis, stored, "d", 1)


@many
@given(data=st.data(), kind=st.sampled_from(["drop", "swap", "double", "edit", "cut", "garbage"]))
async def test_a_changed_link_is_found(redis: Redis, data: st.DataObject, kind: str) -> None:
    """The log over all runs can't be changed either: its first flaw is named."""
    stored = await fresh(redis)
    links = stored.lists[CHAIN]
    place = data.draw(st.integers(0, len(links) - 2))
    match kind:
        case "drop":
            del links[place]
        case "swap":
            links[place], links[place + 1] = links[place + 1], links[place]
        case "double":
            links.insert(place, links[place])
            place += 1
        case "edit":
            run, seq, _, link = links[place].decode().split()
            links[place] = f"{run} {seq} {'5' * 64} {link}".encode()
        case "garbage":
            links[place] = b"a b c"
        case _:
            del links[place:]
    await stored.put(redis)
    found = await verify_all(AuditLog(redis))

    assert not found.ok
    if kind == "cut":
        assert all(flaw.run != CHAIN for flaw in found.flaws)
        assert "does not know" in found.flaws[0].reason
    else:
        assert (CHAIN, place + 1) in places(found)


async def test_removal_of_links_and_entries_together_needs_a_noted_head(redis: Redis) -> None:
    """
    Who cuts off the end of both chains leaves sound ones.

    That is found by a head that was noted elsewhere: of the run, or of all.
    """
    log = await three_runs(redis)
    run_head, (_, all_head) = await log.head("c"), await log.global_head()
    stored = await Stored.read(redis)
    del stored.lists[CHAIN][17:], stored.lists[SYSTEM], stored.lists["c"][5:]
    stored.hashes.pop(f"@personal:{SYSTEM}")
    stored.hashes["@personal:c"] = dict(stored.hashes["@personal:a"])  # of other references
    await stored.put(redis)
    run, every = await verify_run(log, "c", head=run_head), await verify_all(log, head=all_head)

    assert ("c", 6, "entries at the end are missing") in {
        (flaw.run, flaw.seq, flaw.reason) for flaw in run.flaws
    }
    assert (CHAIN, 18) in places(every)


async def test_a_noted_head_stays_good(redis: Redis) -> None:
    """A head that was noted once is held for ever, whatever is appended since."""
    log = await log_of(redis, 4)
    head, (_, over_all) = await log.head("r-1"), await log.global_head()
    await log.append("r-1", "later", {}, at=NOON)

    assert (await verify_run(log, "r-1", head=head)).ok
    assert (await verify_all(log, head=over_all)).ok
    assert not (await verify_run(log, "r-1", head="0123" * 16)).ok
    assert not (await verify_all(log, head="0123" * 16)).ok


async def test_logs_verify_while_runs_append(redis: Redis) -> None:
    """Verification in the middle of the work finds nothing to complain of."""
    log = AuditLog(redis)
    done = asyncio.Event()

    async def work(run: str) -> None:
        for number in range(60):
            await log.append(run, "x", {"n": number, "by": "Ada"}, at=NOON)
            if number % 20 == 19:
                await log.erase(run, by="Grace", at=NOON)
        await log.remove(run, by="Grace", at=NOON)
        await log.append(run, "anew", {}, at=NOON)

    async def watch() -> list[AuditVerdict]:
        other, seen = AuditLog(redis), []
        while not done.is_set():
            seen += [await verify_all(other), await verify_run(other, "r-1")]
        return seen

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(work(f"r-{n}") for n in range(3)))
    done.set()
    seen = await watching

    assert len(seen) > 4
    assert [] == [verdict.flaws for verdict in seen if not verdict.ok]


# A log as the first version of the product wrote it.
OLD = (
    b'{"at":"2026-10-01T12:00:01Z","digest":"604d18c32ad4d5f127cc4f01fe6393419e9c93946fb5c5c367f52845e734ebda","event":"run.accepted","fields":{"by":"Ada","template":"quarterly"},"previous":"0000000000000000000000000000000000000000000000000000000000000000","seq":1}',
    b'{"at":"2026-10-01T12:00:02Z","digest":"53a6d06af516c6f2ca535f14b6f79f52d59796b6b58bd7d3bf0883c96f4dd5c3","event":"step.finished","fields":{"attempt":1,"section":"","step":"plan"},"previous":"604d18c32ad4d5f127cc4f01fe6393419e9c93946fb5c5c367f52845e734ebda","seq":2}',
    b'{"at":"2026-10-01T12:00:03Z","digest":"0b035d9f7d9442eb67c57960366f26405bd6048de7c5aaa8ddba8311ea3d5ca7","event":"review.decided","fields":{"by":"Bob","decision":"approve","item":"i-1","kind":"publication"},"previous":"53a6d06af516c6f2ca535f14b6f79f52d59796b6b58bd7d3bf0883c96f4dd5c3","seq":3}',
)


async def old_log(redis: Redis) -> AuditLog:
    await redis.rpush(f"{LOG}old", *OLD)
    return AuditLog(redis)


async def test_an_older_log_verifies_by_its_own_chain(redis: Redis) -> None:
    """A log from before the log over all runs is sound, and verification says what it rests on."""
    log = await old_log(redis)
    for found in (await verify_run(log, "old"), await verify_all(log)):
        assert (True, 3, 3) == (found.ok, found.entries, found.older)
    assert "Bob" == (await log.entries("old"))[2].fields["by"]


async def test_an_older_log_goes_on(redis: Redis) -> None:
    """New entries continue the old chain, and their links hold the old entries too."""
    log = await old_log(redis)
    await log.append("old", "x", {"by": "Ada"}, at=NOON)
    found = await verify_all(log)
    erased = await log.erase("old", by="Grace", at=NOON, person="Ada")

    assert (True, 4, 3) == (found.ok, found.entries, found.older)
    assert (1, 1) == (erased.values, erased.in_clear)  # an old entry can't lose its name
    assert (await verify_all(log)).ok


@many
@given(
    place=st.integers(0, 2),
    change=st.sampled_from(
        [
            lambda line: changed(line, event="x"),
            lambda line: resealed(line, event="x"),
            lambda line: resealed(line, run="old"),
            lambda _: b"",
        ]
    ),
    goes_on=st.booleans(),
)
async def test_a_change_of_an_older_log_is_found(
    redis: Redis, place: int, change: Callable[[bytes], bytes], goes_on: bool
) -> None:
    """Any change breaks the old chain: where it is, or behind an entry that was sealed anew."""
    await redis.flushall()
    log = await old_log(redis)
    if goes_on:
        await log.append("old", "x", {}, at=NOON)
    line = change(OLD[place])
    await redis.lset(f"{LOG}old", place, line)
    found = await verify_all(log)
    unseen = place == 2 and not goes_on and b'"run"' not in line and line.startswith(b'{"at')
    forged_end = unseen and resealed(line) == line

    assert found.ok == forged_end  # the last entry of an old log is held by a noted head only
    assert found.ok or found.broken_seq in (place + 1, place + 2)


async def fresh(redis: Redis) -> Stored:
    """The logs of three runs as they are stored."""
    await redis.flushall()
    await three_runs(redis)
    return await Stored.read(redis)


async def found_at(redis: Redis, stored: Stored, run: str, seq: int) -> None:
    """What is stored now is not sound, and the one flaw is there, asked for the run or for all."""
    await stored.put(redis)
    log = AuditLog(redis)
    for found in (await verify_run(log, run), await verify_all(log)):
        assert not found.ok
        assert {(run, seq)} == places(found), found.flaws
