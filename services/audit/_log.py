"""Each entry's digest covers the one before it, so an earlier entry can't change unnoticed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

from pydantic import ValidationError
from redis.asyncio import Redis

from services.evidence import Frozen, canonical_json
from services.store import UtcTime, redis_errors

START: Final = "0" * 64
"""What the first entry of every log has as its previous digest."""

_LOG: Final = "assay:audit:"

# Appended only behind the entry it was chained to. A retry after a lost answer finds its own
# entry in place, whatever came behind it since.
_APPEND: Final = """
if redis.call('LINDEX', KEYS[1], ARGV[1]) == ARGV[2] then return 1 end
if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
if (redis.call('LINDEX', KEYS[1], -1) or '') ~= ARGV[3] then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[2])
return 1
"""


class AuditEntry(Frozen):
    """One thing that happened. `seq` counts from 1."""

    seq: int
    at: UtcTime
    event: str
    fields: dict[str, Any]
    previous: str
    digest: str

    @classmethod
    def sealed(
        cls, seq: int, at: datetime, event: str, fields: Mapping[str, Any], previous: str
    ) -> AuditEntry:
        """The entry with the digest that belongs to it."""
        entry = cls(seq=seq, at=at, event=event, fields=dict(fields), previous=previous, digest="")
        return entry.model_copy(update={"digest": entry.computed_digest()})

    def computed_digest(self) -> str:
        """SHA-256 of all the entry says, the previous digest included."""
        content = self.model_dump(mode="json", exclude={"digest"})
        return hashlib.sha256(canonical_json(content)).hexdigest()


class AuditVerdict(Frozen):
    """Whether a log is as it was written; if not, the first entry that is not, and why."""

    ok: bool
    entries: int
    head: str
    """The digest of the last sound entry."""
    broken_seq: int | None = None
    reason: str = ""


class AuditLog:
    """One log a run. Entries are only ever added, each behind the last."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def append(
        self, run_id: str, event: str, fields: Mapping[str, Any], *, at: datetime
    ) -> AuditEntry:
        """Add an entry; the sealed entry. Of two writers at once, one goes first."""
        script = self._redis.register_script(_APPEND)
        while True:
            with redis_errors():
                last = await self._redis.lindex(_LOG + run_id, -1)
            previous = AuditEntry.model_validate_json(last) if last is not None else None
            entry = AuditEntry.sealed(
                seq=previous.seq + 1 if previous else 1,
                at=at.astimezone(UTC),
                event=event,
                fields=fields,
                previous=previous.digest if previous else START,
            )
            line = canonical_json(entry.model_dump(mode="json"))
            with redis_errors():
                if await script(keys=[_LOG + run_id], args=[entry.seq - 1, line, last or b""]):
                    return entry

    async def entries(self, run_id: str) -> tuple[AuditEntry, ...]:
        """All entries, oldest first; none when the run has no log."""
        return tuple(AuditEntry.model_validate_json(line) for line in await self._lines(run_id))

    async def head(self, run_id: str) -> str:
        """The digest that stands for the whole log; `START` when it is empty."""
        with redis_errors():
            last = await self._redis.lindex(_LOG + run_id, -1)
        return AuditEntry.model_validate_json(last).digest if last is not None else START

    async def verify(self, run_id: str, *, head: str | None = None) -> AuditVerdict:
        """
        Recompute the chain.

        A changed, missing or reordered entry breaks it where it stands. Entries cut off at the
        end leave a sound chain: they are found by giving the *head* that was noted elsewhere,
        such as in a report.
        """
        previous = START
        heads = {START}
        lines = await self._lines(run_id)
        for seq, line in enumerate(lines, start=1):
            digest, reason = _check(line, seq, previous)
            if reason:
                return AuditVerdict(
                    ok=False, entries=len(lines), head=previous, broken_seq=seq, reason=reason
                )
            previous = digest
            heads.add(digest)
        if head is not None and head not in heads:
            return AuditVerdict(
                ok=False,
                entries=len(lines),
                head=previous,
                broken_seq=len(lines) + 1,
                reason="entries at the end are missing",
            )
        return AuditVerdict(ok=True, entries=len(lines), head=previous)

    async def _lines(self, run_id: str) -> list[bytes]:
        with redis_errors():
            lines = await self._redis.lrange(_LOG + run_id, 0, -1)
        return cast("list[bytes]", lines)


def _check(line: bytes, seq: int, previous: str) -> tuple[str, str]:
    """The digest of a stored entry, and what is wrong with it, or nothing."""
    try:
        entry = AuditEntry.model_validate_json(line)
    except ValidationError:
        return "", "the entry cannot be read"
    if entry.seq != seq:
        return "", f"entry {entry.seq} stands where entry {seq} belongs"
    if entry.previous != previous:
        return "", "the entry does not continue the one before it"
    if entry.digest != entry.computed_digest():
        return "", "the entry is not what was written"
    return entry.digest, ""
