"""Who needs a content: a set of names a run, and for each name how many runs have it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from services.errors import StoreUnavailable
from services.evidence import Frozen
from services.failpoints import failpoint

from ._connection import redis_errors
from ._objects import ObjectStore
from ._values import as_bytes

PREFIX: Final = "assay:"
HOLD: Final = PREFIX + "hold"
"""Stands while a backup reads contents: until it expires, nothing is let go."""
OBJECT: Final = "object:"
KINDS: Final = ("blob:", "rows:", "evidence:")
_REFS: Final = PREFIX + "refs:"
_COUNTS: Final = PREFIX + "refcounts"
_RUN: Final = PREFIX + "run:"
_BATCH: Final = 500

# A content's name is its key without the prefix. Evidence is written each time: equal evidence
# may name its sources in another order, and a run reads back its own.
_PUT: Final = """
for i = 3, #KEYS do
  if string.find(KEYS[i], '^assay:evidence:') then redis.call('SET', KEYS[i], ARGV[i - 2])
  else redis.call('SET', KEYS[i], ARGV[i - 2], 'NX') end
end
for i = #KEYS - 1, #ARGV do
  if redis.call('SADD', KEYS[1], ARGV[i]) == 1 then redis.call('HINCRBY', KEYS[2], ARGV[i], 1) end
end
return 1
"""

_COPY: Final = """
local copied = 0
for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('SADD', KEYS[2], name) == 1 then
    redis.call('HINCRBY', KEYS[3], name, 1)
    copied = copied + 1
  end
