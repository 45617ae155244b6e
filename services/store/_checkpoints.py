"""A LangGraph checkpointer on core commands: one round trip and one atomic step an operation."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
    writes_sort_key,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from redis.asyncio import Redis

from ._connection import redis_errors
from ._values import as_bytes

_PREFIX: Final = "assay:checkpoint:"
_PAGE: Final = 50

# A head begins with a JSON list, up to the first zero byte: the names of the channel values it
# refers to, then the tag of its own encoding.
_READ: Final = """
local found = {}
local ids = {unpack(ARGV, 2)}
if #ids == 0 then ids = redis.call('ZREVRANGE', KEYS[1], 0, 0) end
for _, id in ipairs(ids) do
  local head = redis.call('HGET', KEYS[2], id)
  if head then
    local names = cjson.decode(string.sub(head, 1, string.find(head, '\\0', 1, true) - 1))
    table.remove(names)
    local values = {}
    if #names > 0 then values = redis.call('HMGET', KEYS[3], unpack(names)) end
    found[#found + 1] = {id, head, values, redis.call('HGETALL', ARGV[1] .. id)}
  end
end
return found
"""

_DELETE: Final = """
for _, space in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  for _, id in ipairs(redis.call('ZRANGE', ARGV[1] .. 'index:' .. space, 0, -1)) do
    redis.call('UNLINK', ARGV[1] .. 'writes:' .. space .. ':' .. id)
  end
  for _, kind in ipairs({'index:', 'heads:', 'values:'}) do
    redis.call('UNLINK', ARGV[1] .. kind .. space)
  end
end
return redis.call('UNLINK', KEYS[1])
"""

_Stored: TypeAlias = tuple[bytes, bytes, list[bytes | None], list[bytes]]
"""Of one checkpoint: its id, head, channel values, and its writes as field, value, field, ..."""


class RedisSaver(BaseCheckpointSaver[str]):
    """See `make_checkpointer`."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self._redis = redis

    def get_next_version(self, current: str | None, channel: None) -> str:  # noqa: ARG002 (the base class's signature)
        # The random part keeps two forks of one checkpoint from sharing a name for a value.
        number = int(current.partition(".")[0]) if current else 0
        return f"{number + 1:012d}.{secrets.token_hex(6)}"

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        space = _Space.of(config)
        wanted = get_checkpoint_id(config)
        async for found in self._read(space, [wanted] if wanted else []):
            return found
        return None

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 (the base class's name)
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        wanted = get_checkpoint_id(config) if config else None
        end = get_checkpoint_id(before) if before else None
        count = 0
        async for space in self._spaces(config):
            ids = [wanted] if wanted else await self._ids(space, end)
            async for found in self._read(space, ids) if ids else _nothing():
                if not _matches(found, filter, end):
                    continue
                if limit is not None and count >= limit:
                    return
                count += 1
                yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        space = _Space.of(config)
        values, versions = checkpoint["channel_values"], checkpoint["channel_versions"]
        names = [_name(channel, versions[channel]) for channel in values if channel in versions]
        head = {
            "checkpoint": {k: v for k, v in checkpoint.items() if k != "channel_values"},
            "metadata": get_serializable_checkpoint_metadata(config, metadata),
            "parent": get_checkpoint_id(config),
        }
        new_values: dict[Any, Any] = {
            _name(channel, version): self._pack([], values[channel])
            for channel, version in new_versions.items()
            if channel in values
        }
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as commands:
                commands.sadd(space.names, space.name)
                commands.zadd(space.index, {checkpoint["id"]: 0})
                commands.hset(space.heads, checkpoint["id"], self._pack(names, head))
                if new_values:
                    commands.hset(space.values, mapping=new_values)
                await commands.execute()
        return space.config(checkpoint["id"])

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        key = _Space.of(config).writes + config["configurable"]["checkpoint_id"]
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as commands:
                for position, (channel, value) in enumerate(writes):
                    index = WRITES_IDX_MAP.get(channel, position)
                    packed = self._pack([task_path, channel], value)
                    # Errors and interrupts are replaced; a result, once there, is kept.
                    put = commands.hset if index < 0 else commands.hsetnx
                    put(key, f"{task_id}\0{index}", packed)
                await commands.execute()

    async def adelete_thread(self, thread_id: str) -> None:
        prefix = _thread_prefix(thread_id)
        with redis_errors():
            await self._redis.register_script(_DELETE)(keys=[prefix + "spaces"], args=[prefix])

    async def _read(self, space: _Space, ids: Sequence[str]) -> AsyncIterator[CheckpointTuple]:
        """The checkpoints of *ids* that exist, in that order; of no ids, the newest."""
        script = self._redis.register_script(_READ)
        keys = [space.index, space.heads, space.values]
        for start in range(0, max(len(ids), 1), _PAGE):
            with redis_errors():
                page = await script(keys=keys, args=[space.writes, *ids[start : start + _PAGE]])
            for stored in cast("list[_Stored]", page):
                yield self._tuple(space, *stored)

    def _tuple(
        self,
        space: _Space,
        checkpoint_id: bytes,
        packed_head: bytes,
        packed_values: list[bytes | None],
        packed_writes: list[bytes],
    ) -> CheckpointTuple:
        names, head = self._unpack(packed_head)
        values = {
            name.partition("\0")[0]: self._unpack(packed)[1]
            for name, packed in zip(names, packed_values, strict=True)
            if packed is not None
        }
        return CheckpointTuple(
            config=space.config(checkpoint_id.decode()),
            checkpoint=cast("Checkpoint", {**head["checkpoint"], "channel_values": values}),
            metadata=head["metadata"],
            parent_config=space.config(head["parent"]) if head["parent"] else None,
            pending_writes=list(self._writes(packed_writes)),
        )

    def _writes(self, packed: list[bytes]) -> Iterator[tuple[str, str, Any]]:
        found = []
        for field, content in zip(packed[::2], packed[1::2], strict=True):
            task_id, _, index = field.decode().partition("\0")
            (task_path, channel), value = self._unpack(content)
            found.append((writes_sort_key(task_path, task_id, int(index)), channel, value))
        for (_, task_id, _), channel, value in sorted(found, key=lambda write: write[0]):
            yield task_id, channel, value

    async def _ids(self, space: _Space, end: str | None) -> list[str]:
        with redis_errors():
            ids = await self._redis.zrevrangebylex(space.index, f"({end}" if end else "+", "-")
        return [as_bytes(checkpoint_id).decode() for checkpoint_id in ids]

    async def _spaces(self, config: RunnableConfig | None) -> AsyncIterator[_Space]:
        """The namespaces that *config* speaks of: one, all of a thread, or all there are."""
        if config and "checkpoint_ns" in config["configurable"]:
            yield _Space.of(config)
            return
        with redis_errors():
            if config:
                threads = [str(config["configurable"]["thread_id"])]
            else:
                pattern = _thread_prefix("*") + "spaces"
                keys = {as_bytes(key).decode() async for key in self._redis.scan_iter(pattern)}
                threads = sorted(key[len(_PREFIX) + 1 : -len("}:spaces")] for key in keys)
            for thread in threads:
                names = await self._redis.smembers(_thread_prefix(thread) + "spaces")
                for name in sorted(as_bytes(name).decode() for name in names):
                    yield _Space(thread, name)

    def _pack(self, header: Iterable[str], value: Any) -> bytes:
        tag, body = self.serde.dumps_typed(value)
        # JSON escapes a zero inside a string, so the first zero byte is ours.
        return json.dumps([*header, tag]).encode() + b"\0" + body

    def _unpack(self, packed: bytes) -> tuple[list[str], Any]:
        header, _, body = packed.partition(b"\0")
        *rest, tag = json.loads(header)
        return rest, self.serde.loads_typed((tag, body))


class _Space:
    """One thread's namespace, the graph's own or a subgraph's, and its keys."""

    def __init__(self, thread: str, name: str) -> None:
        prefix = _thread_prefix(thread)
        self.thread = thread
        self.name = name
        self.names = prefix + "spaces"
        self.index = f"{prefix}index:{name}"
        self.heads = f"{prefix}heads:{name}"
        self.values = f"{prefix}values:{name}"
        self.writes = f"{prefix}writes:{name}:"

    @classmethod
    def of(cls, config: RunnableConfig) -> _Space:
        settings = config["configurable"]
        return cls(str(settings["thread_id"]), settings.get("checkpoint_ns", ""))

    def config(self, checkpoint_id: str) -> RunnableConfig:
        return {
            "configurable": {
                "thread_id": self.thread,
                "checkpoint_ns": self.name,
                "checkpoint_id": checkpoint_id,
            }
        }


def _thread_prefix(thread: str) -> str:
    # The braces keep all keys of a thread in one slot of a cluster.
    return f"{_PREFIX}{{{thread}}}:"


def _name(channel: str, version: object) -> str:
    return f"{channel}\0{version}"


def _matches(found: CheckpointTuple, wanted: dict[str, Any] | None, end: str | None) -> bool:
    if end and found.checkpoint["id"] >= end:
        return False
    metadata = cast("dict[str, Any]", found.metadata)
    return all(metadata.get(key) == value for key, value in (wanted or {}).items())


async def _nothing() -> AsyncIterator[CheckpointTuple]:
    return
    yield
