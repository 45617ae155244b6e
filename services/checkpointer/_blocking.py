"""The blocking half of the saver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from redis import Redis
from redis.exceptions import NoScriptError

from services.failpoints import reached
from services.store import redis_errors

from . import _scripts
from ._base import Call, Histories, SaverBase, Search, pruned, together
from ._options import Pruned
from ._space import ALL_INDEXES, thread_of


class BlockingHalf(SaverBase):
    """`BaseCheckpointSaver` for graphs that are invoked without asyncio."""

    _blocking: Redis | None

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        call = self._get_call(config)
        page = self._page(call, self._ask(call))
        return page.tuples[0] if page.tuples else None

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 (the base class's name)
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        search = Search.of(config, filter, before)
        left = limit
        for thread in [config["configurable"]["thread_id"]] if config else self._threads():
            start, begun = b"", False
            while left != 0 and (start or not begun):
                call = self._list_call(str(thread), search, start, left)
                page = self._page(call, self._ask(call))
                start, begun = page.next, True
                for found in filter_page(page.tuples, search, left):
                    left = None if left is None else left - 1
                    yield found

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        for trust in (True, False):
            call, head = self._put_call(config, checkpoint, metadata, new_versions, trust=trust)
            if not self._ask(call):
                break
        return self._put_done(config, checkpoint["id"], head)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        for trust in (True, False):
            call, record = self._writes_call(config, writes, task_id, task_path, trust=trust)
            if not self._ask(call):
                break
        self._writes_done(config, record)

    def delete_thread(self, thread_id: str) -> None:
        self._ask(self._call(_scripts.DELETE, thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        for thread in self._threads() if run_ids else ():
            self._ask(self._delete_runs_call(thread, run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        if source_thread_id == target_thread_id:
            return
        dumped = self._ask(self._call(_scripts.DUMP, source_thread_id))
        if call := self._load_call(target_thread_id, dumped):
            self._ask(call)

    def prune(  # type: ignore[override]  # the base class's tells nothing
        self,
        thread_ids: Sequence[str],
        *,
        strategy: str = "keep_latest",
        keep: int = 1,
        dry_run: bool = False,
    ) -> Pruned:
        calls = [self._prune_call(one, strategy, keep, dry_run=dry_run) for one in thread_ids]
        return together([pruned(call.thread, self._ask(call)) for call in calls])

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        histories = Histories(channels)
        start = config["configurable"].get("checkpoint_id") or ""
        while histories.open:
            call = self._ancestors_call(config, start)
            page = self._page(call, self._ask(call))
            for ancestor in page.tuples:
                histories.add(ancestor)
            if not page.next:
                break
            start = page.next.decode()
        return histories.told()

    def _ask(self, call: Call) -> Any:
        """One round trip, and one more the first time that a server hears of a script."""
        if self._blocking is None:
            raise TypeError("this saver has no blocking client: build it with one, or use ainvoke")
        script, count = call.script, len(call.keys)
        reached(f"{script.name}:before")
        with redis_errors():
            try:
                answer = self._blocking.evalsha(script.sha, count, *call.keys, *call.args)
            except NoScriptError:
                answer = self._blocking.eval(script.text, count, *call.keys, *call.args)
        reached(f"{script.name}:after")
        return self._checked(call, answer)

    def _threads(self) -> Iterator[str]:
        if self._blocking is None:
            raise TypeError("this saver has no blocking client: build it with one, or use ainvoke")
        with redis_errors():
            indexes = {bytes(key) for key in self._blocking.scan_iter(ALL_INDEXES, count=1000)}
        yield from sorted(thread_of(key.decode()) for key in indexes)


def filter_page(
    tuples: Sequence[CheckpointTuple], search: Search, limit: int | None
) -> list[CheckpointTuple]:
    """Those that are looked for, at most *limit*."""
    return [found for found in tuples if search.finds(found)][:limit]
