"""Each entry's digest covers the one before it, so an earlier entry can't change unnoticed."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast

from pydantic import ValidationError
from redis.asyncio import Redis

from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import Call, as_bytes, redis_errors, run_all

from ._entry import START, AuditEntry
from ._links import link_content, link_text
from ._personal import hide, in_clear, value_of
from ._script import APPEND, ERASE, REMOVE
from .events import DATA_ERASED, LOG_REMOVED, SYSTEM

LOG: Final = "assay:audit:"
_CHAIN: Final = "assay:audit:@global"
_KEYS: Final = "assay:audit:@keys:"
_PERSONAL: Final = "assay:audit:@personal:"
_PAGE: Final = 2_000
_TAILS: Final = 256
"""Logs whose last entry is kept at hand, so that an append needs no look first."""


class Erasure(Frozen):
    """What was erased from a run's log."""

    run: str
    values: int
    """Values of a person that are gone now."""
    in_clear: int
    """Values that stand in entries of an older form, which can only go with the whole log."""


@dataclass(slots=True)
class _Tail:
    """The end of one log, as this process knows it. Its writers here go one after another."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    seq: int = 0
    digest: str = START
    line: bytes = b""

    def follow(self, line: bytes, length: int) -> None:
        """Take another end for the true one. A damaged entry stays, and is continued."""
        self.line, self.seq = line, length
        try:
            self.digest = AuditEntry.model_validate_json(line).digest if line else START
        except ValidationError:
            self.digest = hashlib.sha256(line).hexdigest()


class AuditLog:
    """
    One log a run, one of the system, and one over them all.

    Entries are only ever added, each behind the last.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._tails: OrderedDict[str, _Tail] = OrderedDict()

    @failpoint("audit.append")
    async def append(
        self, run_id: str, event: str, fields: Mapping[str, Any], *, at: datetime, key: str = ""
    ) -> AuditEntry:
        """
        Add an entry; the sealed entry, in the log and in the log over all runs at once.

        What is personal in *fields* is stored beside the log. With a *key* there is one entry of
        that key and no more: a second append gives the first's entry.
        """
        found = await self._write(APPEND, run_id, event, fields, at=at, key=key)
        assert found is not None
        return found

    @failpoint("audit.begin_all")
    async def begin_all(
        self,
        event: str,
        said: Mapping[str, Mapping[str, Any]],
        *,
        at: datetime,
        then: Sequence[Call] = (),
    ) -> None:
        """
        Begin the logs of new runs, each with one entry of *event* under the key *event*.

        One round trip for all, and for the calls that are done *then*. A log that has begun already
        gets the entry as by `append`.
        """
        calls = [_first(run_id, event, fields, at) for run_id, fields in said.items()]
        answers = await run_all(self._redis, [*calls, *then])
        for (run_id, fields), answer in zip(said.items(), answers, strict=False):
            if answer[0] == 0:
                await self.append(run_id, event, fields, at=at, key=event)

    @failpoint("audit.erase")
    async def erase(
        self, run_id: str, *, by: str, at: datetime, reason: str = "", person: str | None = None
    ) -> Erasure:
        """
        Delete what the log of a run says of persons, or of *person* alone; what was deleted.

        The chain stays as it is. An entry of the system's log says what was erased, and by whom.
        Erasing again erases nothing.
        """
        stored = await self.personal(run_id)
        gone = sorted(name for name, value in stored.items() if person in (None, value))
        kept = sum(person in (None, value) for value in await self._in_clear(run_id))
        if gone:
            fields = {"run": run_id, "values": gone, "in_clear": kept, "by": by, "reason": reason}
            await self._write(
                ERASE, SYSTEM, DATA_ERASED, fields, at=at, keys=[_PERSONAL + run_id], more=gone
            )
        return Erasure(run=run_id, values=len(gone), in_clear=kept)

    async def erase_person(
        self, person: str, *, by: str, at: datetime, reason: str = ""
    ) -> tuple[Erasure, ...]:
        """Delete what any log says of *person*; one erasure for each log that names them."""
        done = [
            await self.erase(name, by=by, at=at, reason=reason, person=person)
            for name in sorted(await self.logs())
        ]
        return tuple(erasure for erasure in done if erasure.values or erasure.in_clear)

    @failpoint("audit.remove")
    async def remove(self, run_id: str, *, by: str, at: datetime, reason: str = "") -> int:
        """
        Remove a run's whole log, as retention does; how many entries it had.

        An entry of the system's log says which log went, and where it ended: that a log is gone
        without such an entry is found.
        """
        if run_id == SYSTEM:
            raise ValueError("the system's log stays")
        while True:
            lines = await self.lines(run_id)
            if not lines:
                return 0
            fields = {"run": run_id, "entries": len(lines), "head": _digest_of(lines[-1])}
            if await self._write(
                REMOVE,
                SYSTEM,
                LOG_REMOVED,
                {**fields, "by": by, "reason": reason},
                at=at,
                keys=[LOG + run_id, _KEYS + run_id, _PERSONAL + run_id],
                more=[lines[-1]],
            ):
                self._tails.pop(run_id, None)
                return len(lines)

    async def entries(self, run_id: str) -> tuple[AuditEntry, ...]:
        """All entries, oldest first; none when the run has no log."""
        return tuple(AuditEntry.model_validate_json(line) for line in await self.lines(run_id))

    async def personal(self, run_id: str) -> dict[str, Any]:
        """What the references in a run's entries stand for; what was erased is not there."""
        return {name: value_of(stored) for name, stored in (await self.hidden(run_id)).items()}

    async def head(self, run_id: str) -> str:
        """The digest that stands for a run's whole log; `START` when it is empty."""
        with redis_errors():
            last = await self._redis.lindex(LOG + run_id, -1)
        return AuditEntry.model_validate_json(last).digest if last is not None else START

    async def global_head(self) -> tuple[int, str]:
        """How many entries all logs have had, and the digest that stands for them all."""
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as commands:
                commands.llen(_CHAIN)
                commands.lindex(_CHAIN, -1)
                count, last = await commands.execute()
        return count, last.decode()[-64:] if last else START

    async def logs(self) -> frozenset[str]:
        """The names of all logs that there are, the system's too."""
        with redis_errors():
            found = [key async for key in self._redis.scan_iter(f"{LOG}*", count=1000)]
        names = {key.decode().removeprefix(LOG) for key in found}
        return frozenset(name for name in names if name == SYSTEM or not name.startswith("@"))

    async def lines(self, run_id: str) -> list[bytes]:
        """A log as it is stored."""
        with redis_errors():
            lines = await self._redis.lrange(LOG + run_id, 0, -1)
        return cast("list[bytes]", lines)

    async def hidden(self, run_id: str) -> dict[str, bytes]:
        """The personal values of a log as they are stored."""
        with redis_errors():
            found = await self._redis.hgetall(_PERSONAL + run_id)
        return {as_bytes(name).decode(): as_bytes(stored) for name, stored in found.items()}

    async def links(self, start: int = 0) -> AsyncIterator[bytes]:
        """The log over all runs as it is stored, behind the first *start* links."""
        while True:
            with redis_errors():
                page = await self._redis.lrange(_CHAIN, start, start + _PAGE - 1)
            for line in page:
                yield as_bytes(line)
            if len(page) < _PAGE:
                return
            start += _PAGE

    async def _in_clear(self, run_id: str) -> list[Any]:
        """What entries of the older form say of persons; a log has them first or not at all."""
        with redis_errors():
            first = await self._redis.lindex(LOG + run_id, 0)
        if first is None or b'"run":' in as_bytes(first):
            return []
        return [value for entry in await self.entries(run_id) for value in in_clear(entry)]

    async def _write(  # noqa: PLR0913 (an entry, and what else its script does)
        self,
        script: str,
        run_id: str,
        event: str,
        fields: Mapping[str, Any],
        *,
        at: datetime,
        key: str = "",
        keys: Iterable[str] = (),
        more: Iterable[str | bytes] = (),
    ) -> AuditEntry | None:
        """Run a script that appends. None when it found its condition gone."""
        if run_id.startswith("@") and run_id != SYSTEM:
            raise ValueError(f"no log is called {run_id}")
        shown, hidden = hide(fields)
        tail = self._tail(run_id)
        names = [LOG + run_id, _CHAIN, _KEYS + run_id, _PERSONAL + run_id, *keys]
        values = [part for pair in hidden.items() for part in pair]
        run = self._redis.register_script(script)
        async with tail.lock:
            while True:
                entry = AuditEntry.sealed(
                    run_id, tail.seq + 1, at.astimezone(UTC), event, shown, tail.digest
                )
                line, text = entry.line(), link_text(run_id, entry.seq, entry.digest)
                entered = (tail.seq, line, tail.line, text, link_content(text), key, len(hidden))
                with redis_errors():
                    answer = await run(keys=names, args=(*entered, *values, *more))
                match answer:
                    case [1]:
                        tail.seq, tail.digest, tail.line = entry.seq, entry.digest, line
                        return entry
                    case [2, known]:
                        return AuditEntry.model_validate_json(known)
                    case [0, last, length]:
                        tail.follow(last, length)
                    case _:
                        return None

    def _tail(self, run_id: str) -> _Tail:
        tail = self._tails.pop(run_id, None) or _Tail()
        self._tails[run_id] = tail
        while len(self._tails) > _TAILS:
            self._tails.popitem(last=False)
        return tail


def _first(run_id: str, event: str, fields: Mapping[str, Any], at: datetime) -> Call:
    shown, hidden = hide(fields)
    entry = AuditEntry.sealed(run_id, 1, at.astimezone(UTC), event, shown, START)
    text = link_text(run_id, entry.seq, entry.digest)
    values = [part for pair in hidden.items() for part in pair]
    entered = (0, entry.line(), b"", text, link_content(text), event, len(hidden))
    names = (LOG + run_id, _CHAIN, _KEYS + run_id, _PERSONAL + run_id)
    return Call(APPEND, names, (*entered, *values))


def _digest_of(line: bytes) -> str:
    try:
        return AuditEntry.model_validate_json(line).digest
    except ValidationError:
        return ""
