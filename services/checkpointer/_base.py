"""What the blocking and the asyncio half of the saver share: calls to make, answers to read."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
    get_checkpoint_id,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import INTERRUPT

from services.errors import InputConflict, RunBusy

from . import _scripts
from ._cipher import Cipher
from ._codec import MARK_BYTES, Codec
from ._options import Fence, Pruned, Retention
from ._records import Records, Shown, Stowed
from ._scripts import Script
from ._space import Space, keys_of

PAGE: Final = 50
Strategy: TypeAlias = Literal["keep_latest", "delete"]


@dataclass(frozen=True, slots=True)
class Call:
    """One script with its keys and arguments, for one thread."""

    script: Script
    thread: str
    keys: tuple[str, ...]
    args: list[Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some checkpoints, and where the next ones begin; nowhere when that is empty."""

    tuples: list[CheckpointTuple]
    next: bytes


@dataclass(frozen=True, slots=True)
class Search:
    """What a listing is asked for."""

    space: str | None
    wanted: str | None
    before: str | None
    filter: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        config: RunnableConfig | None,
        filter_: Mapping[str, Any] | None,
        before: RunnableConfig | None,
    ) -> Search:
        return cls(
            space=config["configurable"].get("checkpoint_ns") if config else None,
            wanted=get_checkpoint_id(config) if config else None,
            before=get_checkpoint_id(before) if before else None,
            filter=filter_ or {},
        )

    @property
    def is_for_one(self) -> bool:
        """Whether there can be but one, which need not be looked for."""
        return self.space is not None and self.wanted is not None

    def finds(self, found: CheckpointTuple) -> bool:
        """The whole test; a script makes only the part of it that saves sending."""
        if self.wanted is not None and found.checkpoint["id"] != self.wanted:
            return False
        if self.before is not None and found.checkpoint["id"] >= self.before:
            return False
        metadata = cast("dict[str, Any]", found.metadata)
        return all(metadata.get(key) == value for key, value in self.filter.items())


