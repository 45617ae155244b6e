"""The checkpointer: what a graph did is there after any death, and forks stay apart."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.types import Command
from redis.asyncio import Redis

from services.checkpointer import make_checkpointer
from services.errors import StoreUnavailable
from services.store import connect
from tests.services.checkpointer.threads import THREAD, at, words_graph

ROOT = Path(__file__).parents[3]
DRIVER = Path(__file__).with_name("checkpoint_driver.py")
REPORT = (
    "credit: rows of credit, yes to May credit be published?; "
    "liquidity: rows of liquidity, none needed; "
    "market: rows of market, yes to May market be published?"
)


def driver() -> ModuleType:
    spec = importlib.util.spec_from_file_location("checkpoint_driver", DRIVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["checkpoint_driver"] = module
    spec.loader.exec_module(module)
    return module


class Drives:
    """Runs the driver, each time in a process of its own."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, DRIVER, url],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        assert 0 == self._process.returncode

    def __call__(self, action: str, kill: str = "", *, thread: str = "r-1") -> int:
        """The status that the process ended with, negative when a signal ended it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{thread} {action} {kill}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


async def steps(redis: Redis) -> dict[str, int]:
    counts = await redis.hgetall("assay:test:steps:r-1")
    return {step.decode(): int(count) for step, count in counts.items()}


async def test_parallel_sections_wait_and_go_on(redis: Redis) -> None:
    """Several sections wait at once; each answer reaches its own, and no step runs twice."""
    graph = driver().build(redis, make_checkpointer(redis))
    await graph.ainvoke({"title": "Quarterly"}, THREAD, durability="sync")
    waiting = await graph.aget_state(THREAD)
    assert 2 == len(waiting.interrupts)

    for wait in waiting.interrupts:
        await graph.ainvoke(
            Command(resume={wait.id: f"yes to {wait.value}"}), THREAD, durability="sync"
        )
    final = await graph.aget_state(THREAD)

    assert REPORT == final.values["report"]
    assert {1} == set((await steps(redis)).values())


@pytest.mark.parametrize("server_url", ["valkey"], indirect=True)
@pytest.mark.parametrize("kill_in", ["retrieve:credit", "analyse:market"])
async def test_a_killed_run_ends_in_the_same_report(
    redis: Redis, server_url: str, kill_in: str
) -> None:
    """kill -9 in a parallel section, then resume: the same report, and no earlier step again."""
    with Drives(server_url) as drive:
        if kill_in == "retrieve:credit":
            assert -signal.SIGKILL == drive("start", kill_in)
            assert 0 == drive("resume")
        else:
            assert 0 == drive("start")
            assert -signal.SIGKILL == drive("answer", kill_in)
        assert 0 == drive("answer")
    final = await driver().build(redis, make_checkpointer(redis)).aget_state(THREAD)
    repeated = {step for step, count in (await steps(redis)).items() if count > 1}

    assert REPORT == final.values["report"]
    assert kill_in in repeated
    # What ran beside the killed section may run again; what was finished may not.
    assert {kill_in.partition(":")[0]} == {step.partition(":")[0] for step in repeated}


@pytest.mark.parametrize("server_url", ["valkey"], indirect=True)
async def test_a_run_killed_at_the_checkpointer_ends_in_the_same_report(
    redis: Redis, server_url: str
) -> None:
    """kill -9 right before or right after any kind of operation is stored, early and late."""
    places = [
        f"checkpoint.{operation}:{moment}=kill@{count}"
        for operation, counts in {"put": (1, 3), "put_writes": (2,), "get": (1,)}.items()
        for moment in ("before", "after")
        for count in counts
    ]
    reports = []
    with Drives(server_url) as drive:
        for number, place in enumerate(places):
            thread = f"r-{number}"
            assert -signal.SIGKILL == drive("start", place, thread=thread)
            graph = driver().build(redis, make_checkpointer(redis))
            begun = await graph.aget_state(at(thread=thread))
            # A crash before the first checkpoint starts from the stored input.
            assert 0 == drive("resume" if begun.next else "start", thread=thread)
            assert 0 == drive("answer", thread=thread)
            reports.append((await graph.aget_state(at(thread=thread))).values["report"])

    assert [REPORT] * len(places) == reports


async def test_forks_of_one_checkpoint_do_not_touch_each_other(redis: Redis) -> None:
    """Two what-ifs from one past state keep their own values, and the past keeps its own."""
    graph = words_graph(make_checkpointer(redis))
    await graph.ainvoke({"words": []}, THREAD, durability="sync")
    history = [state async for state in graph.aget_state_history(THREAD)]
    past = next(state for state in history if state.next == ("second",))
    forks = [
        await graph.aupdate_state(past.config, {"words": [f"fork {name}"]}, as_node="first")
        for name in "ab"
    ]
    results = [await graph.ainvoke(None, fork, durability="sync") for fork in forks]

    assert [["fork a", "added"], ["fork b", "added"]] == [result["words"] for result in results]
    assert ["fork a"] == (await graph.aget_state(forks[0])).values["words"]
    assert ["added"] == (await graph.aget_state(past.config)).values["words"]


async def test_a_value_is_stored_once_wherever_it_stands(redis: Redis) -> None:
    """A large value carried through many steps, and through channels and writes, is there once."""
    graph = words_graph(make_checkpointer(redis))
    text = "".join(map(str, range(20_000)))
    await graph.ainvoke({"words": [], "constant": text}, THREAD, durability="sync")
    values = [len(value) for value in await redis.hvals("assay:checkpoint:{r-1}:values")]

    # The graph's input is a channel of its own, a list of all that went in.
    assert 2 == len([size for size in values if size > 10_000])
    assert max(values) < len(text) / 2


async def test_checkpoints_are_listed_newest_first(redis: Redis) -> None:
    """Listing goes back in time, before a checkpoint, by metadata, as far as the limit."""
    saver = make_checkpointer(redis)
    graph = words_graph(make_checkpointer(redis))
    await graph.ainvoke({"words": []}, THREAD, durability="sync")
    found = [item async for item in saver.alist(THREAD)]
    ids = [item.checkpoint["id"] for item in found]

    assert sorted(ids, reverse=True) == ids
    assert [2, 1, 0, -1] == [item.metadata["step"] for item in found]
    assert found[:2] == [item async for item in saver.alist(THREAD, limit=2)]
    assert found[2:] == [item async for item in saver.alist(THREAD, before=found[1].config)]
    assert found[3:] == [item async for item in saver.alist(THREAD, filter={"source": "input"})]
    assert found == [item async for item in saver.alist(None)]
    assert found[1:2] == [item async for item in saver.alist(found[1].config)]
    assert found[0] == await saver.aget_tuple(THREAD)


async def test_a_thread_is_deleted_whole_and_alone(redis: Redis) -> None:
    """Deleting a thread leaves no key of it, and all of the others."""
    graph = driver().build(redis, saver := make_checkpointer(redis))
    for thread in ("r-1", "r-10"):
        config = {"configurable": {"thread_id": thread}}
        await graph.ainvoke({"title": "Quarterly"}, config, durability="sync")
    others = await redis.keys("assay:checkpoint:{r-10}:*")
    await saver.adelete_thread("r-1")

    assert None is await saver.aget_tuple(at())
    assert set(others) == set(await redis.keys("assay:checkpoint:*"))


async def test_writes_are_kept_and_ordered_as_they_apply(redis: Redis) -> None:
    """A repeated result changes nothing, a repeated error replaces the first; order is by path."""
    saver = make_checkpointer(redis)
    checkpoint = empty_checkpoint()
    config = await saver.aput(at(), checkpoint, {}, {})
    await saver.aput_writes(config, [("a", 1), ("b", None)], "task-2", "path-1")
    await saver.aput_writes(config, [("a", 2)], "task-1", "path-2")
    await saver.aput_writes(config, [("a", 9)], "task-2", "path-1")
    for error in ("first", "second"):
        await saver.aput_writes(config, [("__error__", error)], "task-3", "path-3")
    found = await saver.aget_tuple(config)

    assert found is not None
    assert [
        ("task-2", "a", 1),
        ("task-2", "b", None),
        ("task-1", "a", 2),
        ("task-3", "__error__", "second"),
    ] == found.pending_writes


async def test_plain_values_come_back_as_they_were(redis: Redis) -> None:
    """Text, bytes, numbers, money, times and nested values read back equal; odd names too."""
    saver = make_checkpointer(redis)
    values = {
        "text\0with zero": "a\0b",
        "bytes": b"\0\xff",
        "none": None,
        "nested": {"list": [1, 2.5, True], "money": Decimal("12.50")},
        "time": datetime(2026, 9, 30, tzinfo=UTC),
    }
    values = {name.replace("\0", " "): value for name, value in values.items()}
    versions = {name: saver.get_next_version(None, None) for name in values}
    checkpoint = empty_checkpoint() | {"channel_values": values, "channel_versions": versions}
    config = await saver.aput(at(space="s|a:b"), checkpoint, {"step": 1}, versions)
    found = await saver.aget_tuple(config)

    assert found is not None
    assert values == found.checkpoint["channel_values"]
    assert config == found.config
    assert None is await saver.aget_tuple(at(space="s"))


class Forged:
    """A type that a state must never bring to life."""

    def __init__(self, argument: str) -> None:
        pytest.fail(f"constructed from stored data: {argument}")


async def test_a_forged_state_constructs_nothing(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """A stored reference to a type that is not plain is not followed."""
    import ormsgpack

    saver = make_checkpointer(redis)
    versions: Any = {"forged": saver.get_next_version(None, None)}
    checkpoint = empty_checkpoint() | {
        "channel_values": {"forged": "x" * 100},
        "channel_versions": versions,
    }
    config = await saver.aput(at(), checkpoint, {}, versions)
    payload = ormsgpack.packb((__name__, "Forged", "boo"))
    forged = bytes([4]) + ormsgpack.packb(ormsgpack.Ext(0, payload))
    (digest,) = await redis.hkeys("assay:checkpoint:{r-1}:values")
    await redis.hset("assay:checkpoint:{r-1}:values", digest, forged)
    found = await saver.aget_tuple(config)

    assert found is not None
    assert not isinstance(found.checkpoint["channel_values"].get("forged"), Forged)


async def test_an_outage_is_no_empty_thread(redis: Redis, tmp_path: Path) -> None:
    """A store that does not answer raises; only a store that answers can say "none"."""
    assert None is await make_checkpointer(redis).aget_tuple(THREAD)

    async with connect("redis://127.0.0.1:1/0", tmp_path) as away:
        with pytest.raises(StoreUnavailable):
            await make_checkpointer(away).aget_tuple(THREAD)


async def test_versions_grow_and_never_repeat(redis: Redis) -> None:
    """Each version sorts after the one it follows; two that follow the same one differ."""
    saver = make_checkpointer(redis)
    version = None
    for _ in range(12):
        following = {saver.get_next_version(version, None) for _ in range(2)}
        assert 2 == len(following)
        assert version is None or all(one > version for one in following)
        version = max(following)
