"""The records of a thread: a checkpoint's head, a task's writes, and the values they refer to."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
    writes_sort_key,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from ._codec import DIGEST_BYTES, Codec, missing, plain
from ._memory import Carried, Memory
from ._space import Space

Values: TypeAlias = dict[bytes, bytes]
"""Stored values by their digests."""
Shown: TypeAlias = tuple[bytes, bytes, list[bytes]]
"""Of one checkpoint: its member, its head, and task, writes, task, writes, ..."""

# What is smaller stands in the record itself: its digest and its place would take as much.
_INLINE: Final = 64
_HEAD_PARTS: Final = 6
_SHORT = struct.Struct(">H")
_LONG = struct.Struct(">I")
_WRITE = struct.Struct(">hB")


@dataclass(frozen=True, slots=True)
class Stowed:
    """A record, and the values that it refers to."""

    record: bytes
    needed: bytes
    """Digests of values that are stored already, as far as is known."""
    new: list[bytes]
    """Digest, value, digest, value, ..."""
    digests: list[bytes]
    carried: Carried


class _Stowage:
    """Gathers the values of one record."""

    def __init__(
        self, codec: Codec, serde: SerializerProtocol, memory: Memory | None, thread: str
    ) -> None:
        self._codec = codec
        self._serde = serde
        self._memory = memory
        self._thread = thread
        self._needed: list[bytes] = []
        self._new: dict[bytes, bytes] = {}
        self.digests: list[bytes] = []

    def stow(self, value: Any) -> bytes | None:
        """The digest that *value* is stored by, or None when it is to stand in the record."""
        if plain(value):
            return None
        tag, content = self._serde.dumps_typed(value)
        if len(content) <= _INLINE:
            return None
        digest = self._codec.digest(tag, content)
        if self._memory is not None and self._memory.is_stored(self._thread, digest):
            self.refer(digest)
        else:
            self.digests.append(digest)
            self._new[digest] = self._codec.pack(tag, content, digest)
        return digest

    def refer(self, digest: bytes) -> None:
        """Refer to a value that is stored already."""
        self.digests.append(digest)
        self._needed.append(digest)

    def with_record(self, record: bytes, carried: Carried) -> Stowed:
        new = [part for pair in self._new.items() for part in pair]
        return Stowed(record, b"".join(self._needed), new, self.digests, carried)


class Records:
    """Turns checkpoints and writes into records, and back."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.memory = Memory()

    def checkpoint(
        self,
        serde: SerializerProtocol,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
        *,
        trust: bool,
    ) -> Stowed:
        """The head of a checkpoint. Without *trust*, nothing is taken to be stored already."""
        space, parent = Space.of(config), get_checkpoint_id(config) or ""
        stowage = _Stowage(self.codec, serde, self.memory if trust else None, space.thread)
        known = self.memory.carried(space.thread, space.member(parent)) if trust else {}
        carried = _stow_channels(stowage, known, checkpoint, new_versions)
        refs = {channel: digest for channel, (_, digest) in carried.items() if digest}
        values = checkpoint["channel_values"]
        inline = {channel: values[channel] for channel in carried if channel not in refs}
        full = get_serializable_checkpoint_metadata(config, metadata)
        rest = {key: value for key, value in checkpoint.items() if key != "channel_values"}
        body = self.codec.pack(
            *serde.dumps_typed([rest, full, list(refs), inline]), space.member(checkpoint["id"])
        )
        parts = self._head_parts(space, checkpoint, full, parent)
        packed = [_SHORT.pack(len(part)) + part for part in parts]
        record = b"".join((*packed, _LONG.pack(len(refs) * DIGEST_BYTES), *refs.values(), body))
        return stowage.with_record(record, carried)

    def writes(
        self,
        serde: SerializerProtocol,
        space: Space,
        name: bytes,
        writes: Sequence[tuple[str, Any]],
        task_path: str,
        *,
        trust: bool,
    ) -> Stowed:
        """What a task wrote, stored under *name*."""
        stowage = _Stowage(self.codec, serde, self.memory if trust else None, space.thread)
        parts = []
        for position, (channel, value) in enumerate(writes):
            number = WRITES_IDX_MAP.get(channel, position)
            ref = stowage.stow(value)
            content = [task_path, channel] if ref else [task_path, channel, value]
            body = self.codec.pack(*serde.dumps_typed(content), b"%s\0%d" % (name, number))
            parts += [_WRITE.pack(number, len(ref or b"")), ref or b"", _LONG.pack(len(body)), body]
        return stowage.with_record(b"".join(parts), {})

    def marks(self, metadata: dict[str, Any]) -> bytes:
        """Signs of those entries by which a script can tell that a head is not wanted."""
        return b"".join(self.codec.mark(name, value) for name, value in metadata.items())

    def run(self, run_id: object) -> bytes:
        """The sign of a run, by which its checkpoints are found."""
        return self.codec.digest("run", str(run_id).encode()) if run_id else b""

    def read(
        self, serde: SerializerProtocol, thread: str, shown: Shown, values: Values
    ) -> CheckpointTuple:
        member, head, writes = shown
        _, name, checkpoint_id = member.decode().split("\0")
        space = Space(thread, name)
        parent, refs, packed = _split_head(head)
        rest, metadata, names, inline = serde.loads_typed(self.codec.unpack(packed, member))
        found = {
            channel: self._value(serde, values, ref)
            for channel, ref in zip(names, refs, strict=True)
        }
        versions = rest["channel_versions"]
        carried = {channel: (versions.get(channel), None) for channel in inline}
        carried |= {
            channel: (versions.get(channel), ref) for channel, ref in zip(names, refs, strict=True)
        }
        self.memory.saw_checkpoint(thread, member, carried)
        self.memory.saw(thread, refs)
        return CheckpointTuple(
            config=space.config(checkpoint_id),
            checkpoint=cast("Checkpoint", {**rest, "channel_values": {**found, **inline}}),
            metadata=metadata,
            parent_config=space.config(parent) if parent else None,
            pending_writes=self._pending(serde, member, writes, values),
        )

    def _head_parts(
        self, space: Space, checkpoint: Checkpoint, metadata: CheckpointMetadata, parent: str
    ) -> tuple[bytes, ...]:
        """What scripts read of a head; see `parsed` in prelude.lua."""
        values = checkpoint["channel_values"]
        owner = (metadata.get("parents") or {}).get(space.outer, "") if space.name else ""
        deltas = metadata.get("counters_since_delta_snapshot") or {}
        needs = [channel for channel in deltas if channel not in values]
        snapshots = [name for name, value in values.items() if isinstance(value, _DeltaSnapshot)]
        return (
            self.run(metadata.get("run_id")),
            self.marks(cast("dict[str, Any]", metadata)),
            parent.encode(),
            owner.encode(),
            b"".join(self.codec.mark("channel", channel) for channel in needs),
            b"".join(self.codec.mark("channel", channel) for channel in snapshots),
        )

    def _pending(
        self, serde: SerializerProtocol, member: bytes, writes: list[bytes], values: Values
    ) -> list[tuple[str, str, Any]]:
        found = []
        for task, record in zip(writes[::2], writes[1::2], strict=True):
            name = b"w%s\0%s" % (member[1:], task)
            for number, ref, body in _each_write(record):
                content = serde.loads_typed(self.codec.unpack(body, b"%s\0%d" % (name, number)))
                value = self._value(serde, values, ref) if ref else content[2]
                order = writes_sort_key(content[0], task.decode(), number)
                found.append((order, content[1], value))
        found.sort(key=lambda write: write[0])
        return [(order[1], channel, value) for order, channel, value in found]

    def _value(self, serde: SerializerProtocol, values: Values, digest: bytes) -> Any:
        stored = values.get(digest)
        if stored is None:
            raise missing("a value that a checkpoint refers to")
        return serde.loads_typed(self.codec.unpack(stored, digest))