class SaverBase(BaseCheckpointSaver[str]):
    """See `RedisSaver`."""

    def __init__(
        self,
        *,
        fence: Fence | None,
        retention: Retention,
        cipher: Cipher | None,
        serde: SerializerProtocol | None,
    ) -> None:
        # No module is allowed: stored bytes bring only plain values to life.
        super().__init__(serde=serde or JsonPlusSerializer(allowed_msgpack_modules=None))
        ttl = retention.ttl
        self._fence_keys = (fence.key,) if fence else ()
        self._first = [int(ttl.total_seconds() * 1000) if ttl else 0, fence.token if fence else ""]
        self._keep = retention.keep or 0
        self._records = Records(Codec(cipher))

    def get_next_version(self, current: str | None, channel: None) -> str:  # noqa: ARG002 (the base class's signature)
        # The random part keeps two forks of one checkpoint from giving two values one version.
        number = int(str(current).partition(".")[0]) if current else 0
        return f"{number + 1:08d}.{secrets.token_hex(4)}"

    def _call(self, script: Script, thread: object, *args: Any) -> Call:
        thread = str(thread)  # LangGraph takes numbers for names, too
        keys = (*keys_of(thread), *self._fence_keys)
        return Call(script, thread, keys, [*self._first, *args])

    def _get_call(self, config: RunnableConfig) -> Call:
        space = Space.of(config)
        return self._call(_scripts.GET, space.thread, space.name, get_checkpoint_id(config) or "")

    def _put_call(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
        *,
        trust: bool,
    ) -> tuple[Call, Stowed]:
        space = Space.of(config)
        head = self._records.checkpoint(
            self.serde, config, checkpoint, metadata, new_versions, trust=trust
        )
        args = (space.name, checkpoint["id"], head.record, self._keep, head.needed, *head.new)
        return self._call(_scripts.PUT, space.thread, *args), head

    def _put_done(self, config: RunnableConfig, checkpoint_id: str, head: Stowed) -> RunnableConfig:
        space = Space.of(config)
        memory = self._records.memory
        memory.saw(space.thread, head.digests)
        memory.saw_checkpoint(space.thread, space.member(checkpoint_id), head.carried)
        return space.config(checkpoint_id)

    def _writes_call(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
        *,
        trust: bool,
    ) -> tuple[Call, Stowed]:
        space = Space.of(config)
        checkpoint_id = config["configurable"]["checkpoint_id"]
        name = b"w%s\0%s" % (space.member(checkpoint_id)[1:], task_id.encode())
        record = self._records.writes(self.serde, space, name, writes, task_path, trust=trust)
        waits = not space.name and any(channel == INTERRUPT for channel, _ in writes)
        args = (
            *(space.name, checkpoint_id, task_id, int(waits)),
            *(record.needed, record.record, *record.new),
        )
        return self._call(_scripts.PUT_WRITES, space.thread, *args), record

    def _writes_done(self, config: RunnableConfig, record: Stowed) -> None:
        self._records.memory.saw(Space.of(config).thread, record.digests)

    def _list_call(self, thread: str, search: Search, start: bytes, limit: int | None) -> Call:
        one = search.space is not None
        name = search.space or ""
        if search.is_for_one:
            return self._call(_scripts.GET, thread, name, search.wanted)
        if one and search.before and not start:
            start = Space(thread, name).member(search.before)
        marks = self._records.marks(dict(search.filter))
        # What the script cannot tell by marks alone is told here, of whole pages.
        is_exact = len(marks) == MARK_BYTES * len(search.filter) and search.wanted is None
        count = min(PAGE, limit) if limit and is_exact else PAGE
        args = (int(one), name, start, search.before or "", count, marks)
        return self._call(_scripts.LIST, thread, *args)

    def _ancestors_call(self, config: RunnableConfig, start: str) -> Call:
        space = Space.of(config)
        return self._call(_scripts.ANCESTORS, space.thread, space.name, start, PAGE)

    def _load_call(self, thread: str, dumped: Any) -> Call | None:
        members, fields, values = dumped
        if not members:
            return None
        args = (len(members), len(fields), *members, *fields, *values)
        return self._call(_scripts.LOAD, thread, *args)

    def _prune_call(self, thread: str, strategy: str, keep: int, *, dry_run: bool) -> Call:
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f"strategy is keep_latest or delete, not {strategy!r}")
        if keep < 1:
            raise ValueError(f"keep must be at least 1, got {keep!r}")
        left = keep if strategy == "keep_latest" else 0
        return self._call(_scripts.PRUNE, thread, left, int(dry_run))

    def _delete_runs_call(self, thread: str, run_ids: Iterable[str]) -> Call:
        signs = [self._records.run(run_id) for run_id in run_ids]
        return self._call(_scripts.DELETE_RUNS, thread, *signs)

    def _checked(self, call: Call, answer: Any) -> Any:
        """The answer, unless the script refused."""
        if answer == _scripts.FENCED:
            raise RunBusy(
                f"This process lost its hold of run {call.thread}; another may drive it now.",
                hint=f"See `assay run show {call.thread}`.",
            )
        if answer == _scripts.TAKEN:
            raise InputConflict(
                f"Thread {call.thread} holds a state of its own already; nothing was copied.",
                hint="Copy to a new thread, or delete this one first.",
            )
        return answer

    def _page(self, call: Call, answer: Any) -> Page:
        if not answer:
            return Page([], b"")
        start, shown, flat = answer
        values = dict(zip(flat[::2], flat[1::2], strict=True))
        tuples = [
            self._records.read(self.serde, call.thread, cast("Shown", tuple(one)), values)
            for one in shown
        ]
        return Page(tuples, start)


def pruned(thread: str, answer: Any) -> Pruned:
    members, writes, values, size = answer
    names = [member.decode().split("\0") for member in members]
    return Pruned(
        checkpoints=tuple((thread, space, checkpoint_id) for _, space, checkpoint_id in names),
        writes=writes,
        values=values,
        bytes=size,
    )


def together(parts: Iterable[Pruned]) -> Pruned:
    found = list(parts)
    return Pruned(
        checkpoints=tuple(one for part in found for one in part.checkpoints),
        writes=sum(part.writes for part in found),
        values=sum(part.values for part in found),
        bytes=sum(part.bytes for part in found),
    )


class Histories:
    """The writes of some channels, gathered from a checkpoint's ancestors, nearest first."""

    def __init__(self, channels: Sequence[str]) -> None:
        self.open = set(channels)
        self._writes: dict[str, list[PendingWrite]] = {channel: [] for channel in channels}
        self._seeds: dict[str, Any] = {}

    def add(self, ancestor: CheckpointTuple) -> None:
        for write in reversed(ancestor.pending_writes or []):
            if write[1] in self.open:
                self._writes[write[1]].append(write)
        values = ancestor.checkpoint["channel_values"]
        for channel in self.open & values.keys():
            self._seeds[channel] = values[channel]
            self.open.discard(channel)

    def told(self) -> dict[str, DeltaChannelHistory]:
        return dict(self._each())

    def _each(self) -> Iterator[tuple[str, DeltaChannelHistory]]:
        for channel, writes in self._writes.items():
            history: DeltaChannelHistory = {"writes": writes[::-1]}
            if channel in self._seeds:
                history["seed"] = self._seeds[channel]
            yield channel, history
