"""Threads and checkpoints that the tests of this folder put."""

from __future__ import annotations

from typing import Any, TypedDict

from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from services.checkpointer import make_checkpointer

THREAD: Any = {"configurable": {"thread_id": "r-1"}}
LONG = "a value that is long enough to be stored by itself, beside its checkpoint. " * 3


def at(checkpoint_id: str = "", space: str = "", thread: str = "r-1") -> Any:
    """A configuration that names a thread, a namespace and perhaps a checkpoint."""
    named = {"checkpoint_id": checkpoint_id} if checkpoint_id else {}
    return {"configurable": {"thread_id": thread, "checkpoint_ns": space, **named}}


def state(number: int = 1, **values: Any) -> Any:
    """A checkpoint with *values*, and the versions of them all."""
    versions = dict.fromkeys(values, number)
    return empty_checkpoint() | {"channel_values": values, "channel_versions": versions}


async def put(saver: Any, config: Any, metadata: Any = None, **values: Any) -> Any:
    checkpoint = state(**values)
    return await saver.aput(config, checkpoint, metadata or {}, checkpoint["channel_versions"])


async def put_chain(saver: Any, count: int, config: Any = None, **metadata: Any) -> list[Any]:
    """*count* checkpoints, each made from the one before and each with a value of its own."""
    configs = [config or at()]
    for step in range(count):
        said = {"step": step, **metadata}
        configs.append(await put(saver, configs[-1], said, text=f"{step} {LONG}"))
    return configs[1:]


async def listed(saver: Any, config: Any = None, **options: Any) -> list[CheckpointTuple]:
    return [found async for found in saver.alist(config or at(), **options)]


class Words(TypedDict, total=False):
    words: list[str]
    constant: str
    answer: str


def words_graph(saver: Any) -> Any:
    """Two steps, each adding a word."""

    async def add(state: Words) -> Words:
        return {"words": [*state["words"], "added"]}

    graph = StateGraph(Words)
    graph.add_sequence([("first", add), ("second", add)])
    graph.add_edge(START, "first")
    return graph.compile(checkpointer=saver)


def waiting_graph(saver: Any) -> Any:
    """A step, then a question, then a step."""

    async def add(state: Words) -> Words:
        return {"words": [*state["words"], "added"]}

    async def ask(state: Words) -> Words:
        return {"answer": interrupt("go on?")}

    graph = StateGraph(Words)
    graph.add_sequence([("first", add), ("ask", ask), ("last", add)])
    graph.add_edge(START, "first")
    return graph.compile(checkpointer=saver)


__all__ = [
    "LONG",
    "THREAD",
    "Words",
    "at",
    "listed",
    "make_checkpointer",
    "put",
    "put_chain",
    "state",
    "waiting_graph",
    "words_graph",
]
