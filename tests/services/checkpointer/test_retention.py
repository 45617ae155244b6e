"""What stays, what goes, and what goes with it."""

from __future__ import annotations

import operator
from datetime import timedelta
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from redis.asyncio import Redis

from services.checkpointer import Retention, make_checkpointer
from tests.services.checkpointer.threads import (
    LONG,
    THREAD,
    at,
    listed,
    put,
    put_chain,
    state,
    waiting_graph,
    words_graph,
)

HOUR = Retention(ttl=timedelta(hours=1))
KEYS = [f"assay:checkpoint:{{r-1}}:{kind}" for kind in ("index", "records", "values")]


async def lives(redis: Redis) -> set[bool]:
    """Whether the keys of the thread end some day; both answers if they differ."""
    return {await redis.pttl(key) > 0 for key in KEYS}


async def test_every_operation_renews_all_of_a_thread(redis: Redis) -> None:
    """A value that never changes lives as long as the thread that refers to it."""
    saver = make_checkpointer(redis, retention=HOUR)
    first = state(text=LONG, kept="kept " + LONG)
    config = await saver.aput(at(), first, {}, first["channel_versions"])
    following = state(2, text="new " + LONG, kept="kept " + LONG)
    following["channel_versions"]["kept"] = 1
    for act in (
        lambda: saver.aput(config, following, {}, {"text": 2}),
        lambda: saver.aput_writes(config, [("text", "x")], "task"),
        lambda: saver.aget_tuple(config),
        lambda: listed(saver),
        lambda: saver.aprune(["r-1"], keep=5),
    ):
        for key in KEYS:
            await redis.pexpire(key, 10_000)
        await act()
        assert {True} == {await redis.pttl(key) > 3_000_000 for key in KEYS}

    found = await saver.aget_tuple(at())
    assert found is not None
    assert "kept " + LONG == found.checkpoint["channel_values"]["kept"]


async def test_a_thread_that_waits_for_a_person_does_not_end(redis: Redis) -> None:
    """A paused run stays however long the answer takes; once it goes on it may end again."""
    graph = waiting_graph(make_checkpointer(redis, retention=HOUR))
    await graph.ainvoke({"words": []}, THREAD, durability="sync")
    assert {False} == await lives(redis)

    await graph.aget_state(THREAD)
    assert {False} == await lives(redis)

    await graph.ainvoke(Command(resume="yes"), THREAD, durability="sync")
    assert {True} == await lives(redis)
    assert "yes" == (await graph.aget_state(THREAD)).values["answer"]


async def test_an_older_wait_does_not_hide_the_latest(redis: Redis) -> None:
    """Who runs an old checkpoint again until it waits does not end the wait of the latest."""
    saver = make_checkpointer(redis, retention=HOUR)
    old, latest = await put_chain(saver, 2)
    await saver.aput_writes(latest, [("__interrupt__", "now?")], "task")
    await saver.aput_writes(old, [("__interrupt__", "then?")], "task")

    assert {False} == await lives(redis)


async def test_without_a_ttl_nothing_ends(redis: Redis) -> None:
    """The default keeps threads for ever."""
    await words_graph(make_checkpointer(redis)).ainvoke({"words": []}, THREAD, durability="sync")

    assert {False} == await lives(redis)


async def test_only_the_last_checkpoints_are_kept(redis: Redis) -> None:
    """Each put lets the oldest go, with the values and writes that only it had."""
    saver = make_checkpointer(redis, retention=Retention(keep=3))
    config = at()
    for step in range(10):
        config = await put(saver, config, {"step": step}, text=f"{step} {LONG}", kept=LONG)
        await saver.aput_writes(config, [("text", f"{step + 1} {LONG}")], f"task {step}")
    found = await listed(saver)

    assert [9, 8, 7] == [one.metadata["step"] for one in found]
    assert [f"{step} {LONG}" for step in (9, 8, 7)] == [
        one.checkpoint["channel_values"]["text"] for one in found
    ]
    assert [1, 1, 1] == [len(one.pending_writes or ()) for one in found]
    # Texts 7 to 10, the last of them only written yet, and what is the same in all.
    assert 5 == await redis.hlen(KEYS[2])
    assert 6 == await redis.zcard(KEYS[0])


async def test_a_dry_prune_tells_what_the_prune_does(redis: Redis) -> None:
    """A dry run names what would go and changes nothing; the prune then takes just that."""
    saver = make_checkpointer(redis)
    chain = await put_chain(saver, 5)
    for config in chain:
        await saver.aput_writes(config, [("text", f"written {config} {LONG}")], "task")
    told = await saver.aprune(["r-1", "r-2"], keep=2, dry_run=True)
    assert 5 == len(await listed(saver))

    done = await saver.aprune(["r-1", "r-2"], keep=2)
    gone = [("r-1", "", config["configurable"]["checkpoint_id"]) for config in chain[:3]]

    assert told == done
    assert gone == list(done.checkpoints)
    assert (3, 6) == (done.writes, done.values)
    assert done.bytes > 6 * 50
    assert (4, 4) == (await redis.zcard(KEYS[0]), await redis.hlen(KEYS[2]))
    assert [True, True] == [bool(one.pending_writes) for one in await listed(saver)]


