"""Listing and copying: pages, not a question for each checkpoint."""

from __future__ import annotations

import random
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from services.checkpointer import make_checkpointer
from services.errors import InputConflict
from tests.services.checkpointer.threads import (
    LONG,
    THREAD,
    at,
    listed,
    put,
    put_chain,
    words_graph,
)


async def trips(redis: Redis) -> int:
    stats = await redis.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval"))


async def test_a_long_history_comes_in_pages(redis: Redis) -> None:
    """120 checkpoints take three round trips, and all of them come, newest first."""
    saver = make_checkpointer(redis)
    await put_chain(saver, 120)
    await listed(saver)
    before = await trips(redis)
    found = await listed(saver)

    assert list(range(119, -1, -1)) == [one.metadata["step"] for one in found]
    assert 3 == await trips(redis) - before


async def test_a_filter_is_applied_by_the_server(redis: Redis) -> None:
    """Only what matches is sent, however few they are, within the limit and before the mark."""
    saver = make_checkpointer(redis)
    chain = await put_chain(saver, 120)
    odd = await put(saver, chain[-1], {"step": 120, "kind": "odd"}, text=LONG)
    await put_chain(saver, 3, odd)
    before = await trips(redis)
    found = await listed(saver, filter={"kind": "odd"}, limit=1)

    assert [odd] == [one.config for one in found]
    assert 1 == await trips(redis) - before
    assert [] == await listed(saver, filter={"kind": "odd"}, before=odd)
    assert [10, 9] == [
        one.metadata["step"] for one in await listed(saver, before=chain[11], limit=2)
    ]
    assert [] == await listed(saver, limit=0)


@pytest.mark.parametrize(
    "value", [1, 1.0, True, 0.5, "text", None, ["a", 1], {"a": {"b": 2}}, -3, 1e300, float("inf")]
)
async def test_a_filter_finds_what_python_finds_equal(redis: Redis, value: Any) -> None:
    """Numbers, text, nothing, lists and dicts are compared as Python compares them."""
    saver = make_checkpointer(redis)
    await put(saver, at(), {"value": value}, text=LONG)
    await put(saver, at(), {"value": "something else"}, text=LONG)
    equal = [{"value": value}, {"value": 1}] if value == 1 else [{"value": value}]

    for wanted in equal:
        assert [value] == [one.metadata["value"] for one in await listed(saver, filter=wanted)]


async def test_all_threads_and_all_namespaces_are_listed(redis: Redis) -> None:
    """Without a namespace a listing has them all, without a thread too; odd names are names."""
    saver = make_checkpointer(redis)
    threads = ["r-1", "r-10", "a:b", "über {odd} 100%", "{", "", "*"]
    for thread in threads:
        for space in ("", "child:1", "child:1|inner:2"):
            await put(saver, at(space=space, thread=thread), text=f"{thread} {space} {LONG}")
    everything = [one async for one in saver.alist(None)]
    of_one = [one async for one in saver.alist({"configurable": {"thread_id": "{"}})]

    assert 21 == len(everything)
    assert sorted(threads) == sorted(
        {one.config["configurable"]["thread_id"] for one in everything}
    )
    assert ["child:1|inner:2", "child:1", ""] == [
        one.config["configurable"]["checkpoint_ns"] for one in of_one
    ]
    assert 2 == len([one async for one in saver.alist(None, limit=2)])


async def test_what_only_the_client_can_tell_is_told_of_whole_pages(redis: Redis) -> None:
    """A limit does not make small pages of a search that the server cannot do."""
    saver = make_checkpointer(redis)
    first = (await put_chain(saver, 1, tags=["a"]))[0]
    await put_chain(saver, 119, first, tags=["b"])
    await listed(saver)
    before = await trips(redis)

    assert [first] == [one.config for one in await listed(saver, filter={"tags": ["a"]}, limit=1)]
    assert 3 == await trips(redis) - before