end
return copied
"""

# With ARGV[2], only when the run of that key is unknown.
_RELEASE: Final = """
if redis.call('EXISTS', KEYS[3]) == 1 then return -1 end
if ARGV[2] ~= '' and redis.call('EXISTS', ARGV[2]) == 1 then return {0} end
local names = redis.call('SPOP', KEYS[1], ARGV[1])
local freed = {#names}
for _, name in ipairs(names) do
  if redis.call('HINCRBY', KEYS[2], name, -1) <= 0 then
    redis.call('HDEL', KEYS[2], name)
    freed[#freed + 1] = name
    freed[#freed + 1] = redis.call('STRLEN', 'assay:' .. name)
    redis.call('UNLINK', 'assay:' .. name)
  end
end
return freed
"""

_SWEEP: Final = """
if redis.call('EXISTS', KEYS[2]) == 1 then return -1 end
local freed = {0}
for i = 2, #ARGV do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then
    local size = redis.call('STRLEN', 'assay:' .. ARGV[i])
    if ARGV[1] == '1' or redis.call('UNLINK', 'assay:' .. ARGV[i]) == 1 then
      freed[#freed + 1] = ARGV[i]
      freed[#freed + 1] = size
    end
  end
end
return freed
"""


class Freed(Frozen):
    """What was let go, or would be: how many contents and runs' references, and their bytes."""

    contents: int = 0
    bytes: int = 0
    orphans: tuple[str, ...] = ()
    """Ids that had references, though no run of that id is known."""

    def __add__(self, other: Freed) -> Freed:
        return Freed(
            contents=self.contents + other.contents,
            bytes=self.bytes + other.bytes,
            orphans=self.orphans + other.orphans,
        )


class References:
    """
    Which run needs which content. Storing and referring are one step, and so are letting go
    and removing: no content is ever there without its reference, or gone with one.
    """

    def __init__(self, redis: Redis, objects: ObjectStore | None = None) -> None:
        self._redis = redis
        self._objects = objects

    async def put(
        self, run_id: str, contents: Mapping[str, bytes | str], *, also: Sequence[str] = ()
    ) -> None:
        """Store contents by name, and refer to them and to what *also* names; of no run, nobody does."""
        keys = [_REFS + run_id, _COUNTS, *(PREFIX + name for name in contents)]
        names = (*contents, *also) if run_id else ()
        with redis_errors():
            await self._redis.register_script(_PUT)(keys=keys, args=[*contents.values(), *names])

    async def of_run(self, run_id: str) -> frozenset[str]:
        """The names of all that a run needs."""
        with redis_errors():
            names = await self._redis.smembers(_REFS + run_id)
        return frozenset(as_bytes(name).decode() for name in names)

    async def needs(self, run_id: str, name: str) -> bool:
        """Whether a run needs the content of that name."""
        with redis_errors():
            return bool(await self._redis.sismember(_REFS + run_id, name))

    @failpoint("references.copy")
    async def copy(self, source: str, target: str) -> int:
        """Let run *target* need what *source* needs, as a fork does; how much that is."""
        with redis_errors():
            return int(
                await self._redis.register_script(_COPY)(
                    keys=[_REFS + source, _REFS + target, _COUNTS]
                )
            )

    async def release(self, run_id: str, *, dry_run: bool = False) -> Freed:
        """Let go of all that a run needs; what no other run needs is removed."""
        if dry_run:
            return await self._releasable(run_id)
        return await self._release(run_id)

    async def collect(self, *, dry_run: bool = False) -> Freed:
        """
        Remove every content that no run needs, and the references of runs that are unknown.

        May run beside anything that stores, and be killed anywhere.
        """
        orphans = [run_id async for run_id in self._orphans()]
        freed = Freed(orphans=tuple(sorted(orphans)))
        for run_id in orphans:
            freed += await (
                self._releasable(run_id) if dry_run else self._release(run_id, unless=_RUN + run_id)
            )
        for kind in KINDS:
            freed += await self._sweep(kind, dry_run=dry_run)
        return freed + await self._sweep_objects(dry_run=dry_run)

    @failpoint("references.release")
    async def _release_some(self, run_id: str, unless: str) -> tuple[int, list[tuple[str, int]]]:
        with redis_errors():
            reply = await self._redis.register_script(_RELEASE)(
                keys=[_REFS + run_id, _COUNTS, HOLD], args=[_BATCH, unless]
            )
        return _count_and_pairs(reply)

    async def _release(self, run_id: str, *, unless: str = "") -> Freed:
        freed = Freed()
        while True:
            count, gone = await self._release_some(run_id, unless)
            freed += _sum(gone)
            for name, _ in gone:
                if name.startswith(OBJECT):
                    freed += await self._remove_object(name)
            if not count:
                return freed

    async def _releasable(self, run_id: str) -> Freed:
        freed = Freed()
        for batch in _batches(sorted(await self.of_run(run_id))):
            with redis_errors():
                counts = await self._redis.hmget(_COUNTS, batch)
                alone = [n for n, count in zip(batch, counts, strict=True) if int(count or 0) <= 1]
                async with self._redis.pipeline(transaction=False) as commands:
                    for name in alone:
                        commands.strlen(PREFIX + name)
                    sizes = await commands.execute()
            freed += _sum(zip(alone, sizes, strict=True))
            for name in alone:
                if name.startswith(OBJECT):
                    freed += Freed(contents=1, bytes=self._object_size(name))
        return freed

    def _object_size(self, name: str) -> int:
        size = self._objects.size(name.removeprefix(OBJECT)) if self._objects else None
        return size or 0

    async def _orphans(self) -> AsyncIterator[str]:
        with redis_errors():
            async for key in self._redis.scan_iter(_REFS + "*", count=_BATCH):
                run_id = as_bytes(key).decode().removeprefix(_REFS)
                if not await self._redis.exists(_RUN + run_id):
                    yield run_id

    async def _sweep(self, kind: str, *, dry_run: bool) -> Freed:
        freed, names = Freed(), []
        with redis_errors():
            async for key in self._redis.scan_iter(PREFIX + kind + "*", count=_BATCH):
                names.append(as_bytes(key).decode().removeprefix(PREFIX))
                if len(names) == _BATCH:
                    freed += _sum(await self._sweep_some(names, dry_run=dry_run))
                    names = []
        return freed + _sum(await self._sweep_some(names, dry_run=dry_run))

    @failpoint("references.sweep")
    async def _sweep_some(self, names: Sequence[str], *, dry_run: bool) -> list[tuple[str, int]]:
        if not names:
            return []
        with redis_errors():
            reply = await self._redis.register_script(_SWEEP)(
                keys=[_COUNTS, HOLD], args=[int(dry_run), *names]
            )
        return _count_and_pairs(reply)[1]

    async def _sweep_objects(self, *, dry_run: bool) -> Freed:
        freed = Freed()
        if self._objects is None:
            return freed
        if not dry_run:
            await asyncio.to_thread(self._objects.tidy)
        for digest in await asyncio.to_thread(list, self._objects.digests()):
            name = OBJECT + digest
            if not dry_run:
                freed += await self._remove_object(name)
            elif not await self._is_wanted(name):
                freed += Freed(contents=1, bytes=self._object_size(name))
        return freed

    async def _remove_object(self, name: str) -> Freed:
        if self._objects is None or await self._is_wanted(name):
            return Freed()
        size = self._object_size(name)
        digest = name.removeprefix(OBJECT)
        removed = await self._objects.remove(digest, lambda: self._is_wanted(name))
        return Freed(contents=1, bytes=size) if removed else Freed()

    async def _is_wanted(self, name: str) -> bool:
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as commands:
                commands.hexists(_COUNTS, name)
                commands.exists(HOLD)
                return any(await commands.execute())


def _count_and_pairs(reply: Any) -> tuple[int, list[tuple[str, int]]]:
    """The answer of a script that lets go: how many it looked at, and what went with its size."""
    if not isinstance(reply, list):
        raise StoreUnavailable(
            "A backup is being made, and nothing is removed meanwhile.",
            hint="Try again once it is finished.",
        )
    names, sizes = reply[1::2], reply[2::2]
    pairs = [(as_bytes(name).decode(), int(size)) for name, size in zip(names, sizes, strict=True)]
    return int(reply[0]), pairs


def _sum(gone: Iterable[tuple[str, int]]) -> Freed:
    """Of contents in the server; those that are files are counted as the files go."""
    sizes = [size for name, size in gone if not name.startswith(OBJECT)]
    return Freed(contents=len(sizes), bytes=sum(sizes))


def _batches(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[at : at + _BATCH] for at in range(0, len(names), _BATCH)]