def _stow_channels(
    stowage: _Stowage, known: Carried, checkpoint: Checkpoint, new_versions: ChannelVersions
) -> Carried:
    """Each channel's version, and the digest of its value unless that stands in the head."""
    carried: dict[str, tuple[object, bytes | None]] = {}
    for channel, value in checkpoint["channel_values"].items():
        version = checkpoint["channel_versions"].get(channel)
        if version is None:
            continue
        digest = None
        was = known.get(channel)
        if channel not in new_versions and was is not None and was[0] == version:
            if digest := was[1]:
                stowage.refer(digest)
        else:
            digest = stowage.stow(value)
        carried[channel] = (version, digest)
    return carried


def _split_head(head: bytes) -> tuple[str, list[bytes], bytes]:
    """The parent's id, the digests of values, and the packed body."""
    at, parts = 0, []
    for _ in range(_HEAD_PARTS):
        (size,) = _SHORT.unpack_from(head, at)
        parts.append(head[at + 2 : at + 2 + size])
        at += 2 + size
    (size,) = _LONG.unpack_from(head, at)
    at += 4
    refs = [head[start : start + DIGEST_BYTES] for start in range(at, at + size, DIGEST_BYTES)]
    return parts[2].decode(), refs, head[at + size :]


def _each_write(record: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, digest (or nothing) and packed body of each write."""
    at = 0
    while at < len(record):
        number, size = _WRITE.unpack_from(record, at)
        at += _WRITE.size
        ref = record[at : at + size]
        at += size
        (size,) = _LONG.unpack_from(record, at)
        at += 4
        yield number, ref, record[at : at + size]
        at += size