async def test_one_checkpoint_is_not_looked_for(redis: Redis) -> None:
    """A listing that names the one it wants gets it at once, if it passes the rest of the test."""
    saver = make_checkpointer(redis)
    chain = await put_chain(saver, 120)
    await saver.aget_tuple(at())
    before = await trips(redis)

    assert [chain[7]] == [one.config for one in await listed(saver, chain[7])]
    assert [] == await listed(saver, chain[7], filter={"step": 8})
    assert [] == await listed(saver, chain[7], before=chain[7])
    assert [chain[7]] == [one.config for one in await listed(saver, chain[7], before=chain[8])]
    assert 4 == await trips(redis) - before
    unnamed = {
        "configurable": {
            "thread_id": "r-1",
            "checkpoint_id": chain[7]["configurable"]["checkpoint_id"],
        }
    }
    assert [chain[7]] == [one.config for one in await listed(saver, unnamed)]


async def test_a_number_may_name_a_thread(redis: Redis) -> None:
    """As in LangGraph's own savers."""
    saver = make_checkpointer(redis)
    await put(saver, {"configurable": {"thread_id": 7}}, text=LONG)
    await saver.acopy_thread(7, 8)
    await saver.adelete_thread(7)

    assert None is await saver.aget_tuple(at(thread="7"))
    assert None is not await saver.aget_tuple(at(thread="8"))


async def test_large_values_come_in_smaller_pages(redis: Redis) -> None:
    """A page ends when it is large, and the next goes on after it."""
    saver = make_checkpointer(redis)
    config = at()
    for step in range(6):
        noise = random.Random(step).randbytes(3_000_000)
        config = await put(saver, config, {"step": step}, text=noise)
    before = await trips(redis)
    found = await listed(saver)

    assert [5, 4, 3, 2, 1, 0] == [one.metadata["step"] for one in found]
    assert 1 < await trips(redis) - before < 6


async def test_a_copy_is_a_thread_of_its_own(redis: Redis) -> None:
    """A copied run goes on from where it was, and the first one does not notice."""
    saver = make_checkpointer(redis)
    graph = words_graph(saver)
    await graph.ainvoke({"words": []}, THREAD, durability="sync")
    await saver.acopy_thread("r-1", "r-2")
    await saver.acopy_thread("r-1", "r-1")
    await saver.acopy_thread("nobody", "r-3")
    copied = await listed(saver, at(thread="r-2"))
    originals = await listed(saver)
    result = await graph.ainvoke({"words": ["more"]}, at(thread="r-2"), durability="sync")

    assert [one.checkpoint for one in originals] == [one.checkpoint for one in copied]
    assert ["more", "added", "added"] == result["words"]
    assert originals == await listed(saver)
    assert [] == await listed(saver, at(thread="r-3"))


async def test_a_copy_overwrites_nothing(redis: Redis) -> None:
    """A thread that has a state of its own keeps it."""
    saver = make_checkpointer(redis)
    await put_chain(saver, 2)
    await put_chain(saver, 2, at(thread="r-2"))

    with pytest.raises(InputConflict, match="state of its own"):
        await saver.acopy_thread("r-1", "r-2")


def test_a_graph_runs_without_asyncio(blocking: BlockingRedis) -> None:
    """The blocking half carries a whole run, its history and what is pruned of it."""
    saver = make_checkpointer(blocking=blocking)
    builder = words_graph(None).builder
    for name in ("first", "second"):
        step = builder.nodes[name].runnable
        step.func = lambda state: {"words": [*state["words"], "added"]}
    graph = builder.compile(checkpointer=saver)
    result = graph.invoke({"words": []}, THREAD, durability="sync")

    assert ["added", "added"] == result["words"]
    assert [2, 1, 0, -1] == [one.metadata["step"] for one in graph.get_state_history(THREAD)] or (
        [2, 1, 0, -1] == [one.metadata["step"] for one in saver.list(THREAD)]
    )
    assert 3 == len(saver.prune(["r-1"]).checkpoints)
    assert ["added", "added"] == graph.get_state(THREAD).values["words"]


async def test_both_halves_read_one_state(redis: Redis, blocking: BlockingRedis) -> None:
    """What the one writes the other reads, through one saver or two."""
    saver = make_checkpointer(redis, blocking=blocking)
    config = await put(saver, at(), {"step": 1}, text=LONG)
    saver.put_writes(config, [("text", LONG)], "task")

    assert saver.get_tuple(config) == await saver.aget_tuple(config)
    assert list(saver.list(at())) == await listed(saver)
    assert saver.get_delta_channel_history(config=config, channels=["text"]) == (
        await saver.aget_delta_channel_history(config=config, channels=["text"])
    )
