"""The saver: its asyncio half, on top of the blocking one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from services.failpoints import failpoint
from services.store import redis_errors

from . import _scripts
from ._base import Call, Histories, Page, Search, pruned, together
from ._blocking import BlockingHalf, filter_page
from ._cipher import Cipher
from ._options import Fence, Pruned, Retention
from ._space import ALL_INDEXES, thread_of


class RedisSaver(BlockingHalf):
    """
    A checkpointer on core commands of Redis 7+ or Valkey 8+: see docs/checkpointer.md.

    Each operation is one round trip and one atomic script, and may be sent twice without harm.
    Raises `StoreUnavailable` when the store does not answer and `RunBusy` when the fence is lost.
    """

    def __init__(
        self,
        redis: Redis | None = None,
        *,
        blocking: BlockingRedis | None = None,
        fence: Fence | None = None,
        retention: Retention | None = None,
        cipher: Cipher | None = None,
        serde: SerializerProtocol | None = None,
    ) -> None:
        super().__init__(
            fence=fence, retention=retention or Retention(), cipher=cipher, serde=serde
        )
        self._redis = redis
        self._blocking = blocking

    @failpoint("checkpoint.get")
    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        call = self._get_call(config)
        page = self._page(call, await self._aask(call))
        return page.tuples[0] if page.tuples else None

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 (the base class's name)
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        search = Search.of(config, filter, before)
        left = limit
        for thread in [config["configurable"]["thread_id"]] if config else await self._athreads():
            start, begun = b"", False
            while left != 0 and (start or not begun):
                page = await self._alist_page(self._list_call(str(thread), search, start, left))
                start, begun = page.next, True
                for found in filter_page(page.tuples, search, left):
                    left = None if left is None else left - 1
                    yield found

    @failpoint("checkpoint.put")
    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        for trust in (True, False):
            call, head = self._put_call(config, checkpoint, metadata, new_versions, trust=trust)
            if not await self._aask(call):
                break
        return self._put_done(config, checkpoint["id"], head)

    @failpoint("checkpoint.put_writes")
    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        for trust in (True, False):
            call, record = self._writes_call(config, writes, task_id, task_path, trust=trust)
            if not await self._aask(call):
                break
        self._writes_done(config, record)

    @failpoint("checkpoint.delete")
    async def adelete_thread(self, thread_id: str) -> None:
        await self._aask(self._call(_scripts.DELETE, thread_id))

    @failpoint("checkpoint.delete")
    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        for thread in await self._athreads() if run_ids else ():
            await self._aask(self._delete_runs_call(thread, run_ids))

    @failpoint("checkpoint.copy")
    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        if source_thread_id == target_thread_id:
            return
        dumped = await self._aask(self._call(_scripts.DUMP, source_thread_id))
        if call := self._load_call(target_thread_id, dumped):
            await self._aask(call)

    @failpoint("checkpoint.prune")
    async def aprune(  # type: ignore[override]  # the base class's tells nothing
        self,
        thread_ids: Sequence[str],
        *,
        strategy: str = "keep_latest",
        keep: int = 1,
        dry_run: bool = False,
    ) -> Pruned:
        calls = [self._prune_call(one, strategy, keep, dry_run=dry_run) for one in thread_ids]
        return together([pruned(call.thread, await self._aask(call)) for call in calls])

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        histories = Histories(channels)
        start = config["configurable"].get("checkpoint_id") or ""
        while histories.open:
            page = await self._alist_page(self._ancestors_call(config, start))
            for ancestor in page.tuples:
                histories.add(ancestor)
            if not page.next:
                break
            start = page.next.decode()
        return histories.told()

    @failpoint("checkpoint.list")
    async def _alist_page(self, call: Call) -> Page:
        return self._page(call, await self._aask(call))

    async def _aask(self, call: Call) -> Any:
        """One round trip, and one more the first time that a server hears of a script."""
        redis, script, count = self._client(), call.script, len(call.keys)
        with redis_errors():
            try:
                answer = await redis.evalsha(script.sha, count, *call.keys, *call.args)
            except NoScriptError:
                answer = await redis.eval(script.text, count, *call.keys, *call.args)
        return self._checked(call, answer)

    async def _athreads(self) -> list[str]:
        with redis_errors():
            scan = self._client().scan_iter(ALL_INDEXES, count=1000)
            indexes = {cast("bytes", key) async for key in scan}
        return sorted(thread_of(key.decode()) for key in indexes)

    def _client(self) -> Redis:
        if self._redis is None:
            raise TypeError("this saver has no asyncio client: build it with one, or use invoke")
        return self._redis
