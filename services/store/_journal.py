"""
Which runs were accepted, in a file of the home: known also when the store has lost them.

A server that was set back to older data (an older append-only file, a restored backup) does not
know that it once knew more. This file does: it is flushed to disk before a run counts as accepted.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

from pydantic import ValidationError
from redis.asyncio import Redis

from services.errors import RunLost, StoreUnavailable
from services.evidence import Frozen
from services.failpoints import failpoint

from ._connection import redis_errors
from ._mentions import Mentions
from ._objects import flush_folder
from ._values import UtcTime

_RUN: Final = "assay:run:"
_BATCH: Final = 500


class Accepted(Frozen):
    """A run that was accepted at a time."""

    run_id: str
    at: UtcTime


_Event: TypeAlias = Literal["accepting", "accepted", "deleted"]


class _Line(Frozen):
    event: _Event
    run: str
    at: UtcTime


class Journal:
    """
    The runs that this home has accepted and not deleted.

    A run that stands here and is unknown to the store is lost.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "accepted.jsonl"
        self._lock = home / "accepted.lock"

    @asynccontextmanager
    async def accepting(self, redis: Redis, run_id: str, *, at: datetime) -> AsyncIterator[None]:
        """
        Note a run whose body stores it: that it is to be, and once it is stored, that it was.

        `RunLost` when it was accepted before and the store does not know it: it is not begun
        again. `StoreUnavailable` when the note cannot be on disk: then nothing was accepted. A
        process that is killed on the way has accepted nothing, and may be asked again.
        """
        if await self.mentioned([run_id]):
            await self.check(redis, run_id)
            if run_id in await asyncio.to_thread(self.runs):
                yield
                return
        await self._note("accepting", [run_id], at=at)
        yield
        await self.accepted(run_id, at=at)

    async def mentioned(self, run_ids: Collection[str]) -> frozenset[str]:
        """Those of *run_ids* that a line may be of; only what was added since is read."""
        return await asyncio.to_thread(self._mentioned, run_ids)

    async def begin(self, run_ids: Collection[str], *, at: datetime) -> frozenset[str]:
        """
        Those of *run_ids* that no line mentions, noted as `accepting` does, in one flush for all.

        Whoever stores them notes them as `accepted`; `StoreUnavailable` as there.
        """
        return await asyncio.to_thread(self._begin, run_ids, at)

    async def check(self, redis: Redis, run_id: str) -> None:
        """Raise `RunLost` when a run was accepted here and the store does not know it."""
        if await _knows(redis, run_id):
            return
        accepted = (await asyncio.to_thread(self.runs)).get(run_id)
        if accepted is not None:
            raise RunLost(
                f"Run {run_id} was accepted at {accepted.at:%Y-%m-%d %H:%M:%S} UTC, and the store no longer knows it: its data are older.",
                hint=f"Restore a newer backup, or give it up with `assay run delete {run_id}`.",
            )

    @failpoint("journal.accepted")
    async def accepted(self, *run_ids: str, at: datetime) -> None:
        """Note runs, on disk when this returns; `StoreUnavailable` when that cannot be."""
        await self._note("accepted", run_ids, at=at)

    @failpoint("journal.deleted")
    async def deleted(self, run_id: str, *, at: datetime) -> None:
        """Note that a run was deleted on purpose."""
        await self._note("deleted", [run_id], at=at)

    def runs(self) -> dict[str, Accepted]:
        """The runs by id, in the order in which they were accepted."""
        return _runs(self._lines())

    async def lost(self, redis: Redis) -> tuple[Accepted, ...]:
        """The runs that were accepted here and that the store does not know."""
        runs = list((await asyncio.to_thread(self.runs)).values())
        lost: list[Accepted] = []
        for at in range(0, len(runs), _BATCH):
            batch = runs[at : at + _BATCH]
            with redis_errors():
                async with redis.pipeline(transaction=False) as commands:
                    for run in batch:
                        commands.exists(_RUN + run.run_id)
                    known = await commands.execute()
            lost += [run for run, found in zip(batch, known, strict=True) if not found]
        return tuple(lost)

    def merge(self, other: Path) -> None:
        """Take over what another journal, such as a backup's, has and this one has not."""
        mine = {line.model_dump_json() for line in self._lines()}
        self._append([line for line in _read(other) if line.model_dump_json() not in mine])

    def compact(self) -> None:
        """Drop the lines of runs that were deleted."""
        with self._writing():
            kept = [_Line(event="accepted", run=r.run_id, at=r.at) for r in self.runs().values()]
            fresh = self.path.with_suffix(".fresh")
            _write(fresh, kept, os.O_TRUNC)
            fresh.replace(self.path)
            flush_folder(self.path.parent)

    def _begin(self, run_ids: Collection[str], at: datetime) -> frozenset[str]:
        with self._writing():
            fresh = frozenset(run_ids) - _mentions(self.path).of(run_ids, nullcontext)
            lines = [_Line(event="accepting", run=name, at=at) for name in run_ids if name in fresh]
            self._add(lines)
        return fresh

    async def _note(self, event: _Event, run_ids: Sequence[str], *, at: datetime) -> None:
        lines = [_Line(event=event, run=run_id, at=at) for run_id in run_ids]
        await asyncio.to_thread(self._append, lines)

    def _mentioned(self, run_ids: Collection[str]) -> frozenset[str]:
        with self._errors():
            return _mentions(self.path).of(run_ids, self._reading)

    def _lines(self) -> list[_Line]:
        with self._errors():
            return _read(self.path)

    def _append(self, lines: list[_Line]) -> None:
        with self._writing():
            self._add(lines)

    def _add(self, lines: list[_Line]) -> None:
        if lines:
            is_new = not self.path.exists()
            _write(self.path, lines, os.O_APPEND)
            if is_new:
                flush_folder(self.path.parent)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._lock.open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """No line is half written, or about to be taken back, meanwhile."""
        with self._lock.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(
                f"The journal of accepted runs {self.path} cannot be used: {error.strerror}.",
                hint="Free some space or make it writable. Accepted runs are kept; new ones are taken once it is.",
            ) from error


@cache
def _mentions(path: Path) -> Mentions:
    return Mentions(path)


async def _knows(redis: Redis, run_id: str) -> bool:
    with redis_errors():
        return bool(await redis.exists(_RUN + run_id))


def _runs(lines: Iterable[_Line]) -> dict[str, Accepted]:
    found: dict[str, Accepted] = {}
    for line in lines:
        if line.event != "accepting":
            found.pop(line.run, None)
        if line.event == "accepted":
            found[line.run] = Accepted(run_id=line.run, at=line.at)
    return found


def _read(path: Path) -> list[_Line]:
    """The whole lines of a journal; one that a kill or a full disk cut short was never told."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = []
    for text in content.splitlines():
        with suppress(ValidationError):
            lines.append(_Line.model_validate_json(text))
    return lines


def _write(path: Path, lines: list[_Line], how: int) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | how, 0o600)
    try:
        size = os.fstat(handle).st_size
        text = "".join(json.dumps(line.model_dump(mode="json")) + "\n" for line in lines)
        if size and os.pread(handle, 1, size - 1) != b"\n":
            text = "\n" + text
        try:
            _write_all(handle, text.encode())
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def _write_all(handle: int, content: bytes) -> None:
    while content:
        content = content[os.write(handle, content) :]
