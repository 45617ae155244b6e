"""One thread, several writers: a stale one is refused, and none spoils what another wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from services.checkpointer import Fence, make_checkpointer
from services.errors import RunBusy
from services.failpoints import Crash, names, set_traps
from tests.services.checkpointer.threads import (
    LONG,
    THREAD,
    at,
    listed,
    put,
    put_chain,
    state,
    words_graph,
)

KEY = "assay:fence:{r-1}"
WRITES: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
    "put": lambda saver, config: put(saver, config, text="late"),
    "put_writes": lambda saver, config: saver.aput_writes(config, [("text", "late")], "task"),
    "delete_thread": lambda saver, config: saver.adelete_thread("r-1"),
    "delete_for_runs": lambda saver, config: saver.adelete_for_runs(["run"]),
    "prune": lambda saver, config: saver.aprune(["r-1"]),
    "copy_thread": lambda saver, config: saver.acopy_thread("r-1", "r-2"),
}


@pytest.mark.parametrize("write", WRITES)
async def test_a_stale_writer_is_told_and_changes_nothing(redis: Redis, write: str) -> None:
    """Once another holds the lease, each writing operation raises and leaves all as it was."""
    await redis.set(KEY, 7)
    saver = make_checkpointer(redis, fence=Fence(key=KEY, token=7))
    config = (await put_chain(saver, 3, run_id="run"))[-1]
    before = await contents(redis)
    await redis.incr(KEY)

    with pytest.raises(RunBusy, match="lost its hold of run r-"):
        await WRITES[write](saver, config)

    assert before == await contents(redis)


async def test_a_fence_that_is_gone_refuses_too(redis: Redis) -> None:
    """A store that lost the fence cannot say that the writer still holds it."""
    saver = make_checkpointer(redis, fence=Fence(key=KEY, token=1))

    with pytest.raises(RunBusy):
        await put(saver, at(), text="late")


async def test_a_stale_writer_may_still_read(redis: Redis, blocking: BlockingRedis) -> None:
    """Reading is nobody's privilege; the blocking half obeys the same fence."""
    await redis.set(KEY, 7)
    fence = Fence(key=KEY, token=7)
    config = await put(make_checkpointer(redis, fence=fence), at(), text="early")
    await redis.incr(KEY)
    saver = make_checkpointer(blocking=blocking, fence=fence)
    found = saver.get_tuple(at())

    assert found is not None
    assert "early" == found.checkpoint["channel_values"]["text"]
    with pytest.raises(RunBusy):
        saver.put_writes(config, [("text", "late")], "task")


async def test_a_graph_whose_lease_moved_stops_at_its_next_write(redis: Redis) -> None:
    """The stale driver's graph ends with the plain error; the new driver's goes on."""
    await redis.set(KEY, 1)
    await words_graph(make_checkpointer(redis)).ainvoke({"words": []}, THREAD, durability="sync")
    stale = words_graph(make_checkpointer(redis, fence=Fence(key=KEY, token=1)))
    token = await redis.incr(KEY)

    with pytest.raises(RunBusy):
        await stale.ainvoke({"words": ["stale"]}, THREAD, durability="sync")
    fresh = words_graph(make_checkpointer(redis, fence=Fence(key=KEY, token=token)))
    result = await fresh.ainvoke({"words": ["fresh"]}, THREAD, durability="sync")

    assert ["fresh", "added", "added"] == result["words"]


async def test_two_writers_at_once_keep_both_of_their_checkpoints(redis: Redis) -> None:
    """Without a fence two writers may race; what each put reads back as it put it."""
    savers = [make_checkpointer(redis) for _ in range(2)]
    base = await put(savers[0], at(), text=LONG)

    async def write(number: int) -> Any:
        config = base
        for step in range(20):
            config = await put(savers[number], config, text=f"{number} {step} {LONG}")
            await savers[number].aput_writes(config, [("text", f"{number} {LONG}")], f"t{number}")
        return config

    ends = await asyncio.gather(write(0), write(1))
    found = [await savers[0].aget_tuple(end) for end in ends]

    assert [f"{number} 19 {LONG}" for number in range(2)] == [
        one.checkpoint["channel_values"]["text"] for one in found if one
    ]
    assert 41 == len(await listed(savers[0]))


