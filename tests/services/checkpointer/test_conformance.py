"""LangGraph's own suite for checkpointers, whole: the optional capabilities too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import ALL_CAPABILITIES
from pydantic import SecretStr
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from services.checkpointer import Fence, make_checkpointer

KEY = SecretStr("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
TESTS = 81


class OverBlocking(BaseCheckpointSaver[str]):
    """The suite calls what is asynchronous; this hands each call to the blocking half."""

    def __init__(self, saver: Any) -> None:
        super().__init__(serde=saver.serde)
        self._saver = saver

    async def aget_tuple(self, config: Any) -> Any:
        return self._saver.get_tuple(config)

    async def alist(self, config: Any, **options: Any) -> AsyncIterator[Any]:
        for found in self._saver.list(config, **options):
            yield found

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        return self._saver.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: Any, writes: Sequence[Any], task_id: str, task_path: str = ""
    ) -> None:
        self._saver.put_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        self._saver.delete_thread(thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        self._saver.delete_for_runs(run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._saver.copy_thread(source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self._saver.prune(thread_ids, strategy=strategy)


async def validated(saver: BaseCheckpointSaver[str]) -> None:
    @checkpointer_test(name="ours")
    async def ours() -> AsyncIterator[BaseCheckpointSaver[str]]:
        yield saver

    results = (await validate(ours)).results

    assert {} == {name: result.failures for name, result in results.items() if result.failures}
    assert {capability.value for capability in ALL_CAPABILITIES} == {
        name for name, result in results.items() if result.passed
    }
    assert TESTS == sum(result.tests_passed for result in results.values())


async def test_the_asyncio_half_conforms(redis: Redis) -> None:
    """Every test of the suite passes."""
    await validated(make_checkpointer(redis))


async def test_the_blocking_half_conforms(blocking: BlockingRedis) -> None:
    """Every test of the suite passes, called without asyncio."""
    await validated(OverBlocking(make_checkpointer(blocking=blocking)))


async def test_it_conforms_fenced_and_encrypted(redis: Redis) -> None:
    """A fence that holds and a key change nothing that the suite can see."""
    await redis.set("assay:fence:{r}", 3)

    await validated(make_checkpointer(redis, fence=Fence(key="assay:fence:{r}", token=3), key=KEY))


@pytest.mark.parametrize("half", ["asyncio", "blocking"])
async def test_a_saver_says_which_client_it_lacks(half: str) -> None:
    """A call that the saver was not built for names what is missing."""
    saver = make_checkpointer()
    config: Any = {"configurable": {"thread_id": "r-1"}}

    with pytest.raises(TypeError, match=f"no {half} client"):
        saver.get_tuple(config) if half == "blocking" else await saver.aget_tuple(config)
