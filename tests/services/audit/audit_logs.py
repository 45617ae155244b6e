"""Logs to test with, and their stored form to tamper with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from redis.asyncio import Redis

from services.audit import AuditLog
from services.audit import _entry as entry_module

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
LOG = "assay:audit:"
GLOBAL = f"{LOG}@global"
PERSONAL = f"{LOG}@personal:"


async def log_of(redis: Redis, length: int, run: str = "r-1") -> AuditLog:
    """A log whose run has *length* entries."""
    log = AuditLog(redis)
    for number in range(length):
        await log.append(run, "step.finished", {"n": number}, at=NOON + timedelta(seconds=number))
    return log


async def three_runs(redis: Redis) -> AuditLog:
    """Runs a, b and c of six entries each, one after the other in turn, and one erasure."""
    log = AuditLog(redis)
    for number in range(6):
        for run in "abc":
            said = {"n": number, "by": f"person {number}"} if number in (0, 3) else {"n": number}
            await log.append(run, "step.finished", said, at=NOON + timedelta(seconds=number))
    await log.erase("c", by="Grace", at=NOON, person="person 3")
    return log


@dataclass
class Stored:
    """What the keys of a log hold. `put` writes it back as it is now."""

    lists: dict[str, list[bytes]] = field(default_factory=dict)
    hashes: dict[str, dict[bytes, bytes]] = field(default_factory=dict)

    @classmethod
    async def read(cls, redis: Redis) -> Stored:
        stored = cls()
        for raw in await redis.keys(f"{LOG}*"):
            key = raw.decode()
            if await redis.type(key) == b"list":
                stored.lists[key.removeprefix(LOG)] = await redis.lrange(key, 0, -1)
            else:
                stored.hashes[key.removeprefix(LOG)] = await redis.hgetall(key)
        return stored

    def copy(self) -> Stored:
        return Stored(
            {name: list(lines) for name, lines in self.lists.items()},
            {name: dict(values) for name, values in self.hashes.items()},
        )

    async def put(self, redis: Redis) -> None:
        await redis.flushall()
        for name, lines in self.lists.items():
            if lines:
                await redis.rpush(LOG + name, *lines)
        for name, values in self.hashes.items():
            if values:
                await redis.hset(LOG + name, mapping=values)


def changed(line: bytes, **parts: Any) -> bytes:
    """A stored entry with other parts, its digest left as it was."""
    return json.dumps(json.loads(line) | parts).encode()


def resealed(line: bytes, **parts: Any) -> bytes:
    """A stored entry with other parts, and the digest that belongs to them."""
    entry = entry_module.AuditEntry.model_validate_json(line).model_copy(update=parts)
    return entry.model_copy(update={"digest": entry.computed_digest()}).line()


def rewritten(lines: list[bytes], start: int, **parts: Any) -> list[bytes]:
    """A stored log that says something else at *start*, sealed anew from there to its end."""
    made = lines[:start]
    for line in lines[start:]:
        before = entry_module.AuditEntry.model_validate_json(made[-1]).digest if made else "0" * 64
        made.append(resealed(line, previous=before, **(parts if len(made) == start else {})))
    return made