async def test_a_value_that_a_kept_one_refers_to_stays(redis: Redis) -> None:
    """What the oldest stored and the newest still carries, or a write will bring, is kept."""
    saver = make_checkpointer(redis)
    config = await put(saver, at(), text=LONG, old="old " + LONG)
    config = await put(saver, config, text=LONG)
    await saver.aput_writes(config, [("old", "old " + LONG)], "task")
    await saver.aprune(["r-1"])
    found = await saver.aget_tuple(at())

    assert found is not None
    assert LONG == found.checkpoint["channel_values"]["text"]
    assert ["old " + LONG] == [value for *_, value in found.pending_writes or ()]


async def test_a_pruned_run_goes_on_where_it_waited(redis: Redis) -> None:
    """A subgraph that waits keeps its own checkpoints; those of finished tasks go."""
    saver = make_checkpointer(redis)
    inner = waiting_graph(None).builder.compile()
    outer = StateGraph(inner.builder.state_schema)
    outer.add_sequence([("one", words_graph(None).builder.compile()), ("two", inner)])
    outer.add_edge(START, "one")
    graph = outer.compile(checkpointer=saver)
    await graph.ainvoke({"words": []}, THREAD, durability="sync")
    spaces = {one.config["configurable"]["checkpoint_ns"] for one in await every(saver)}
    assert 3 == len(spaces)

    await saver.aprune(["r-1"])
    left = {one.config["configurable"]["checkpoint_ns"] for one in await every(saver)}
    result = await graph.ainvoke(Command(resume="yes"), THREAD, durability="sync")

    assert {"", "two"} == {space.partition(":")[0] for space in left}
    assert (["added"] * 4, "yes") == (result["words"], result["answer"])


async def test_a_kept_subgraph_loses_nothing_to_a_later_one(redis: Redis) -> None:
    """Trimming by put, too, spares the namespaces of the checkpoints it keeps."""
    saver = make_checkpointer(redis, retention=Retention(keep=1))
    inner = waiting_graph(None).builder.compile()
    outer = StateGraph(inner.builder.state_schema)
    outer.add_sequence([("one", words_graph(None).builder.compile()), ("two", inner)])
    outer.add_edge(START, "one")
    graph = outer.compile(checkpointer=saver)
    await graph.ainvoke({"words": []}, THREAD, durability="sync")
    assert 2 == len(await every(saver))

    result = await graph.ainvoke(Command(resume="yes"), THREAD, durability="sync")

    assert (["added"] * 4, "yes") == (result["words"], result["answer"])
    assert 1 == len(await every(saver))


class Log(TypedDict, total=False):
    entries: Annotated[
        list[str], DeltaChannel(lambda old, new: sum(new, old), snapshot_frequency=4)
    ]
    count: Annotated[int, operator.add]
    last: int


def log_graph(saver: Any) -> Any:
    async def add(state: Log) -> Log:
        return {"entries": [f"entry {len(state['entries'])}"], "count": 1}

    graph = StateGraph(Log)
    graph.add_node("add", add)
    graph.add_edge(START, "add")
    graph.add_conditional_edges(
        "add", lambda state: "add" if state["count"] < state["last"] else "__end__"
    )
    return graph.compile(checkpointer=saver)


@pytest.mark.parametrize("last", [8, 9, 10, 11])
@pytest.mark.parametrize("how", ["prune", "keep"])
async def test_a_delta_channel_survives_pruning(redis: Redis, how: str, last: int) -> None:
    """Ancestors that a delta channel's value is made of stay until the next snapshot."""
    saver = make_checkpointer(redis, retention=Retention(keep=1) if how == "keep" else Retention())
    graph = log_graph(saver)
    given: Any = {"entries": ["first"], "count": 0, "last": last}
    result = await graph.ainvoke(given, THREAD, durability="sync")
    before = len(await listed(saver))
    if how == "prune":
        await saver.aprune(["r-1"])

    assert last + 1 == len(result["entries"])
    assert result["entries"] == (await graph.aget_state(THREAD)).values["entries"]
    left = len(await listed(saver))
    assert left <= 6
    assert left < before or how == "keep"


async def test_the_history_of_a_delta_channel_is_as_the_base_class_tells_it(redis: Redis) -> None:
    """Walking the ancestors page by page finds what visiting each of them finds."""
    saver = make_checkpointer(redis)
    given: Any = {"entries": ["first"], "count": 0, "last": 11}
    await log_graph(saver).ainvoke(given, THREAD, durability="sync")
    for found in await listed(saver):
        ours = await saver.aget_delta_channel_history(config=found.config, channels=["entries"])
        base = await super(type(saver), saver).aget_delta_channel_history(
            config=found.config, channels=["entries"]
        )
        assert base == ours


async def test_runs_are_deleted_in_every_thread(redis: Redis) -> None:
    """The checkpoints of a run go wherever they are; a thread of nothing else goes whole."""
    saver = make_checkpointer(redis)
    await put_chain(saver, 2, run_id="gone")
    await put_chain(saver, 1, run_id="stays")
    await put_chain(saver, 2, at(thread="r-2"), run_id="gone")
    await saver.adelete_for_runs(["gone"])

    assert ["stays"] == [one.metadata["run_id"] for one in await listed(saver)]
    assert [] == await redis.keys("assay:checkpoint:{r-2}:*")
    assert 1 == await redis.hlen(KEYS[2])


@pytest.mark.parametrize("wrong", [{"keep": 0}, {"ttl": timedelta(0)}])
def test_a_retention_that_keeps_nothing_is_refused(wrong: Any) -> None:
    """Keeping none, or for no time, is a mistake of the caller."""
    with pytest.raises(ValueError, match="must be at least"):
        Retention(**wrong)


async def every(saver: Any) -> list[Any]:
    return [one async for one in saver.alist(THREAD)]