async def test_equal_versions_do_not_mix_two_forks(redis: Redis) -> None:
    """Even two forks that name their values by one version keep them apart."""
    saver = make_checkpointer(redis)
    base = await put(saver, at(), text=LONG, kept="kept " + LONG)
    forks = []
    for name in "ab":
        checkpoint = state(2, text=f"fork {name} {LONG}", kept="kept " + LONG)
        checkpoint["channel_versions"]["kept"] = 1
        forks.append(await saver.aput(base, checkpoint, {}, {"text": 2}))
    found = [await saver.aget_tuple(fork) for fork in (base, *forks)]

    assert [LONG, f"fork a {LONG}", f"fork b {LONG}"] == [
        one.checkpoint["channel_values"]["text"] for one in found if one
    ]
    assert {"kept " + LONG} == {one.checkpoint["channel_values"]["kept"] for one in found if one}


async def test_an_operation_sent_twice_does_nothing_more(redis: Redis) -> None:
    """A client that repeats what was not answered changes nothing the second time."""
    saver = make_checkpointer(redis)
    checkpoint = state(text=LONG)

    async def all_of_it() -> dict[bytes, object]:
        config = await saver.aput(at(), checkpoint, {"step": 0}, checkpoint["channel_versions"])
        await saver.aput_writes(config, [("text", "next " + LONG), ("__error__", "e")], "task")
        await saver.acopy_thread("r-1", "r-2")
        return await contents(redis)

    assert await all_of_it() == await all_of_it()


async def test_what_others_took_away_is_sent_again(redis: Redis) -> None:
    """A saver that believes a value to be stored finds out that it is not, and stores it."""
    saver, other = make_checkpointer(redis), make_checkpointer(redis)
    config = await put(saver, at(), text=LONG)
    await other.adelete_thread("r-1")
    checkpoint = state(text=LONG)
    await saver.aput(config, checkpoint, {}, {})
    await saver.aput_writes(config, [("text", LONG)], "task")
    found = await other.aget_tuple(at())

    assert found is not None
    assert LONG == found.checkpoint["channel_values"]["text"]


async def test_longer_writes_of_a_task_add_to_the_ones_before(redis: Redis) -> None:
    """LangGraph stores the writes of no task anew with each command, the old ones first."""
    saver = make_checkpointer(redis)
    config = await put(saver, at(), text=LONG)
    await saver.aput_writes(config, [("a", 1), ("__resume__", "x")], "none")
    await saver.aput_writes(config, [("a", 2), ("b", 3), ("__resume__", "y")], "none")
    found = await saver.aget_tuple(config)

    assert found is not None
    assert [("__resume__", "y"), ("a", 1), ("b", 3)] == [
        (channel, value) for _, channel, value in found.pending_writes or ()
    ]


@pytest.mark.parametrize("place", ["put", "put_writes", "get", "list", "delete", "copy", "prune"])
async def test_every_operation_can_be_stopped(redis: Redis, place: str) -> None:
    """Each operation has its failpoints, before and after, in both halves' names."""
    saver = make_checkpointer(redis)
    config = await put(saver, at(), text=LONG)
    act = {
        "get": lambda: saver.aget_tuple(config),
        "list": lambda: listed(saver),
        "delete": lambda: saver.adelete_thread("r-1"),
        "copy": lambda: saver.acopy_thread("r-1", "r-2"),
        "prune": lambda: saver.aprune(["r-1"]),
        "put": lambda: WRITES["put"](saver, config),
        "put_writes": lambda: WRITES["put_writes"](saver, config),
    }[place]
    try:
        for moment in ("before", "after"):
            name = f"checkpoint.{place}:{moment}"
            set_traps(f"{name}=crash")
            with pytest.raises(Crash, match=name):
                await act()
            assert name in names()
    finally:
        set_traps("")


async def contents(redis: Redis) -> dict[bytes, object]:
    """All that the store holds of threads."""
    found: dict[bytes, object] = {}
    for key in await redis.keys("assay:checkpoint:*"):
        if await redis.type(key) == b"hash":
            found[key] = await redis.hgetall(key)
        else:
            found[key] = await redis.zrange(key, 0, -1, withscores=True)
    return found
